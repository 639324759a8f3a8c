from __future__ import annotations

import numpy as np

from monai_denoiseg.data.stored import spacing_to_affine


def test_affine():
    np.testing.assert_array_equal(spacing_to_affine((3, 2, 1), 3), np.diag([3, 2, 1, 1]))
    np.testing.assert_array_equal(spacing_to_affine(None, 2), np.eye(3))

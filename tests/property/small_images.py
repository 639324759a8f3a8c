"""Small images to draw from: what the network could predict, and what an annotator could draw."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

LEVELS = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.8, 0.1), (0.6, 0.4), (0.5, 0.5), (0.3, 0.6), (0.4, 0.2), (0.1, 0.35))
"""Foreground and border probability of one voxel: sure ones, ties, and both sides of every limit of the rules."""

shapes = st.one_of(
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
    hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=5),
)


@st.composite
def probabilities(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Foreground and border ``([D,] H, W)``."""
    kinds = draw(hnp.arrays(np.int8, draw(shapes), elements=st.integers(0, len(LEVELS) - 1)))
    foreground, border = np.moveaxis(np.array(LEVELS)[kinds], -1, 0)
    return foreground.copy(), border.copy()


@st.composite
def untied(draw: st.DrawFn) -> np.ndarray:
    """Foreground ``([D,] H, W)`` no two voxels of which are alike, so that no rule has to break a tie."""
    shape = draw(shapes)
    order = draw(st.permutations(range(int(np.prod(shape)))))
    power = draw(st.sampled_from([0.5, 1.0, 2.0]))
    return ((np.array(order).reshape(shape) + 0.5) / len(order)) ** power


instance_images = shapes.flatmap(lambda shape: hnp.arrays(np.int32, shape, elements=st.sampled_from([-1, 0, 0, 0, 1, 1, 2, 7])))
"""Touching, broken and lone objects, some voxels not annotated."""

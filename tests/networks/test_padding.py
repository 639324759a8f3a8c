from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_denoiseg.networks import reflect_to_multiple


def numpy_reflected(image: np.ndarray, multiple: list[int]) -> np.ndarray:
    ends = [-n % m for n, m in zip(image.shape[2:], multiple, strict=True)]
    return np.pad(image, [(0, 0), (0, 0), *((0, end) for end in ends)], mode="reflect")


@pytest.mark.parametrize("multiple", [[1, 16], [4, 4], [8, 3], [16, 16]])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (3, 17), (5, 16), (7, 33)])
@pytest.mark.parametrize("channels", [1, 3])
def test_2d_as_numpy(size: tuple[int, int], multiple: list[int], channels: int) -> None:
    image = np.random.default_rng(0).normal(size=(2, channels, *size))
    np.testing.assert_array_equal(reflect_to_multiple(torch.tensor(image), multiple), numpy_reflected(image, multiple))


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 9, 4), (2, 3, 5), (3, 8, 7)])
@pytest.mark.parametrize("multiple", [[2, 8, 8], [16, 4, 1]])
def test_3d_as_numpy(size: tuple[int, ...], multiple: list[int]) -> None:
    image = np.random.default_rng(1).normal(size=(1, 2, *size))
    np.testing.assert_array_equal(reflect_to_multiple(torch.tensor(image), multiple), numpy_reflected(image, multiple))


def test_nothing_to_pad_gives_the_input_itself() -> None:
    image = torch.rand(1, 1, 8, 12)
    assert reflect_to_multiple(image, [4, 4]) is image


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.int32, torch.bool])
def test_dtype_is_kept(dtype: torch.dtype) -> None:
    assert reflect_to_multiple(torch.ones(1, 1, 3, 5).to(dtype), [4, 4]).dtype == dtype


def test_gradient_counts_the_copies_of_each_voxel() -> None:
    image = torch.zeros(1, 1, 1, 3, requires_grad=True)
    reflect_to_multiple(image, [1, 8]).sum().backward()
    assert image.grad is not None
    assert image.grad.flatten().tolist() == [2, 4, 2]  # 0 1 2 1 0 1 2 1

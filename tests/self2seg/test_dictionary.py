from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.data import MetaTensor
from torch import Tensor

from monai_denoiseg.self2seg.dictionary import Self2Segd
from monai_denoiseg.self2seg.loop import Self2Seg


def item(*shape: int, channels: int = 1) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    image = 0.05 * torch.randn(channels, *shape, generator=generator)
    image[(slice(None), *(slice(n // 4, n // 2) for n in shape))] += 1
    return {"image": MetaTensor(image, meta={"filename_or_obj": "in/cells.tif"}), "other": 7}


@pytest.mark.parametrize(("shape", "channels"), [((16, 21), 1), ((16, 21), 3), ((5, 9, 8), 1), ((5, 9, 8), 2)])
def test_same_as_the_array_version(shape: tuple[int, ...], channels: int) -> None:
    method = Self2Seg(["constant", "constant"], lam=0.05)
    given = item(*shape, channels=channels)
    found = Self2Segd("image", method)(given)
    plain = method(given["image"].as_tensor())
    assert set(found) == {"image", "other", "mask", "denoised", "result", "energies_csv", "energies_svg"}
    assert set(given) == {"image", "other"}
    assert torch.equal(found["mask"].as_tensor(), plain.labels[None])
    assert torch.equal(found["denoised"].as_tensor(), plain.denoised)
    assert found["mask"].meta["filename_or_obj"] == "in/cells.tif"
    assert found["mask"].shape == (1, *shape)
    assert found["denoised"].shape == (channels, *shape)
    assert found["energies_csv"].count("\n") == 1 + len(found["result"].records)
    assert ">cells.tif<" in found["energies_svg"]


def test_a_plain_tensor_of_another_type() -> None:
    image = (item(12, 12)["image"].as_tensor() * 1000).to(torch.int16)
    found = Self2Segd(["image"], Self2Seg(["constant", "constant"], lam=0.01))({"image": image})
    assert type(found["mask"]) is Tensor
    assert found["denoised"].dtype == torch.float32


class Recorder:
    """A method that keeps what it is given."""

    def __call__(self, image: Tensor, **hints: Any) -> Tensor:
        self.hints = hints
        return image


def test_boxes_of_the_item_go_before_those_of_the_configuration() -> None:
    method, of_all, own = Recorder(), [[[0, 2, 0, 2]], [[4, 6, 4, 6]]], [[[0, 1, 0, 1]], [[2, 3, 2, 3]]]
    transform = Self2Segd("image", method, boxes=of_all)
    transform({"image": torch.zeros(1, 8, 8)})
    assert method.hints == {"boxes": of_all}
    transform({"image": torch.zeros(1, 8, 8), "boxes": own})
    assert method.hints == {"boxes": own}


def test_scribbles_reach_the_method_without_channel() -> None:
    method = Recorder()
    drawn = MetaTensor(torch.arange(12).reshape(1, 3, 4))
    Self2Segd("image", method)({"image": torch.zeros(2, 3, 4), "scribbles": drawn})
    assert torch.equal(method.hints["scribbles"], torch.arange(12).reshape(3, 4))
    with pytest.raises(ValueError, match=r"scribbles of shape \[1, 3, 4\] do not fit an image of \[2, 4, 3\]"):
        Self2Segd("image", method)({"image": torch.zeros(2, 4, 3), "scribbles": drawn})


def test_a_path_adds_masks_and_its_table() -> None:
    method = Self2Seg(["constant", "constant"], lam=0.05, lam_path=[0.01, 0.1])
    found = Self2Segd("image", method)(item(12, 14))
    assert found["masks"].shape == (2, 12, 14)
    assert found["lambda_path_csv"].count("\n") == 3


def test_a_denoiser_adds_the_denoised_image_alone() -> None:
    assert set(Self2Segd("image", lambda image: image / 2)(item(8, 8))) == {"image", "other", "denoised"}


def test_the_method_is_self2seg_unless_said_otherwise() -> None:
    assert isinstance(Self2Segd().method, Self2Seg)


def test_an_item_without_image() -> None:
    with pytest.raises(KeyError, match=r"item without 'image'; it has \['label'\]"):
        Self2Segd("image", Recorder())({"label": 1})

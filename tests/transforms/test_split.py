from __future__ import annotations

import pytest
import torch

from monai_denoiseg.transforms import SplitPredictiond


@pytest.mark.parametrize("shape", [(6, 8, 9), (5, 4, 8, 9)])
def test_parts_are_the_channels(shape: tuple[int, ...]) -> None:
    prediction = torch.rand(shape)
    item = SplitPredictiond("pred")({"pred": prediction, "other": 1})
    torch.testing.assert_close(item["pred"], prediction[:3])
    torch.testing.assert_close(item["probabilities"], prediction[:3])
    torch.testing.assert_close(item["denoised"], prediction[3:])
    assert item["other"] == 1


def test_other_number_of_classes() -> None:
    assert SplitPredictiond("pred", n_classes=2)({"pred": torch.zeros(3, 4, 4)})["denoised"].shape == (1, 4, 4)


def test_what_a_network_has_not_its_item_has_not() -> None:
    assert sorted(SplitPredictiond("pred")({"pred": torch.zeros(3, 4, 4)})) == ["pred", "probabilities"]
    assert sorted(SplitPredictiond("pred", n_classes=0)({"pred": torch.zeros(2, 4, 4)})) == ["denoised"]
    with pytest.raises(ValueError, match="'pred' has 2 channels, fewer than the 3 classes"):
        SplitPredictiond("pred")({"pred": torch.zeros(2, 4, 4)})
    assert SplitPredictiond("pred", allow_missing_keys=True)({}) == {}

"""Weights and thresholds of a file reach another network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from monai_denoiseg.networks import DenoiSegNet, decision_threshold, load_weights


def test_load_weights(tmp_path: Path) -> None:
    network = DenoiSegNet(2, depth=1, features=4)
    network.threshold.copy_(torch.tensor([0.3, 0.7]))
    torch.save(network.state_dict(), tmp_path / "model.pt")
    other = load_weights(DenoiSegNet(2, depth=1, features=4), tmp_path / "model.pt")
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in other.state_dict().items())
    assert (decision_threshold(other), decision_threshold(other, metric="seg")) == pytest.approx((0.3, 0.7))
    assert decision_threshold(other, 0.9) == 0.9
    with pytest.raises(ValueError, match="`threshold_for` must be one of 'ap', 'seg', got 'dice'"):
        decision_threshold(other, metric="dice")
    with pytest.raises(FileNotFoundError, match=r"no trained network .*gone\.pt: train first"):
        load_weights(other, tmp_path / "gone.pt")

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from monai_denoiseg.self2seg.noise2fast import denoise_noise2fast, train_noise2fast
from monai_denoiseg.self2seg.noise2fast_training import Noise2FastSettings, gains_from_bf16

QUICK = Noise2FastSettings(features=8, blocks=2, max_iterations=12, evaluate_every=3, average=2, amp="off")


class Counting(nn.Module):
    """Counts its iterations of training."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 1)
        self.trained = 0
        self.rates: list[float] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.trained += self.training and torch.is_grad_enabled()
        return self.layer(x)


def test_a_dead_network_is_trained_again_once() -> None:
    image = torch.randn(1, 8, 8)
    alive, dead = Counting(), Counting()
    nn.init.ones_(alive.layer.weight)
    nn.init.zeros_(dead.layer.weight)
    dead.layer.weight.requires_grad = False
    for net, expected in ((alive, 12), (dead, 24)):
        train_noise2fast(net, image, settings=QUICK)
        assert net.trained == expected


def test_patience_ends_the_training() -> None:
    net = Counting()
    settings = Noise2FastSettings(patience=20, evaluate_every=10, max_iterations=1000, learning_rate=1e-30, amp="off")
    train_noise2fast(net, torch.randn(1, 8, 8), settings=settings)
    assert net.trained == 30  # the first look is the best


def test_bfloat16_is_near_float32() -> None:
    y, x = np.mgrid[:32, :32]
    noisy = np.sin(x / 4) * np.cos(y / 5) + np.random.default_rng(0).normal(0, 0.3, x.shape)
    settings = Noise2FastSettings(features=8, max_iterations=100)
    full, half = (denoise_noise2fast(noisy, settings, amp=amp) for amp in ("off", "bf16"))
    assert float((half - full).square().mean().sqrt()) < 0.1
    assert half.dtype == torch.float32


def test_gains_from_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not gains_from_bf16("auto", torch.device("cpu"))
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert gains_from_bf16("auto", torch.device("cpu"))


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("features", 0, "`features` must be an integer >= 1, got 0"),
        ("learning_rate", 0, r"`learning_rate` must be in \(0, inf\), got 0"),
        ("seed", -1, "`seed` must be an integer >= 0, got -1"),
        ("variant", "papre", "did you mean 'paper'"),
        ("amp", "fp16", "`amp` must be one of 'auto', 'off', 'bf16', got 'fp16'"),
    ],
)
def test_wrong_settings_are_refused(option: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Noise2FastSettings(**{option: value})

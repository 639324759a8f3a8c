"""Scaled crops of labelled images during a training: when, how often, from which images, in which process."""

from __future__ import annotations

import multiprocessing
import pickle
from collections import Counter
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from rescaled_helpers import Halving, make, make_items, show
from torch import nn
from torch.utils.data import DataLoader

from monai_denoiseg.data import PatchCollate
from monai_denoiseg.engines import RescaledLabels, can_rescale
from monai_denoiseg.heads import target_label
from monai_denoiseg.networks import DenoiSegNet


@pytest.mark.parametrize(("epochs", "start", "first"), [(10, 0.2, 3), (5, 0.2, 2), (1, 0.2, None), (4, 0.0, 1), (4, 1.0, None)])
def test_only_after_the_start(epochs: int, start: float, first: int | None) -> None:
    items = make_items(2, (20, 20))
    scaled, network = make(items, start=start, share=1.0), Halving()
    scaled.network = network
    engine, seen = Engine(lambda engine, batch: None), []
    scaled.attach(engine)
    engine.add_event_handler(Events.ITERATION_STARTED, lambda e: seen.append((e.state.epoch, scaled(items[0]) is not None)))
    engine.run([0], max_epochs=epochs)
    assert seen == [(epoch, first is not None and epoch >= first) for epoch in range(1, epochs + 1)]
    assert len(network.seen) == (0 if first is None else 2 * (epochs - first + 1))  # anew before each epoch


def test_zoom_1_never_denoises_and_never_draws() -> None:
    items = make_items(2, (20, 20))
    scaled = make(items, zoom=1, start=0.0, share=1.0)
    engine = Engine(lambda engine, batch: None)
    scaled.attach(engine)
    before = torch.get_rng_state()
    engine.run([0], max_epochs=3)
    assert scaled(items[0]) is None
    assert scaled.network.seen == []
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("share", [0.0, 0.75, 1.0])
def test_share(share: float) -> None:
    torch.manual_seed(0)
    items = make_items(3, (40, 40))
    scaled = make(items, share=share)
    scaled.refresh()
    assert abs(len(show(scaled, items[0], 800)) / 800 - share) < 0.05  # standard deviation 0.015


@pytest.mark.parametrize(("n", "n_sources"), [(3, 64), (3, 3), (6, 2)])
def test_sources_are_some_of_the_labelled_images_drawn_anew(n: int, n_sources: int) -> None:
    torch.manual_seed(0)
    items = [
        *make_items(n, (40, 40)),
        {"image": torch.full((1, 40, 40), -9.0), "label": torch.zeros(1, 40, 40), "labelled": False},
    ]
    scaled = RescaledLabels(items, [True] * n + [False], Halving(), (16, 16), share=1.0, n_sources=n_sources, amp="off")
    together: set[int] = set()
    for _ in range(20):
        scaled.refresh()
        shown = Counter(int(patch["label"][0, 0, 0]) for patch in show(scaled, items[0], 60))
        assert len(scaled.sources) == len(shown) == min(n, n_sources)
        together |= set(shown)
    assert together == set(range(n))


def test_items_with_a_target_image_are_left_alone() -> None:
    items = make_items(1, (40, 40))
    scaled = make(items, share=1.0)
    scaled.refresh()
    assert scaled({**items[0], "target": items[0]["image"]}) is None


def test_a_distributed_wrapper_is_taken_off() -> None:
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = Halving()

    scaled = make(make_items(1, (40, 40)), Wrapper())
    scaled.refresh()
    assert len(scaled.network.seen) == 1


def test_pickling_leaves_network_and_images_behind() -> None:
    items = make_items(2, (40, 40))
    scaled = make(items, share=1.0)
    scaled.refresh()
    copied = pickle.loads(pickle.dumps(scaled))
    assert (copied.network, copied.dataset) == (None, None)
    assert scaled.network is not None
    torch.manual_seed(3)
    one = scaled(items[0])
    torch.manual_seed(3)
    other = copied(items[0])
    assert one is not None
    assert other is not None
    assert all(torch.equal(one[key], other[key]) for key in ("image", "label"))


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_loading_processes_see_each_refresh(context: str) -> None:
    if context not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {context} here")
    items = [{**item, "instances": item["label"], "intensity": torch.zeros(2, 1)} for item in make_items(2, (40, 40))]
    scaled = make(items, share=1.0, target=target_label())
    loader = DataLoader(
        items,  # type: ignore[arg-type]
        batch_size=2,
        collate_fn=PatchCollate((16, 16), substitute=scaled),
        num_workers=1,
        multiprocessing_context=context,
    )
    if context == "fork":  # a spawned process takes seconds to start: once is enough
        assert (next(iter(loader))["intensity"] == 0).all()  # nothing to cut from yet
    for number in (1.0, 2.0) if context == "fork" else (1.0,):
        scaled.refresh()
        for source in scaled.sources:
            source["intensity"] = torch.full((2, 1), number)
        batch = next(iter(loader))
        assert (batch["intensity"] == number).all()
        assert batch["image"].shape == batch["label"].shape == (2, 1, 16, 16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"zoom": 0.5}, r"`zoom` must be in \[1, inf\), got 0.5"),
        ({"zoom": float("inf")}, "`zoom`"),
        ({"zoom": float("nan")}, "`zoom`"),
        ({"share": 1.5}, r"`share` must be in \[0, 1\], got 1.5"),
        ({"start": -0.1}, "`start`"),
        ({"n_sources": 0}, "`n_sources` must be an integer >= 1, got 0"),
        ({"tile_size": 0}, "`tile_size`"),
    ],
)
def test_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(make_items(1, (40, 40)), **options)


def test_a_network_that_does_not_denoise_cannot_help_itself() -> None:
    network = DenoiSegNet(2, depth=1, features=4, denoises=False)
    with pytest.raises(ValueError, match="`zoom` 2 needs a network that denoises; set `zoom` to 1"):
        make(make_items(1, (40, 40)), network, zoom=2)
    make(make_items(1, (40, 40)), network, zoom=1)


def test_which_trainings_rescale() -> None:
    assert can_rescale(1.5, 0.3, True, None, "stardist")
    assert not any(
        [
            can_rescale(1, 0.5),
            can_rescale(2, 0.0),
            can_rescale(2, 1.0),
            can_rescale(2, 0.5, denoises=False),
            can_rescale(2, 0.5, target="clean"),
            can_rescale(2, 0.5, head="none"),
        ]
    )
    for zoom in (0.5, "big", True, None):
        with pytest.raises(ValueError, match="`zoom` must be in"):
            can_rescale(zoom, 0.0)  # also where it would have no effect

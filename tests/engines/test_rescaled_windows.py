"""Which windows are denoised, which crops are cut from them, and what they hold."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from rescaled_helpers import PATCHES, Halving, make, make_items, show

from monai_denoiseg.heads import target_label
from monai_denoiseg.networks import DenoiSegNet


@pytest.mark.parametrize(("shape", "edges"), [((40, 50), (32, 32)), ((20, 50), (20, 32)), ((9, 40, 10), (8, 16, 10))])
@pytest.mark.parametrize("channels", [1, 2])
def test_windows_and_what_is_put_together(shape: tuple[int, ...], edges: tuple[int, ...], channels: int) -> None:
    """The window is large enough for the smallest scale, and denoised in evaluation mode with the numbers of the whole image."""
    torch.manual_seed(0)
    items = make_items(1, shape, channels)
    items[0] |= {"intensity": torch.arange(2.0 * channels).reshape(2, channels), "spacing": torch.ones(len(shape)), "name": "a"}
    scaled = make(items, share=1.0)
    scaled.network.train()
    scaled.refresh()
    assert scaled.network.training
    assert scaled.network.seen == [((1, channels, *edges), [items[0]["intensity"].tolist()])]
    source = scaled.sources[0]
    torch.testing.assert_close(source["denoised"], source["image"] / 2)
    assert source["denoised"].untyped_storage().nbytes() == source["denoised"].numel() * 4, "the classes are not kept with it"
    patch = show(scaled, items[0], 1)[0]
    assert set(patch) == {"image", "label", "labelled", "intensity", "spacing"}
    assert patch["image"].shape == (channels, *PATCHES[len(shape)])
    assert patch["intensity"] is items[0]["intensity"]
    # Half of some values and half of others, all in [0, 1).
    assert 0 <= float(patch["image"].min()) <= float(patch["image"].max()) < 1


def test_a_large_window_is_denoised_in_tiles() -> None:
    items = make_items(1, (60, 60))
    scaled = make(items, tile_size=16)
    scaled.refresh()
    assert {shape[2:] for shape, _ in scaled.network.seen} == {(17, 17)}
    assert len(scaled.network.seen) == 4


@pytest.mark.parametrize(
    ("shape", "low"), [((64, 64), 0.5), ((24, 64), 16 / 24), ((16, 64), 1.0), ((16, 32, 32), 0.5), ((4, 32, 32), 1.0)]
)
def test_sizes(shape: tuple[int, ...], low: float) -> None:
    torch.manual_seed(0)
    patch = PATCHES[len(shape)]
    scaled = make(make_items(1, shape))
    sizes = [scaled._draw_size(shape) for _ in range(500)]
    for size in sizes:
        assert all(1 <= edge <= n for edge, n in zip(size, shape, strict=True))
        scales = [edge / n for edge, n in zip(patch, size, strict=True)]
        # One scale for all axes, but for rounding to whole voxels.
        finest = min(range(len(patch)), key=lambda axis: -patch[axis])
        assert all(abs(edge / scales[finest] - n) <= 1 for edge, n in zip(patch, size, strict=True))
    scales = sorted(patch[-1] / size[-1] for size in sizes)
    assert scales[0] >= low - 0.05
    assert scales[0] < low + 0.1
    assert scales[-1] == 2.0
    assert abs(scales[250] - (2 * low) ** 0.5) < 0.12  # the middle of a log-uniform draw


def test_images_smaller_than_the_patch_are_shown_as_they_are() -> None:
    torch.manual_seed(0)
    items = [*make_items(2, (40, 40)), {**make_items(3, (40, 12))[2]}]
    scaled = make(items, share=1.0)
    scaled.refresh()
    assert len(scaled.sources) == 2
    assert show(scaled, items[2], 20) == []
    assert len(show(scaled, items[0], 20)) == 20
    alone = make([items[2]], share=1.0)
    alone.refresh()
    assert alone.sources == []
    assert alone(items[2]) is None


@pytest.mark.parametrize(("shape", "at"), [((200, 200), (150, 20)), ((20, 60, 60), (19, 0, 59))])
@pytest.mark.parametrize("relabel", [False, True])
def test_windows_hold_annotated_voxels(shape: tuple[int, ...], at: tuple[int, ...], relabel: bool) -> None:
    """Of a large image with a small annotated part nearly every place holds none."""
    torch.manual_seed(0)
    label = torch.full((1, *shape), -1)
    part = (0, *(slice(max(0, i - 2), i + 3) for i in at))
    label[part] = 5
    target = target_label() if relabel else None
    item = {"image": torch.rand(1, *shape), "label": label.clamp(max=1), "instances": label, "labelled": True}
    nothing = {**item, "label": torch.full_like(label, -1), "instances": torch.full_like(label, -1)}
    scaled = make([item, nothing], share=1.0, target=target)
    for _ in range(5):
        scaled.refresh()
        assert len(scaled.sources) == 1
        patches = show(scaled, item, 40)
        assert len(patches) > 36  # a nearest neighbour may pass a few voxels by
        assert all((patch["label"] >= 0).any() and (patch["label"] == -1).any() for patch in patches)


def test_borders_are_made_of_the_labels_as_annotated() -> None:
    torch.manual_seed(0)
    label = torch.zeros(1, 64, 64, dtype=torch.int64)
    label[:, 8:30, 8:60] = 300
    label[:, 30:50, 8:60] = 301
    item = {
        "image": torch.rand(1, 64, 64),
        "label": target_label()({"label": label})["label"],
        "instances": label,
        "labelled": True,
    }
    scaled = make([item], share=1.0, target=target_label())
    scaled.refresh()
    patches = show(scaled, item, 30)
    assert {value for patch in patches for value in patch["label"].unique().tolist()} == {0, 1, 2}
    assert all(patch["label"].dtype == torch.int64 for patch in patches)
    with pytest.raises(KeyError, match="'instances' is missing in labelled item 0"):
        make([{"image": item["image"], "label": label}], target=target_label()).refresh()


def test_star_labels_keep_their_channels() -> None:
    label = torch.rand(5, 40, 40)
    item = {"image": torch.rand(1, 40, 40), "label": label, "labelled": True}
    scaled = make([item], Halving(n_classes=5), share=1.0)
    scaled.refresh()
    torch.testing.assert_close(scaled.sources[0]["denoised"], scaled.sources[0]["image"] / 2)
    assert {tuple(patch["label"].shape) for patch in show(scaled, item, 10)} == {(5, 16, 16)}


def test_tensors_with_metadata_come_out_plain_and_nothing_is_shared() -> None:
    item = make_items(1, (90, 90))[0]
    item["image"], item["label"] = MetaTensor(item["image"]), MetaTensor(item["label"])
    scaled = make([item], share=1.0)
    scaled.refresh()
    patch = show(scaled, item, 1)[0]
    assert type(patch["image"]) is type(patch["label"]) is torch.Tensor
    assert scaled.sources[0]["image"].untyped_storage().nbytes() == 32 * 32 * 4


@pytest.mark.parametrize("normalisation", ["dataset", "image"])
def test_with_the_network_itself(normalisation: str) -> None:
    torch.manual_seed(0)
    network = DenoiSegNet(3, 2, depth=1, features=4, normalisation=normalisation)
    item = {"image": 100 + 10 * torch.rand(2, 9, 20, 20), "label": torch.zeros(1, 9, 20, 20, dtype=torch.int64)}
    item["intensity"] = network.intensity(item["image"][None])[0]
    scaled = make([item], network, zoom=2)
    scaled.refresh()
    source = scaled.sources[0]
    with torch.no_grad():
        wanted = network.eval()(source["image"][None], item["intensity"][None])[0, 3:]
    torch.testing.assert_close(source["denoised"], wanted)

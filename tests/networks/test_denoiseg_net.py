from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_denoiseg.networks import DenoiSegNet, network_for_file

TINY: dict[str, Any] = {"depth": 2, "features": 4}
ANISOTROPIC: dict[str, Any] = {
    **{"spatial_dims": 3, "in_channels": 2, "features": 2, "depth": 2, "kernel_size": [1, 3, 3]},
    **{"strides": [[1, 2, 2], [2, 2, 2]], "norm": "none", "variant": "n2v2", "normalisation": "image"},
}
LEVELS: dict[str, Any] = {**ANISOTROPIC, "kernel_size": [[1, 3, 3], [3, 3, 3], [3, 1, 5]], "variant": "care"}
ORGANS = ["background", "liver", "left kidney", "Gefäß"]


def trained(**options: Any) -> DenoiSegNet:
    """A network whose every number differs from a fresh one."""
    torch.manual_seed(7)
    net = DenoiSegNet(**options).eval()
    for name, value in net.state_dict().items():
        if name.startswith("unet.") and value.is_floating_point():
            value.add_((torch.rand_like(value) - 0.5) * 0.1)
    net.set_statistics(torch.rand(net.in_channels) * 100 + 50, torch.rand(net.in_channels) * 10 + 5)
    net.threshold.copy_(torch.tensor([0.35, 0.65]))
    return net


def raw(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1)) * 20 + 120


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (17, 30), (64, 3), (1, 1, 1), (5, 9, 14)])
@pytest.mark.parametrize("normalisation", ["dataset", "image"])
def test_forward_normalises_pads_crops_and_returns_to_raw_intensities(
    size: tuple[int, ...], channels: int, normalisation: str
) -> None:
    net = trained(spatial_dims=len(size), in_channels=channels, normalisation=normalisation, **TINY)
    image = raw(2, channels, *size)
    expected = np.empty((2, 3 + channels, *size), np.float32)
    for b in range(2):
        values = [v.clip(*np.percentile(v, [1, 99.8])) for v in image[b].flatten(1).double().numpy()]
        low, scale = [v.mean() for v in values], [v.std() or 1 for v in values]
        offset, scale = (low, scale) if normalisation == "image" else (net.mean.numpy(), net.std.numpy())
        normal = np.stack([(image[b, c].numpy() - offset[c]) / scale[c] for c in range(channels)])
        padded = np.pad(normal, [(0, 0), *((0, -n % 4) for n in size)], mode="reflect")
        with torch.no_grad():
            output = net.unet(torch.tensor(padded[None], dtype=torch.float32))[0]
        expected[b] = output[(slice(None), *(slice(n) for n in size))]
        for c in range(channels):
            expected[b, 3 + c] = expected[b, 3 + c] * scale[c] + offset[c]
    with torch.no_grad():
        np.testing.assert_allclose(net(image), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("normalisation", ["dataset", "image"])
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_rescaled_intensities_give_the_same_classes_and_a_rescaled_denoised_image(spatial_dims: int, normalisation: str) -> None:
    net = trained(spatial_dims=spatial_dims, in_channels=2, normalisation=normalisation, **TINY)
    image, gain, shift = raw(1, 2, *(9,) * spatial_dims), torch.tensor([4.0, 0.25]), torch.tensor([-300.0, 7.0])
    before = net(image)
    if normalisation == "dataset":
        net.set_statistics(net.mean * gain + shift, net.std * gain)
    gain, shift = (v.reshape(1, 2, *(1,) * spatial_dims) for v in (gain, shift))
    after = net(image * gain + shift)
    torch.testing.assert_close(after[:, :3], before[:, :3], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(after[:, 3:], before[:, 3:] * gain + shift, rtol=1e-3, atol=1e-2)


def test_a_crop_is_normalised_by_the_image_it_comes_from() -> None:
    net = trained(normalisation="image", **TINY)
    seen: list[Tensor] = []
    net.unet.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    image = raw(2, 1, 16, 16) + torch.arange(16)
    net(image)
    net(image[..., 4:12], intensity=net.intensity(image))
    net(image[:1, :, :, 4:12].expand(2, 1, 16, 8), intensity=net.intensity(image)[:1])
    torch.testing.assert_close(seen[1], seen[0][..., 4:12])
    torch.testing.assert_close(seen[2], seen[0][:1, :, :, 4:12].expand(2, 1, 16, 8))


def test_dataset_mode_looks_at_no_image_intensity() -> None:
    net, image = trained(**TINY), raw(2, 1, 8, 8)
    assert torch.equal(net(image, intensity=torch.full((2, 2, 1), 9.0)), net(image))
    assert net.intensity(image)[1].tolist() == [net.mean.tolist(), net.std.tolist()]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.float64, torch.bfloat16])
def test_output_is_float32_whatever_the_input(dtype: torch.dtype) -> None:
    net, image = trained(**TINY), raw(1, 1, 8, 8).to(dtype)
    assert net(image).dtype == torch.float32
    assert torch.equal(net(image), net(image.float()))


def test_autocast_keeps_large_intensities() -> None:
    net, image = trained(**TINY), raw(1, 1, 16, 16) + 30_000
    net.set_statistics(torch.tensor([30_000.0]), torch.tensor([1.0]))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = net(image)
    spacing = output[:, 3].unique().diff().min()
    assert output.dtype == torch.float32
    assert float(spacing) < 1  # bf16 counts in steps of 128 there


@pytest.mark.parametrize(
    "options", [{**TINY, "features": 6}, {**TINY, "normalisation": "image", "in_channels": 3}, ANISOTROPIC, LEVELS]
)
def test_state_dict_alone_restores_everything(tmp_path: Path, options: dict[str, Any]) -> None:
    net = trained(**options)
    torch.save(net.state_dict(), tmp_path / "model.pt")
    restored = network_for_file(tmp_path / "model.pt", depth=5, features=99).eval()
    assert bool(restored.image_mode) == bool(net.image_mode)
    restored.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    image = raw(1, net.in_channels, *(11, 6, 13)[: net.spatial_dims])
    assert torch.equal(restored(image), net(image))
    assert restored.threshold.tolist() == net.threshold.tolist()
    assert (restored.multiple, restored.receptive_radius) == (net.multiple, net.receptive_radius)
    assert restored.architecture == net.architecture


def test_files_that_hold_no_network(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    assert network_for_file(path, **TINY).unet.depth == 2
    torch.save({"network": DenoiSegNet(**TINY).state_dict()}, path)
    with pytest.raises(ValueError, match=r"model.pt holds no DenoiSegNet state dict \(key 'description' missing\)"):
        network_for_file(path)
    whole = path.read_bytes()
    for damaged in (b"", b"hello", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"model.pt is no PyTorch file or is damaged"):
            network_for_file(path)


def test_loading_another_architecture_names_what_differs() -> None:
    state = DenoiSegNet(2, 3, depth=2, features=4, variant="n2v2").state_dict()
    with pytest.raises(ValueError) as error:
        DenoiSegNet(2, 3, depth=2, features=8).load_state_dict(state)
    assert "features=4 (network has 8), variant=n2v2 (network has care); build the network" in str(error.value)
    assert "depth" not in str(error.value)
    with pytest.raises(ValueError, match=r"depth=2 \(network has 1\), kernel_size=.*, strides="):
        torch.nn.ModuleDict({"net": DenoiSegNet(2, 3, depth=1, features=4, variant="n2v2")}).load_state_dict(
            {f"net.{key}": value for key, value in state.items()}
        )


@pytest.mark.parametrize("variant", ["care", "n2v2"])
@pytest.mark.parametrize(("spatial_dims", "normalisation"), [(2, "dataset"), (2, "image"), (3, "image")])
def test_torchscript_equals_eager(spatial_dims: int, normalisation: str, variant: str) -> None:
    net = trained(spatial_dims=spatial_dims, in_channels=2, normalisation=normalisation, variant=variant, **TINY)
    memory = io.BytesIO()
    torch.jit.save(torch.jit.script(net), memory)
    memory.seek(0)
    scripted = torch.jit.load(memory)
    image = raw(2, 2, *(7, 10, 5)[:spatial_dims])
    with torch.no_grad():
        torch.testing.assert_close(scripted(image), net(image), rtol=1e-4, atol=1e-3)
        given = net.intensity(image[:1] * 2)
        torch.testing.assert_close(scripted(image, given), net(image, given), rtol=1e-4, atol=1e-3)
    assert torch.equal(scripted.intensity(image), net.intensity(image))


def test_every_weight_gets_a_gradient() -> None:
    net = trained(**TINY).train()
    net(raw(2, 1, 16, 16)).square().mean().backward()
    assert all(weight.grad is not None and bool(weight.grad.isfinite().all()) for weight in net.parameters())


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ([1.0], [1.0, 2.0], r"`mean` needs 2 values \(one a channel\), got shape \(1,\)"),
        ([1.0, 2.0], [[1.0, 2.0]], r"`std` needs 2 values \(one a channel\), got shape \(1, 2\)"),
        ([1.0, 2.0], [1.0, 0.0], r"`std` must be positive and finite, got \[1.0, 0.0\]"),
        ([1.0, 2.0], [1.0, float("inf")], r"`std` must be positive and finite, got \[1.0, inf\]"),
        ([1.0, float("nan")], [1.0, 1.0], r"`mean` must be finite, got \[1.0, nan\]"),
    ],
)
def test_wrong_statistics_change_nothing(mean: list, std: list, message: str) -> None:
    net = DenoiSegNet(2, 2, **TINY)
    with pytest.raises(ValueError, match=message):
        net.set_statistics(torch.tensor(mean), torch.tensor(std))
    assert (net.mean.tolist(), net.std.tolist()) == ([0, 0], [1, 1])


def test_wrong_input_and_arguments() -> None:
    with pytest.raises(ValueError, match=r"takes \(batch, 1 channel\(s\), 2 .* shape \[1, 3, 8, 8\]: .* --in_channels 3"):
        DenoiSegNet(2, 1, **TINY)(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match=r"got shape \[1, 8, 8\]"):
        DenoiSegNet(2, 1, **TINY)(torch.zeros(1, 8, 8))
    with pytest.raises(
        ValueError, match=r"`normalisation` must be one of 'dataset', 'image', got 'images'; did you mean 'image'\?"
    ):
        DenoiSegNet(normalisation="images")
    with pytest.raises(ValueError, match="`n_classes` must be an integer >= 0, got -1"):
        DenoiSegNet(n_classes=-1)
    assert DenoiSegNet(2, 2, n_classes=0, **TINY)(torch.zeros(1, 2, 8, 8)).shape == (1, 2, 8, 8)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_semantic_classes_travel_in_the_file(tmp_path: Path, spatial_dims: int) -> None:
    net = trained(spatial_dims=spatial_dims, in_channels=2, classes=ORGANS, **TINY)
    assert (net.classes, net.n_classes) == (ORGANS, 4)
    torch.save(net.state_dict(), tmp_path / "model.pt")
    restored = network_for_file(tmp_path / "model.pt", classes=["background", "other"]).eval()
    restored.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    image = raw(1, 2, *(9, 6, 7)[:spatial_dims])
    assert restored.classes == ORGANS
    assert restored(image).shape[1] == 4 + 2
    assert torch.equal(restored(image), net(image))


def test_instances_have_no_class_names() -> None:
    net = DenoiSegNet(2, **TINY)
    assert (net.classes, net.n_classes) == ([], 3)
    assert DenoiSegNet(2, classes=[], **TINY).n_classes == 3
    assert DenoiSegNet(2, n_classes=2, classes=["background", "liver"], **TINY).classes == ["background", "liver"]


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (["background", "spleen"], ["background", "liver"], "['background', 'liver'], the network's ['background', 'spleen']"),
        (None, ["a", "b", "c"], "['a', 'b', 'c'], the network's none (instances)"),
        (["a", "b", "c"], None, "none (instances), the network's ['a', 'b', 'c']"),
        (["a", "b"], ["a", "b", "c"], "['a', 'b', 'c'], the network's ['a', 'b']"),
    ],
)
def test_loading_other_classes_says_which(ours: Any, theirs: Any, message: str) -> None:
    state = DenoiSegNet(2, classes=theirs, **TINY).state_dict()
    with pytest.raises(ValueError) as error:
        DenoiSegNet(2, classes=ours, **TINY).load_state_dict(state)
    assert f"the file's `classes` are {message}; build the network with the file's values" in str(error.value)


def test_torchscript_carries_the_classes() -> None:
    net = trained(classes=ORGANS, **TINY)
    memory = io.BytesIO()
    torch.jit.save(torch.jit.script(net), memory)
    memory.seek(0)
    scripted, image = torch.jit.load(memory), raw(1, 1, 7, 10)
    assert scripted.classes == ORGANS
    with torch.no_grad():
        torch.testing.assert_close(scripted(image), net(image), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("classes", "n_classes", "kind", "message"),
    [
        (["background", "liver"], 3, ValueError, "`n_classes` is 3, but `classes` names 2: background, liver"),
        (["liver"], None, ValueError, "needs the background and at least one more name"),
        (["background", "liver", "liver"], None, ValueError, "holds liver twice"),
        (["background", " "], None, ValueError, "holds the name ' '"),
        (["background", "a\nb"], None, ValueError, "on one line"),
        ("liver", None, TypeError, "must be a list of names"),
        (["background", 1], None, TypeError, "must be a list of names"),
    ],
)
def test_wrong_classes(classes: Any, n_classes: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        DenoiSegNet(2, n_classes=n_classes, classes=classes, **TINY)


@pytest.mark.parametrize("dims", [2, 3])
def test_class_weights_are_undone_in_evaluation_mode_only(dims: int) -> None:
    """Weighted cross entropy has its least value at w q / sum(w q): with logits of that, evaluation mode must give q back."""
    net = DenoiSegNet(dims, depth=1, features=2, norm="none")
    net.set_class_weights([1.0, 1.0, 5.0])
    true = torch.tensor([0.5, 0.3, 0.2])
    with torch.no_grad():
        net.unet.head.weight.zero_()
        net.unet.head.bias[:3] = (true * torch.tensor([1.0, 1.0, 5.0])).log()
    image = torch.zeros(1, 1, *[4] * dims)
    trained_on = net.train()(image)[0, :3].softmax(0).flatten(1)[:, 0]
    torch.testing.assert_close(trained_on, torch.tensor([0.5, 0.3, 1.0]) / 1.8)
    torch.testing.assert_close(net.eval()(image)[0, :3].softmax(0).flatten(1)[:, 0], true)
    torch.testing.assert_close(torch.jit.script(net)(image), net(image))


def test_class_weights_are_checked_and_zero_is_left_alone() -> None:
    net = DenoiSegNet(2, depth=1, features=2)
    with pytest.raises(ValueError, match=r"`class_weights` needs 3 values \(one a class\), got shape \(2,\)"):
        net.set_class_weights([1, 1])
    net.set_class_weights([0, 2, 5])
    assert net.class_weights.tolist() == [1, 2, 5]

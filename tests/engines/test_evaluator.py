"""DenoiSegEvaluator: predictions of the unmasked image, a validation loss that repeats."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ignite.engine import Events

from monai_denoiseg.engines import BlindSpotBatch, DenoiSegEvaluator, DenoiSegInferer
from monai_denoiseg.losses import DenoiSegLoss
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import BlindSpot, FixedBlindSpotd, WholeIntensityd


def network(spatial_dims: int = 2, **options: Any) -> DenoiSegNet:
    torch.manual_seed(0)
    return DenoiSegNet(spatial_dims, depth=1, features=4, **options).eval()


def items(spatial_dims: int = 2, fixed: bool = True, count: int = 3) -> list[dict[str, Any]]:
    generator = torch.Generator().manual_seed(1)
    hide, found = FixedBlindSpotd("image", BlindSpot(fraction=0.05)), []
    for _ in range(count):
        image = torch.rand((1, *[18] * spatial_dims), generator=generator)
        item: dict[str, Any] = {"image": image, "label": torch.randint(-1, 3, image.shape, generator=generator)}
        item = dict(hide(item)) if fixed else item
        found.append({key: value[None] for key, value in item.items()})
    return found


def evaluator(data: Any, net: Any, loss: DenoiSegLoss | None = None, **options: Any) -> DenoiSegEvaluator:
    options = {"amp": "off", "inferer": DenoiSegInferer(), **options}
    return DenoiSegEvaluator("cpu", data, net, prepare_batch=BlindSpotBatch(BlindSpot()), loss_function=loss, **options)


def metrics(data: Any, net: Any, **options: Any) -> dict[str, float]:
    engine = evaluator(data, net, DenoiSegLoss(0.3), **options)
    engine.run()
    return dict(engine.state.metrics)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_fixed_masks_give_the_same_loss_every_time(spatial_dims: int) -> None:
    net = network(spatial_dims)
    torch.manual_seed(1)
    first = metrics(items(spatial_dims), net)
    torch.manual_seed(2)
    assert metrics(items(spatial_dims), net) == first
    assert metrics(items(spatial_dims, fixed=False), net) != first, "with masks drawn anew it could not be the same"


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_loss_is_that_of_the_logits_at_the_masked_voxels(spatial_dims: int) -> None:
    net, data, loss = network(spatial_dims), items(spatial_dims), DenoiSegLoss(0.3)
    with torch.no_grad():
        found = [loss.parts(net(item["image_hidden"]), {**item, "mask": item["image_mask"]}) for item in data]
    got = metrics(data, net)
    for name, field in (("loss", "total"), ("denoising", "denoising"), ("segmentation", "segmentation")):
        wanted = sum(float(getattr(part, field)) for part in found) / len(found)
        assert got[name] == pytest.approx(wanted, rel=1e-4)


def test_prediction_is_that_of_the_unmasked_image() -> None:
    net, data = network(), items()
    outputs: list[torch.Tensor] = []
    engine = evaluator(data, net, DenoiSegLoss())
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda e: outputs.append(e.state.output[0]["pred"]))
    engine.run()
    for item, output in zip(data, outputs, strict=True):
        assert torch.equal(output, DenoiSegInferer()(item["image"], net)[0])


def test_augmentation_does_not_touch_the_loss() -> None:
    net, data = network(), items()
    assert metrics(data, net, inferer=DenoiSegInferer(tta=True)) == metrics(data, net)


def test_without_loss_nothing_is_measured() -> None:
    engine = evaluator(items(fixed=False), network())
    engine.run()
    assert engine.state.metrics == {}
    assert set(engine.state.output[0]) == {"image", "label", "pred"}


def test_weights_and_batch_statistics_stay() -> None:
    net = network().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    metrics(items(), net)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert net.training, "the mode of before comes back"


def test_a_distributed_wrapper_works_without_intensity_in_the_batch() -> None:
    class Wrapper(torch.nn.Module):  # as DistributedDataParallel: the network's own methods are not passed on
        def __init__(self, module: torch.nn.Module) -> None:
            super().__init__()
            self.module = module

    net = network(normalisation="image")
    assert metrics(items(), Wrapper(net)) == metrics(items(), net)


def test_intensity_of_the_batch_is_used() -> None:
    net = network(normalisation="image")
    data = items()
    given = [{**item, "intensity": torch.tensor([[[0.3], [2.0]]])} for item in data]
    assert metrics(given, net) != metrics(data, net)
    own = [{**item, "intensity": WholeIntensityd()({"image": item["image"][0]})["intensity"][None]} for item in data]
    found, wanted = metrics(own, net), metrics(data, net)
    assert found["segmentation"] == pytest.approx(wanted["segmentation"], rel=1e-4)
    scale = float(own[0]["intensity"][0, 1, 0])
    assert metrics(own[:1], net)["denoising"] * scale**2 == pytest.approx(metrics(data[:1], net)["denoising"], rel=1e-4)


def test_class_weights_of_the_network_do_not_change_the_loss() -> None:
    """Predictions are corrected for them, but the validation loss must be the loss of the training."""
    net, data = network(), items()
    before = metrics(data, net)
    net.set_class_weights([1.0, 1.0, 5.0])
    assert metrics(data, net) == pytest.approx(before, rel=1e-4)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_semantic_classes(spatial_dims: int) -> None:
    classes = list("abcde")
    net, data, loss = network(spatial_dims, classes=classes), items(spatial_dims), DenoiSegLoss(0.3, classes=classes)
    for item in data:
        item["label"] = torch.randint(-1, 5, item["label"].shape, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        found = [float(loss(net(item["image_hidden"]), {**item, "mask": item["image_mask"]})) for item in data]
    engine = evaluator(data, net, loss)
    engine.run()
    assert engine.state.metrics["loss"] == pytest.approx(sum(found) / len(found), rel=1e-4)
    prediction = engine.state.output[0]["pred"]
    assert prediction.shape[0] == 5 + 1
    torch.testing.assert_close(prediction[:5].sum(0), torch.ones(prediction.shape[1:]))


def test_labels_beyond_the_classes_are_said_before_anything_else() -> None:
    data = items()
    data[0]["label"][0, 0, 0, 0] = 7
    with pytest.raises(ValueError, match="label holds 7, but the 3 classes are 0 background, 1 foreground, 2 border"):
        metrics(data, network())

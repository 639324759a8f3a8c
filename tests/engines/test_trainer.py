"""DenoiSegTrainer: the same steps as a plain loop, averages, and the stop at NaN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.engines.utils import IterationEvents

from monai_denoiseg.engines import BlindSpotBatch, DenoiSegTrainer, average_parts
from monai_denoiseg.handlers import LastCheckpoint
from monai_denoiseg.losses import DenoiSegLoss
from monai_denoiseg.networks import DenoiSegNet
from monai_denoiseg.transforms import BlindSpot


def batches(count: int, spatial_dims: int = 2, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, 1, *[16] * spatial_dims)
    return [
        {"image": torch.rand(shape, generator=generator), "label": torch.randint(-1, 3, shape, generator=generator)}
        for _ in range(count)
    ]


def parts(seed: int = 0, spatial_dims: int = 2) -> tuple[DenoiSegNet, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    network = DenoiSegNet(spatial_dims, depth=1, features=4)
    return network, torch.optim.Adam(network.parameters(), 1e-2)


def trainer(data: Any, network: DenoiSegNet, optimizer: Any, max_epochs: int = 1, **options: Any) -> DenoiSegTrainer:
    options = {"amp": "off", **options}
    loss, prepare = DenoiSegLoss(alpha=0.3), BlindSpotBatch(BlindSpot(fraction=0.05))
    return DenoiSegTrainer("cpu", max_epochs, data, network, optimizer, loss, prepare, **options)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_same_weights_as_a_plain_loop(spatial_dims: int) -> None:
    data = batches(5, spatial_dims)
    network, optimizer = parts(spatial_dims=spatial_dims)
    engine = trainer(data, network, optimizer)
    torch.manual_seed(7)
    engine.run()

    plain, optimizer = parts(spatial_dims=spatial_dims)
    layout = torch.channels_last_3d if spatial_dims == 3 else torch.contiguous_format
    plain.to(memory_format=layout)  # type: ignore[call-overload]
    blind_spot, loss = BlindSpot(fraction=0.05), DenoiSegLoss(alpha=0.3)
    torch.manual_seed(7)
    plain.train()
    losses = []
    for batch in data:
        hidden, mask = blind_spot(batch["image"])
        found = loss.parts(plain(hidden.contiguous(memory_format=layout)), {**batch, "mask": mask})
        optimizer.zero_grad()
        found.total.backward()
        optimizer.step()
        losses.append([float(part.detach()) for part in found])
    for name, value in plain.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name
    means = torch.tensor(losses, dtype=torch.float64).mean(0).tolist()
    assert [engine.state.metrics[name] for name in ("loss", "denoising", "segmentation")] == pytest.approx(means)


def test_averages_start_anew_each_epoch() -> None:
    network, optimizer = parts()
    seen: list[tuple[float, float]] = []
    engine = trainer(batches(3), network, optimizer, 2)
    single: list[float] = []
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda e: single.append(float(e.state.parts.total)))
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda e: seen.append((e.state.metrics["loss"], sum(single[-3:]) / 3)))
    engine.run()
    assert len(seen) == 2
    assert all(average == pytest.approx(wanted) for average, wanted in seen)


def test_events_fire_in_the_order_of_monai() -> None:
    network, optimizer = parts()
    engine = trainer(batches(1), network, optimizer)
    fired: list[str] = []
    for event in ("FORWARD_COMPLETED", "LOSS_COMPLETED", "BACKWARD_COMPLETED", "MODEL_COMPLETED"):
        engine.add_event_handler(getattr(IterationEvents, event), lambda e, name=event: fired.append(name))
    engine.run()
    assert fired == ["FORWARD_COMPLETED", "LOSS_COMPLETED", "BACKWARD_COMPLETED", "MODEL_COMPLETED"]
    assert set(engine.state.output) == {"image", "label", "pred", "loss"}
    assert not engine.state.output["loss"].requires_grad


def test_bf16_learns() -> None:
    network, optimizer = parts()
    data = batches(1) * 30
    engine = trainer(data, network, optimizer, amp="bf16")
    losses: list[float] = []
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda e: losses.append(float(e.state.parts.segmentation)))
    engine.run()
    assert losses[-1] < 0.95 * losses[0]
    assert next(network.parameters()).dtype == torch.float32


def test_nan_in_an_image_stops_and_names_it_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    data = batches(6)
    data[4]["image"][1, 0, 3, 3] = float("nan")
    network, optimizer = parts()
    last = LastCheckpoint(tmp_path / "last.pt", network, optimizer)
    weights: list[dict[str, torch.Tensor]] = []
    engine = trainer(data, network, optimizer, 3, epoch_length=3, train_handlers=[last])
    engine.add_event_handler(
        Events.EPOCH_COMPLETED, lambda e: weights.append({k: v.clone() for k, v in network.state_dict().items()})
    )
    with pytest.raises(FloatingPointError, match=r"epoch 2, iteration 5 .*images \[1\] of the batch hold NaN"):
        engine.run()
    kept = torch.load(tmp_path / "last.pt")
    assert kept["epoch"] == 1
    assert all(torch.equal(kept["network"][name], value) for name, value in weights[0].items())


def test_a_loss_that_explodes_on_finite_images_says_what_to_do() -> None:
    network, optimizer = parts()
    with torch.no_grad():
        network.unet.head.bias.fill_(float("inf"))
    before = next(network.parameters()).clone()
    with pytest.raises(FloatingPointError, match="the images are finite: lower `learning_rate` or set `amp` to 'off'"):
        trainer(batches(1), network, optimizer).run()
    assert torch.equal(next(network.parameters()), before), "the step must not be taken"


def test_average_parts_of_another_engine_needs_the_parts() -> None:
    from ignite.engine import Engine

    engine = Engine(lambda engine, batch: None)
    average_parts(engine)
    with pytest.raises(AttributeError, match="parts"):
        engine.run([0])

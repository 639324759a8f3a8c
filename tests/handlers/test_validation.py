"""FullValidationHandler: the last epoch is always validated, none twice."""

from __future__ import annotations

import pytest
from ignite.engine import Engine
from monai.engines import Evaluator

from monai_denoiseg.handlers import FullValidationHandler


@pytest.mark.parametrize(
    ("interval", "epochs", "wanted"),
    [(1, 3, [1, 2, 3]), (2, 4, [2, 4]), (2, 5, [2, 4, 5]), (5, 3, [3]), (3, 1, [1])],
)
def test_epochs_that_are_validated(interval: int, epochs: int, wanted: list[int]) -> None:
    validated: list[int] = []
    validator = Evaluator("cpu", [0], iteration_update=lambda engine, batch: validated.append(engine.state.epoch))
    trainer = Engine(lambda engine, batch: None)
    FullValidationHandler(interval, validator).attach(trainer)
    trainer.run([0], max_epochs=epochs)
    assert validated == wanted


def test_by_iteration_it_is_that_of_monai() -> None:
    calls: list[int] = []
    validator = Evaluator("cpu", [0], iteration_update=lambda engine, batch: calls.append(1))
    trainer = Engine(lambda engine, batch: None)
    FullValidationHandler(2, validator, epoch_level=False).attach(trainer)
    trainer.run([0] * 5, max_epochs=1)
    assert len(calls) == 2

"""Lines of Ignite that a user reads."""

from __future__ import annotations

import logging

import pytest
from ignite.engine import Engine

from monai_denoiseg.engines.news import only_news

LINES = ("Engine run resuming from iteration 0, epoch 0 until 1 epochs", "Epoch[1] Complete. Time taken: 1", "odd")


@pytest.mark.parametrize(("epochs", "kept"), [(True, ["Epoch[1]", "odd", "Engine"]), (False, ["odd", "Engine"])])
def test_lines_that_say_nothing_are_left_out(epochs: bool, kept: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    engine = Engine(lambda engine, batch: None)
    engine.logger = logging.getLogger(f"ignite.engine.engine.ForTests{epochs}")
    for _ in range(2):
        only_news(engine, epochs=epochs)
    assert len(engine.logger.filters) == 1
    for line in LINES:
        engine.logger.info(line)
    engine.logger.error("Engine run is terminating due to exception: x")
    assert [record.getMessage().split()[0] for record in caplog.records] == kept


def test_a_resumed_run_says_where_it_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    engine = Engine(lambda engine, batch: None)
    engine.logger = logging.getLogger("ignite.engine.engine.ForTestsResumed")
    only_news(engine, epochs=True)
    engine.logger.info("Engine run resuming from iteration 20, epoch 2 until 4 epochs")
    assert "epoch 2 until 4" in caplog.text

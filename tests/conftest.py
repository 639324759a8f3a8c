"""What every test file may use."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # tiny tensors: more threads only wait for each other


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real images, named by the environment variable DENOISEG_DATA; the test is skipped where there is none."""
    named = os.environ.get("DENOISEG_DATA", "")
    if not named:
        pytest.skip("needs real images: set DENOISEG_DATA to the folder that holds them (dsb2018/, ...)")
    folder = Path(named)
    if not folder.is_dir():
        pytest.skip(f"needs real images: DENOISEG_DATA={named!r} is not a folder")
    return folder


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """What passes once passes always: tests that draw from PyTorch's global generator see the same numbers in each run."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo what a bundle run in the test's own process does to logging."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)

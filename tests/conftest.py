"""What every test file may use."""

from __future__ import annotations

import os
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

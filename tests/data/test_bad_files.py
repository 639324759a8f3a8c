"""Damaged files: each is read rightly, or refused by an error that names it; nothing hangs, crashes or fills the memory."""

from __future__ import annotations

import contextlib
import itertools
import logging
import resource
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_denoiseg.data import FileReader, LoadItemd, image_layout, open_lazy

from .bad_files import Bad, damaged, good_files

ROOM = 2 << 30
"""Bytes of address space beyond what the process has at the beginning."""


@contextlib.contextmanager
def limited_memory() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    top = used + ROOM if before[1] == resource.RLIM_INFINITY else min(used + ROOM, before[1])
    resource.setrlimit(resource.RLIMIT_AS, (top, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def attempt(path: Path, read: Any) -> np.ndarray | str:
    """What ``read`` gives, or the text of its error."""
    try:
        return np.asarray(read(path))
    except (ValueError, OSError) as error:  # others are not for a user
        return str(error)


def whole(path: Path) -> np.ndarray:
    reader = FileReader()
    return reader.get_data(reader.read(path))[0]


def by_windows(path: Path) -> np.ndarray:
    with open_lazy(path) as image:
        data = image.read(0, tuple(slice(0, n) for n in image.spatial_shape))
    return data if data.shape[0] > 1 else data[0]


def as_item(path: Path) -> np.ndarray:
    return np.asarray(LoadItemd()({"image": str(path)})["image"])


def layout(path: Path) -> np.ndarray:
    return np.array(image_layout(path).shape)


def faults(bad: Bad) -> list[str]:
    """What is wrong with the way a damaged file is treated."""
    found, start = [], time.monotonic()
    ways = {"whole": whole, "windows": by_windows, "item": as_item, "layout": layout}
    got = {name: attempt(bad.path, read) for name, read in ways.items()}
    if time.monotonic() - start > 20:
        found.append("it took long")
    errors = {name: text for name, text in got.items() if isinstance(text, str)}
    found += [f"{name}: the file is not named: {text}" for name, text in errors.items() if bad.path.name not in text]
    array = got["whole"]
    if bad.whole is not None and not isinstance(array, str):
        same = array.shape == bad.whole.shape and np.array_equal(array, bad.whole)
        found += [] if same else [f"read as {array.shape} with other values than it had"]
    windows = got["windows"]
    if not isinstance(array, str) and not isinstance(windows, str) and array.size == windows.size:
        found += [] if np.array_equal(array.ravel(), windows.ravel(), equal_nan=True) else ["by windows it reads otherwise"]
    if isinstance(array, str) and not isinstance(windows, str):
        found.append(f"by windows it is read, but not as a whole: {array}")
    return [f"{bad.path.parent.name}/{bad.path.name} ({bad.kind}): {text}" for text in found]


def run(folder: Path, step: int) -> tuple[int, list[str]]:
    logging.getLogger("tifffile").disabled = True
    found, count = [], 0
    try:
        with limited_memory(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for bad in itertools.islice(damaged(folder), 0, None, step):
                count += 1
                try:
                    found += faults(bad)
                except Exception as error:
                    found.append(f"{bad.path.parent.name}/{bad.path.name} ({bad.kind}): {type(error).__name__}: {error}")
    finally:
        logging.getLogger("tifffile").disabled = False
    return count, found


def test_a_sample_of_damaged_files(tmp_path: Path) -> None:
    count, found = run(tmp_path, 12)
    assert count >= 60
    assert not found, "\n".join(found)


@pytest.mark.slow
def test_all_damaged_files(tmp_path: Path) -> None:
    count, found = run(tmp_path, 1)
    assert count >= 400
    assert not found, "\n".join(found)


def test_the_whole_ones_are_read(tmp_path: Path) -> None:
    for name, array in good_files(tmp_path).items():
        np.testing.assert_array_equal(whole(tmp_path / name), array, err_msg=name)

"""Errors of any library become one that names the file."""

from __future__ import annotations

import zlib

import pytest

from monai_denoiseg.data.errors import UnreadableError, naming


@pytest.mark.parametrize(
    "error", [zlib.error("Error -5"), EOFError("early"), IndexError("range"), RuntimeError("x"), OSError("y")]
)
def test_the_file_is_named(error: Exception) -> None:
    with (
        pytest.raises(UnreadableError, match=r"^in/a\.tif cannot be read, it may be damaged.*(-5|early|range|x|y)") as raised,
        naming("in/a.tif"),
    ):
        raise error
    assert raised.value.__cause__ is error


def test_what_names_it_already_stays() -> None:
    with pytest.raises(FileNotFoundError), naming("a.tif"):
        raise FileNotFoundError("a.tif does not exist")
    with pytest.raises(UnreadableError, match=r"^header of a\.tif$"), naming("a.tif"):
        raise KeyboardError("header of a.tif")
    with pytest.raises(ImportError, match="zarr"), naming("a.tif"):
        raise ImportError("zarr")
    with pytest.raises(KeyboardInterrupt), naming("a.tif"):
        raise KeyboardInterrupt


class KeyboardError(Exception):
    """Neither a ValueError nor an OSError."""


def test_what_explains_nothing_is_told_with_its_type() -> None:
    with pytest.raises(UnreadableError, match=r"KeyError: 'shape'"), naming("a.tif"):
        raise KeyError("shape")
    with pytest.raises(UnreadableError, match=r"AssertionError: $"), naming("a.tif"):
        raise AssertionError


def test_memory() -> None:
    with pytest.raises(UnreadableError, match=r"^a\.tif needs more memory than there is \(no more is given\)"), naming("a.tif"):
        raise MemoryError

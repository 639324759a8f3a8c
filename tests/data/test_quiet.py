"""What other packages say to themselves is not in the log, and can be heard again afterwards."""

from __future__ import annotations

import logging

import pytest

from monai_denoiseg.data import LoadItemd
from monai_denoiseg.data.quiet import quiet


def test_only_within_the_block(caplog: pytest.LogCaptureFixture) -> None:
    inner = logging.getLogger("some.package")
    with caplog.at_level(logging.INFO), pytest.raises(ZeroDivisionError), quiet("some", logging.WARNING):
        inner.info("step")
        inner.warning("trouble")
        raise ZeroDivisionError
    with caplog.at_level(logging.INFO):
        inner.info("after")
    assert caplog.messages == ["trouble", "after"]


def test_a_level_that_is_higher_stays() -> None:
    logging.getLogger("strict").setLevel(logging.CRITICAL)
    with quiet("strict"):
        assert not logging.getLogger("strict").isEnabledFor(logging.ERROR)


def test_loading_says_nothing_of_decoders(caplog: pytest.LogCaptureFixture) -> None:
    """MONAI warns where pydicom is installed and nvImageCodec is not."""
    pytest.importorskip("pydicom")
    with caplog.at_level(logging.INFO):
        LoadItemd()
    assert not caplog.messages

"""Semantic classes."""

from __future__ import annotations

from monai_denoiseg.heads import check_classes


def test_tuples_and_nothing() -> None:
    assert check_classes(("a", "b")) == ["a", "b"]
    assert check_classes(None) == check_classes([]) == []

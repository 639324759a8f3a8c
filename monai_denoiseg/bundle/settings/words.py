"""A kind of setting: several words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from monai_denoiseg.bundle.settings.kinds import Kind, RefusedError, names_of


@dataclass(frozen=True)
class Words(Kind):
    """Several of some words, as a list or with commas between them.

    Attributes:
        options: the words.

    >>> Words(("roi", "overlay")).read("roi, overlay"), Words(("roi", "overlay")).read(["roi"])
    (['roi', 'overlay'], ['roi'])
    """

    options: Sequence[str]

    @property
    def rule(self) -> str:
        """What a value must be."""
        return f"one or several (with commas) of {names_of(self.options)}"

    def read(self, value: Any, dims: int | None = None) -> list[str]:
        """Return the words as a list; see :class:`Kind`."""
        words = [word.strip() for word in value.split(",")] if isinstance(value, str) else value
        if not isinstance(words, (list, tuple)) or not words or any(word not in self.options for word in words):
            raise RefusedError(self.rule)
        return list(words)

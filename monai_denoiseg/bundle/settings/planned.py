"""A value that may be left to the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monai_denoiseg.bundle.settings.kinds import Kind
from monai_denoiseg.bundle.settings.task_defaults import AUTO


@dataclass(frozen=True)
class Planned(Kind):
    """``"auto"``, or a value of another kind.

    >>> from monai_denoiseg.bundle.settings.kinds import Whole
    >>> Planned(Whole(1)).rule, Planned(Whole(1)).read("auto"), Planned(Whole(1)).read(3)
    ("'auto', or an integer >= 1", 'auto', 3)
    """

    kind: Kind

    @property
    def rule(self) -> str:
        """What a value must be."""
        return f"{AUTO!r}, or {self.kind.rule}"

    @property
    def example(self) -> str | None:
        """How it is written."""
        return self.kind.example

    def read(self, value: Any, dims: int | None = None) -> Any:
        """Return the value; see :class:`Kind`."""
        return AUTO if value == AUTO else self.kind.read(value, dims)

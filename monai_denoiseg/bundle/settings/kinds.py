"""What values a setting may take: numbers, choices, switches, lists; each says its rule and reads a value by it."""

from __future__ import annotations

import ast
import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from monai_denoiseg.checks import suggest


class RefusedError(ValueError):
    """A value that a kind does not take; the text completes "`key` must be ..."."""


@dataclass(frozen=True)
class Kind(ABC):
    """A kind of value."""

    @property
    @abstractmethod
    def rule(self) -> str:
        """What a value must be, e.g. ``"an integer >= 1"``."""

    @property
    def example(self) -> str | None:
        """How a value is written on the command line, where the rule alone does not show it."""
        return None

    @abstractmethod
    def read(self, value: Any, dims: int | None = None) -> Any:
        """Return the value, in the form the configuration wants.

        Args:
            value: what the user gave; numbers may not be text, switches may.
            dims: spatial axes of the images, for values given for each axis; None where it is not known.

        Raises:
            RefusedError: when it is no such value.
        """


@dataclass(frozen=True)
class Whole(Kind):
    """An integer in ``[low, high]``.

    >>> Whole(1).rule, Whole(0, 9).rule, Whole(1).read(3)
    ('an integer >= 1', 'an integer in [0, 9]', 3)
    """

    low: int | None = None
    high: int | None = None
    odd: bool = False

    @property
    def rule(self) -> str:
        """What a value must be."""
        start = "an odd integer" if self.odd else "an integer"
        if self.low is None:
            return start
        return f"{start} >= {self.low}" if self.high is None else f"{start} in [{self.low}, {self.high}]"

    def read(self, value: Any, dims: int | None = None) -> int:
        """Return the integer; see :class:`Kind`."""
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            raise RefusedError(self.rule)
        number = int(value)
        if (self.low is not None and number < self.low) or (self.high is not None and number > self.high):
            raise RefusedError(self.rule)
        if self.odd and number % 2 == 0:
            raise RefusedError(self.rule)
        return number


@dataclass(frozen=True)
class Real(Kind):
    """A number between ``low`` and ``high``; NaN is none.

    >>> Real(0, 1).rule, Real(0, open_low=True).rule
    ('a number in [0, 1]', 'a number in (0, inf)')
    """

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool | None = None  # None: infinity itself is no value, any other end is

    @property
    def interval(self) -> str:
        """The interval as mathematicians write it."""
        return f"{'(' if self.open_low else '['}{self.low:g}, {self.high:g}{')' if self._ends_open else ']'}"

    @property
    def rule(self) -> str:
        """What a value must be."""
        return f"a number in {self.interval}"

    @property
    def _ends_open(self) -> bool:
        return math.isinf(self.high) if self.open_high is None else self.open_high

    def read(self, value: Any, dims: int | None = None) -> float:
        """Return the number, an integer as it is; see :class:`Kind`."""
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise RefusedError(self.rule)
        number = float(value)
        above = number > self.low if self.open_low else number >= self.low
        below = number < self.high if self._ends_open else number <= self.high
        if not (above and below):
            raise RefusedError(f"in {self.interval}")
        return int(value) if isinstance(value, numbers.Integral) else number


@dataclass(frozen=True)
class Switch(Kind):
    """True or false; ``python -m monai.bundle run --tta false`` passes the text, which Python counts as true.

    >>> Switch().read("False"), Switch().read(True)
    (False, True)
    """

    @property
    def rule(self) -> str:
        """What a value must be."""
        return "true or false"

    def read(self, value: Any, dims: int | None = None) -> bool:
        """Return the truth value; see :class:`Kind`."""
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if not isinstance(value, bool):
            raise RefusedError(self.rule)
        return value


@dataclass(frozen=True)
class Choice(Kind):
    """One of several words or numbers.

    Attributes:
        options: the values.
        aliases: other values that mean one of them.

    >>> Choice(("ap", "seg")).read("ap")
    'ap'
    """

    options: Sequence[Any]
    aliases: dict[Any, Any] = field(default_factory=dict, hash=False)

    @property
    def rule(self) -> str:
        """What a value must be."""
        return f"one of {', '.join(repr(option) for option in self.options)}"

    def read(self, value: Any, dims: int | None = None) -> Any:
        """Return the option; see :class:`Kind`."""
        known = isinstance(value, (str, bool, numbers.Integral))
        for one, meant in [*((option, option) for option in self.options), *self.aliases.items()]:
            if known and type(one) is type(value) and one == value:
                return meant
        raise RefusedError(self.rule)

    def nearest(self, value: Any) -> str:
        """Suggest the option a misspelt value may mean.

        >>> Choice(("ap", "seg")).nearest("sge")
        "; did you mean 'seg'?"
        """
        return suggest(str(value), [str(option) for option in self.options])


@dataclass(frozen=True)
class Text(Kind):
    """Any text; a number is taken as the text it was typed as."""

    what: str = "text"

    @property
    def rule(self) -> str:
        """What a value must be."""
        return self.what

    def read(self, value: Any, dims: int | None = None) -> str:
        """Return the text; see :class:`Kind`."""
        if not isinstance(value, str) or not value:
            raise RefusedError(self.rule)
        return value


@dataclass(frozen=True)
class PerAxis(Kind):
    """One value for all axes, or a list with one for each.

    >>> PerAxis(Whole(1)).read([16, 64, 64], dims=3)
    [16, 64, 64]
    """

    each: Kind
    single: bool = True

    @property
    def rule(self) -> str:
        """What a value must be."""
        return self._rule(None)

    @property
    def example(self) -> str:
        """How it is written."""
        return '"[64, 64]"' if isinstance(self.each, Whole) else '"[0.5, 0.5]"'

    def _rule(self, dims: int | None) -> str:
        many = "a list of them" if dims is None else f"{dims} of them"
        listed = f"{many}, one for each axis ({'ZYX'[-dims:] if dims else '[Z, ]Y, X'})"
        if self.single:
            return f"{self.each.rule}, or {listed}"
        return listed.replace(
            "of them", f"of numbers, each {self.each.rule}" if dims is None else "numbers, each " + self.each.rule
        )

    def read(self, value: Any, dims: int | None = None) -> Any:
        """Return the value or the list; see :class:`Kind`."""
        try:
            if not isinstance(value, (list, tuple)):
                if not self.single:
                    raise RefusedError
                return self.each.read(value)
            if len(value) != dims if dims else len(value) not in (2, 3):
                raise RefusedError
            return [self.each.read(one) for one in value]
        except RefusedError:
            raise RefusedError(self._rule(dims)) from None


@dataclass(frozen=True)
class Listing(Kind):
    """A list of at least so many values of one kind.

    Attributes:
        each: kind of an entry.
        least: smallest number of entries.
        sample: how such a list is written.
    """

    each: Kind
    least: int = 1
    sample: str | None = None

    @property
    def rule(self) -> str:
        """What a value must be."""
        return f"a list{f' of at least {self.least} entries' if self.least > 1 else ''}, each entry {self.each.rule}"

    @property
    def example(self) -> str | None:
        """How it is written."""
        return self.sample

    def read(self, value: Any, dims: int | None = None) -> list[Any]:
        """Return the list; see :class:`Kind`."""
        if not isinstance(value, (list, tuple)) or len(value) < self.least:
            raise RefusedError(self.rule)
        try:
            return [self.each.read(one, dims) for one in value]
        except RefusedError:
            raise RefusedError(self.rule) from None


def literal(text: str) -> Any:
    """Read text as MONAI's command line does: numbers, lists and booleans as such, all else as text.

    >>> literal("[64, 64]"), literal("true"), literal("1e-3"), literal("null"), literal("a,b")
    ([64, 64], True, 0.001, None, 'a,b')
    """
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def names_of(values: Sequence[Any]) -> str:
    """Join values for a message.

    >>> names_of(["a", "b"])
    "'a', 'b'"
    """
    return ", ".join(repr(value) for value in values)

"""One setting of a bundle, as users know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monai_denoiseg.bundle.settings.kinds import Choice, Kind, RefusedError, Text, literal
from monai_denoiseg.bundle.settings.place import Place
from monai_denoiseg.bundle.settings.planned import Planned

TRAIN, INFER, EVALUATE, SINGLE = "train", "infer", "evaluate", "self2seg"
"""The configurations: those of the DenoiSeg bundles by their task, and that of the bundle ``self2seg``."""


@dataclass(frozen=True)
class Setting:
    """A key of a configuration that users set.

    Attributes:
        name: the key.
        kind: which values it takes.
        group: heading it stands under.
        meaning: one sentence.
        configs: configurations that have it.
        unit: of the value, e.g. ``"pixels"``.
        null: what ``null`` means; None where it is no value.
        default: the default in words, where the configuration has an expression.
        methods_only: whether only methods without training have it.

    >>> from monai_denoiseg.bundle.settings.kinds import Real
    >>> alpha = Setting("alpha", Real(0, 1), "Loss", "Weight of the denoising loss.", ("train",))
    >>> alpha.read(1.5)
    Traceback (most recent call last):
        ...
    ValueError: `alpha` must be in [0, 1], got 1.5
    """

    name: str
    kind: Kind
    group: str
    meaning: str
    configs: tuple[str, ...]
    unit: str = ""
    null: str | None = None
    default: str | None = None
    methods_only: bool = False

    @property
    def is_path(self) -> bool:
        """Whether its values are text, whatever they look like: paths, and names of folders and files."""
        return isinstance(self.kind, (Place, Text))

    @property
    def own_kind(self) -> Kind:
        """Which values a user gives, besides ``"auto"``."""
        return self.kind.kind if isinstance(self.kind, Planned) else self.kind

    @property
    def rule(self) -> str:
        """What a value must be."""
        return f"{self.kind.rule}{', or null' if self.null is not None else ''}"

    def from_words(self, text: str) -> Any:
        """Read what was typed on a command line.

        Args:
            text: a word.
        """
        if isinstance(self.kind, Place):
            return self.kind.from_words(text, self.null is not None)
        if isinstance(self.kind, Text):
            return None if self.null is not None and literal(text) is None else text
        return literal(text)

    def read(self, value: Any, dims: int | None = None) -> Any:
        """Check a value.

        Args:
            value: what the user gave.
            dims: spatial axes of the images, if known.

        Returns:
            The value in the form the configuration wants.

        Raises:
            ValueError: naming the key, the value, and what it must be.
        """
        none = value is None or (isinstance(value, str) and value.lower() in ("none", "null") and not self.is_path)
        if none and self.null is not None:
            return None
        try:
            return self.kind.read(value, dims)
        except RefusedError as refused:
            null = ", or null" if self.null is not None else ""
            sample = f"; for instance --{self.name} {self.kind.example}" if self.kind.example else ""
            near = self.own_kind.nearest(value) if isinstance(self.own_kind, Choice) else ""
            aside, _, near_entry = str(refused).partition("; did you mean")
            entry = f"; did you mean{near_entry}" if near_entry else ""
            raise ValueError(f"`{self.name}` must be {aside}{null}, got {value!r}{near or entry or sample}") from None

    def check_place(self, value: Any) -> None:
        """Check that what a path leads to is there, or can be written.

        Args:
            value: what :meth:`read` returned.

        Raises:
            OSError: naming the key and the path.
        """
        if isinstance(self.kind, Place) and value is not None:
            try:
                self.kind.check(value)
            except OSError as error:
                hint = ": train first, or give the model.pt of a training" if self.name == "model_file" else ""
                name = "run" if self.name == "run_dir" else self.name
                raise type(error)(f"`{name}`: {error}{hint}") from None

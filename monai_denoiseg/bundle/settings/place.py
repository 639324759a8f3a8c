"""Settings that name files and folders: always text, ``~`` is the home folder, checked before any work is done."""

from __future__ import annotations

import errno
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_denoiseg.bundle.settings.kinds import Kind, RefusedError, literal

READ, WRITE, NAME = "read", "write", "name"


@dataclass(frozen=True)
class Place(Kind):
    """A path, or the name of a subfolder.

    Attributes:
        use: ``"read"``: it must exist; ``"write"``: a folder that is made; ``"name"``: a name within another folder.
        what: ``"folder"``, ``"file"`` or ``"file or folder"``.
        many: whether a list of paths is a value too.
        but: texts that are no paths but mean something else, e.g. ``"simulated"``.
    """

    use: str
    what: str = "folder"
    many: bool = False
    but: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """What a value must be."""
        if self.use == NAME:
            return f"the name of a {self.what}"
        return f"the path of a {self.what}" + (", or a list of paths" if self.many else "")

    def read(self, value: Any, dims: int | None = None) -> Any:
        """Return the path as text, the home folder spelt out; see :class:`Kind`."""
        if self.many and isinstance(value, (list, tuple)) and value:
            return [self._one(one) for one in value]
        return self._one(value)

    def _one(self, value: Any) -> str:
        path = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
        if not isinstance(path, str) or not path or "\0" in path:
            raise RefusedError(self.rule)
        return path if self.use == NAME else str(Path(path).expanduser()) if path.startswith("~") else path

    def from_words(self, text: str, nullable: bool) -> Any:
        """Read what was typed: text, whatever it looks like.

        Only where no such file exists, ``none`` and ``null`` mean none, a list of names is a list, and quotes around all are
        taken off.

        Args:
            text: a word of the command line.
            nullable: whether the setting may be none.

        >>> Place(READ).from_words("2024", False), Place(READ, many=True).from_words("['a.tif', 'b.tif']", False)
        ('2024', ['a.tif', 'b.tif'])
        """
        if _exists(text):
            return text
        meant = literal(text)
        if meant is None and nullable:
            return None
        if self.many and isinstance(meant, list) and meant and all(isinstance(one, str) for one in meant):
            return meant
        quoted = isinstance(meant, str) and text[:1] in "'\"" and text[:1] == text[-1:]
        return meant if quoted else text

    def check(self, value: Any) -> None:
        """Check that a path to read is there, and that a folder to write into can be written.

        Args:
            value: what :meth:`read` returned.

        Raises:
            OSError: naming the path and what is wrong with it; a subclass such as ``FileNotFoundError`` where there is one.
        """
        for path in value if isinstance(value, list) else [value]:
            if self.use == READ and path not in self.but:
                self._check_there(Path(path))
            elif self.use == WRITE:
                check_writable(Path(path))

    def _check_there(self, path: Path) -> None:
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist")
        if self.what == "folder" and not path.is_dir():
            raise FileNotFoundError(f"{path} is a file, not a folder")
        if self.what == "file" and not path.is_file():
            raise FileNotFoundError(f"{path} is a folder, not a file")


def check_writable(folder: Path) -> None:
    """Check that a folder is there or can be made, and that files can be written into it, by writing one.

    Args:
        folder: the folder, which is not made.

    Raises:
        OSError: when it cannot be written.

    >>> check_writable(Path(tempfile.gettempdir()) / "new" / "folder")
    """
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise NotADirectoryError(f"cannot write into {folder}: {there} is a file, not a folder")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        reason = os.strerror(error.errno or errno.EACCES)
        raise type(error)(f"cannot write into {folder}: {reason}; give another folder") from None


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False

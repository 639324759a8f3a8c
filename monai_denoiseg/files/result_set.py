"""The files of one result: all of them appear together, or none."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from monai_denoiseg.files.errors import explained
from monai_denoiseg.files.fingerprint import describe_source, fingerprint, is_unchanged
from monai_denoiseg.files.lock import lock_file
from monai_denoiseg.files.notes import write_notes
from monai_denoiseg.files.parts import flush, part_for, remove, remove_leftovers
from monai_denoiseg.files.record import Record, foreign_files, read_record, record_path, refusal

logger = logging.getLogger(__name__)


class ResultSet:
    """Write the files of one result together, and note that they are ours.

    Each is written to a temporary place. When the ``with`` block ends they get their names, one right after the other; an error
    before or in between (or Ctrl-C) leaves everything as it was. Files that this package did not write, that were changed since,
    or that are results of another image are not overwritten. What is ours is recorded in the hidden folder ``.monai_denoiseg``;
    results that go to the folder of their image carry a note themselves where the file system can (extended attributes), so that
    nothing but results appears among the images.

    Args:
        folder: folder of the results; it is made.
        name: of the set; the same name the next time means the same results anew. ``"image-STEM"`` for those of an image.
        source: the image they are made of, None if it is no single one.
        settings: digest of settings and network, see :func:`~monai_denoiseg.files.record.state_of`.
        sweep: remove the files of the earlier set that the new one does not replace.
        beside: one of the images where the set is of several, to tell whether it goes to their folder.

    Raises:
        FileExistsError: when a file is in the way that is not ours.
        WriteError: when the disk is full or may not be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for text in ("old", "new"):
    ...         with ResultSet(folder, "image-a") as results:
    ...             for name in ("a_mask.txt", "a_energies.txt"):
    ...                 _ = results.add(Path(folder, name)).write_text(text)
    ...     {path.name: path.read_text() for path in sorted(Path(folder).glob("*.txt"))}
    {'a_energies.txt': 'new', 'a_mask.txt': 'new'}
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        name: str,
        source: str | os.PathLike | None = None,
        settings: str = "",
        sweep: bool = False,
        beside: str | os.PathLike | None = None,
    ) -> None:
        self.beside = source if beside is None else beside
        self.folder, self.name, self.source, self.settings, self.sweep = Path(folder), name, source, settings, sweep
        self._parts: dict[Path, Path] = {}
        self._adopted: set[Path] = set()
        self._made: list[Path] = []

    def add(self, target: Path) -> Path:
        """Where to write a file of the set.

        Args:
            target: its final place, in the folder or below.
        """
        with explained(target):
            self._make_folder(target.parent)
            remove_leftovers(target)
        self._parts[target] = part_for(target)
        return self._parts[target]

    def adopt(self, target: Path, part: Path) -> None:
        """Take in a file that was written elsewhere; unlike the others it stays there if something goes wrong.

        Args:
            target: its final place.
            part: where it is, on the same disk; where there is nothing, the target is one already (a run was killed at its end).
        """
        self._adopted.add(target)
        self._parts[target] = part

    def check(self) -> None:
        """Raise if a file is in the way that is not ours."""
        source = {} if self.source is None else describe_source(self.source)
        new = [target for target, part in self._parts.items() if os.path.lexists(part)]
        foreign = foreign_files(self.folder, self.name, new, source)
        if foreign:
            raise refusal(self.folder, self.name, foreign, self.source)

    def __enter__(self) -> ResultSet:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            for target, part in self._parts.items():
                if target not in self._adopted:
                    remove(part)
            for folder in reversed(self._made):
                with suppress(OSError):  # it is not empty: something of the set is there
                    folder.rmdir()

    def _finish(self) -> None:
        if not self._parts:
            return
        for target, part in self._parts.items():
            with explained(target):
                flush(part) if part.exists() else None
        with explained(next(iter(self._parts))), _alone(self.folder):
            self.check()
            before, record = self._before(), self._record()
            self._rename_all(record, noted=self._is_beside_its_image() and self._note(record))
            if self.sweep:
                self._remove_earlier(before, record)
            elif record.earlier.keys() - record.files.keys() and before.settings != self.settings:
                names = ", ".join(sorted(record.earlier.keys() - record.files.keys()))
                logger.warning("%s: made earlier, by another network or other settings, and still there: %s", self.folder, names)

    def _before(self) -> Record:
        return read_record(self.folder, self.name, self._parts)

    def _record(self) -> Record:
        """The new record. It also knows what is there from before, so that a kill between two renamings makes nothing foreign."""
        before = self._before()
        files = {}
        for target, part in self._parts.items():
            files[target.relative_to(self.folder).as_posix()] = fingerprint(part if part.exists() else target)
        earlier: dict[str, Any] = {}
        for known in (before.earlier, before.files):
            earlier |= {name: one for name, one in known.items() if is_unchanged(self.folder / name, one)}
        source = {} if self.source is None else describe_source(self.source)
        return Record(source, self.settings, files, earlier)

    def _is_beside_its_image(self) -> bool:
        """Whether the results go to the folder of the image, where nothing but results is to appear."""
        if self.beside is None or record_path(self.folder, self.name).exists():
            return False
        return Path(self.beside).absolute().parent.resolve() == self.folder.resolve()

    def _note(self, record: Record) -> bool:
        """Let each file carry its part of the record."""
        shared = {"set": self.name, "source": record.source, "settings": record.settings, "names": list(record.files)}
        notes = {}
        for target, part in self._parts.items():
            print_ = record.files[target.relative_to(self.folder).as_posix()]
            notes[part if part.exists() else target] = {**shared, "print": print_}
        return write_notes(notes)

    def _rename_all(self, record: Record, noted: bool) -> None:
        path = record_path(self.folder, self.name)
        note = part_for(path)
        moves = {target: part for target, part in self._parts.items() if os.path.lexists(part)}
        undo: list[tuple[Path, Path, Path]] = []  # target, second name of what is there, where the new file is
        try:
            if not noted:
                self._make_folder(path.parent)
                note.write_text(json.dumps(record.to_json(), indent=1), "utf-8")
                flush(note)
                moves = {path: note} | moves
            for target, part in moves.items():
                with explained(target):
                    undo.append((target, part_for(target, "old"), part))
                    _keep(*undo[-1][:2])
                    _put(part, target)
        except BaseException:
            for step in reversed(undo):
                _take_back(*step)
            remove(note)
            raise
        for target, kept, _ in undo:
            remove(kept)
            remove_leftovers(target, "old")

    def _remove_earlier(self, before: Record, record: Record) -> None:
        for name in before.names - record.files.keys():
            known = before.files.get(name) or before.earlier[name]
            if is_unchanged(self.folder / name, known):
                remove(self.folder / name)

    def _make_folder(self, folder: Path) -> None:
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            new.mkdir(exist_ok=True)
            self._made.append(new)


def replace_by(part: Path, target: Path) -> None:
    """Give a complete file or folder its name, in place of what bore it; after an error that is there as before.

    Args:
        part: the new one, on the same disk.
        target: its name.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("new", "a.zarr"):
    ...         Path(folder, name).mkdir()
    ...     replace_by(Path(folder, "new"), Path(folder, "a.zarr"))
    ...     [path.name for path in Path(folder).iterdir()]
    ['a.zarr']
    """
    kept = part_for(target, "old")
    with explained(target):
        try:
            _keep(target, kept)
            _put(part, target)
        except BaseException:
            _take_back(target, kept, part)
            raise
        remove(kept)


def _keep(target: Path, kept: Path) -> None:
    """Give what is at a target a second name, so that it can be put back."""
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        with suppress(OSError):  # a file system without links
            os.link(target, kept, follow_symlinks=False)
            return
    target.rename(kept)


def _put(part: Path, target: Path) -> None:
    part.rename(target) if part.is_dir() else part.replace(target)


def _take_back(target: Path, kept: Path, part: Path) -> None:
    """Undo :func:`_put` and :func:`_keep`, however far they came."""
    if not os.path.lexists(part) and os.path.lexists(target):
        target.rename(part)
    if os.path.lexists(kept):
        if os.path.lexists(target):  # nothing was put there yet, and it is the same file
            remove(kept)
        else:
            kept.rename(target)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time give files their names in a folder."""
    if os.name == "nt":  # folders cannot be opened there
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with lock_file(descriptor):
            yield
    finally:
        os.close(descriptor)

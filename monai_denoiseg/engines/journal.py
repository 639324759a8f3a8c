"""Resumable progress log of a long job, kept on disk."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from monai_denoiseg.files import explained, open_appending, remove

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)


class Journal:
    """A folder for a job's intermediate data, with a list of the steps that are done.

    If the folder holds an interrupted job of the very same settings, that one goes on; of any other, the folder is emptied and a
    warning names what differs. A step is noted *after* its data were written, one line each, so a line that is there can be
    relied on after the program was killed.

    Args:
        folder: the folder; it is made.
        settings: everything the result depends on, as plain values.
        name: of the job, for messages.

    Raises:
        RuntimeError: when another program works on the same job.

    Attributes:
        resumed: whether an interrupted job goes on.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Journal(Path(folder, "job"), {"tta": True}, "a") as journal:
    ...         journal.add("tile", 0, 3)
    ...     with Journal(Path(folder, "job"), {"tta": True}, "a") as journal:
    ...         journal.resumed, journal.has("tile", 0, 3), journal.has("tile", 0, 4)
    (True, True, False)
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], name: str) -> None:
        self.folder, self.name = folder, name
        self._path = folder / "journal.jsonl"
        self._settings: dict[str, Any] = json.loads(json.dumps(settings))
        self._steps: set[tuple[Any, ...]] = set()
        self._values: dict[str, Any] = {}
        self._lock = open_appending(folder / "lock")
        self._take_lock()
        self.resumed = self._read()
        self._file: IO[str] = open_appending(self._path)
        if not self.resumed:
            self.restart()

    def restart(self) -> None:
        """Forget everything and empty the folder."""
        self._file.close()
        for path in self.folder.iterdir():
            if path.name != "lock":
                remove(path)
        self._steps.clear()
        self._values.clear()
        self.resumed = False
        self._file = open_appending(self._path)
        self._append({"settings": self._settings})

    def add(self, *step: Any) -> None:
        """Note that a step is done."""
        self._append({"step": step})
        self._steps.add(step)

    def has(self, *step: Any) -> bool:
        """Whether a step is done."""
        return step in self._steps

    def count(self, kind: str) -> int:
        """How many steps are done whose first entry is ``kind``."""
        return sum(step[0] == kind for step in self._steps)

    def keep(self, key: str, value: Any) -> None:
        """Keep a plain value."""
        self._append({"key": key, "value": value})
        self._values[key] = value

    def get(self, key: str) -> Any:
        """Return a value kept before, or None."""
        return self._values.get(key)

    def remove(self) -> None:
        """Remove the folder: the job is done."""
        self.close()
        remove(self.folder)

    def close(self) -> None:
        """Close the files; the folder stays."""
        self._file.close()
        self._lock.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _append(self, entry: Mapping[str, Any]) -> None:
        with explained(self._path):
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()  # into the hands of the system: a killed program loses nothing then

    def _take_lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise RuntimeError(f"{self.name}: another program works on it in {self.folder}; wait for it or stop it") from None

    def _read(self) -> bool:
        """Read what is there and return whether it is the same job."""
        entries = []
        if self._path.is_file():
            text = self._path.read_text("utf-8")
            for line in text[: text.rfind("\n") + 1].splitlines():  # the last line may have been cut off
                entries.append(json.loads(line))
            os.truncate(self._path, len(text[: text.rfind("\n") + 1].encode()))
        if not entries:
            return False
        before = entries[0].get("settings", {})
        differing = sorted(key for key in before.keys() | self._settings.keys() if before.get(key) != self._settings.get(key))
        if differing:
            listed = ", ".join(f"{key} was {before.get(key)!r}, is {self._settings.get(key)!r}" for key in differing)
            logger.warning("%s: starts afresh, the interrupted run had other settings: %s", self.name, listed)
            return False
        for entry in entries[1:]:
            if "step" in entry:
                self._steps.add(tuple(entry["step"]))
            else:
                self._values[entry["key"]] = entry["value"]
        return True

"""One program at a time in a folder."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from monai_denoiseg.files.errors import explained

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

LOCK_NAME = ".lock"


class FolderLock:
    """Keep other programs out of a folder while the ``with`` block runs.

    The lock is that of the system (``flock``): it ends with the program, however that ends. Who holds it stands in the hidden
    file ``.lock`` in the folder. Where the file system knows no locks, the file alone counts: it is obeyed as long as its process
    runs, and always if it was written on another computer.

    Args:
        folder: the folder; it is made.
        purpose: what works in the folder, for the message.
        patience: seconds to wait for a dead holder's children, which may outlive it for a moment.

    Raises:
        OSError: (on entering) when the folder or the file cannot be written; it names the file.
        RuntimeError: (on entering) when another program, or another part of this one, holds the lock.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with FolderLock(folder):
    ...         try:
    ...             FolderLock(folder).acquire()
    ...         except RuntimeError as error:
    ...             "another training (pid" in str(error)
    ...     list(Path(folder).iterdir())
    True
    []
    """

    def __init__(self, folder: str | os.PathLike, purpose: str = "training", patience: float = 10.0) -> None:
        self.folder, self.purpose, self.patience = Path(folder), purpose, patience
        self.path = self.folder / LOCK_NAME
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock."""
        with explained(self.path):
            self.folder.mkdir(parents=True, exist_ok=True)
            deadline = time.monotonic() + self.patience
            while self._descriptor is None:
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
                try:
                    self._try(descriptor, waiting=time.monotonic() < deadline)
                finally:
                    if self._descriptor is None:
                        os.close(descriptor)

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is None:
            return
        self.path.unlink(missing_ok=True)  # while it is held: nobody else's file is removed
        os.close(self._descriptor)
        self._descriptor = None

    def __enter__(self) -> FolderLock:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def _try(self, descriptor: int, waiting: bool) -> None:
        """Take the lock on an open file if it is free; else raise, or return to be called again."""
        locked = _flock(descriptor)
        holder = _read(descriptor)
        if locked is False:
            if not (waiting and holder and _is_dead(holder)):
                raise RuntimeError(self._refusal(holder))
            time.sleep(0.1)
            return
        if not self._is_current(descriptor):
            return  # whoever held it has removed the file meanwhile
        if holder and locked is None and not _is_dead(holder):
            raise RuntimeError(f"{self._refusal(holder)} (if it runs no longer, remove {self.path})")
        if holder:
            logger.warning(
                "%s: the %s of %s ended without a word; its lock is taken over", self.folder, self.purpose, _name(holder)
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(_about_this_process()).encode(), 0)
        self._descriptor = descriptor

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path))  # noqa: PTH116 (the very file, not a Path)
        except FileNotFoundError:
            return False

    def _refusal(self, holder: dict[str, Any]) -> str:
        who = _name(holder) if holder else "just begun"
        return f"another {self.purpose} ({who}) works in {self.folder}; wait for it, stop it or give another --output_dir" + (
            f" (its command: {holder['command']})" if holder.get("command") else ""
        )


@contextmanager
def lock_file(descriptor: int) -> Iterator[None]:
    """Wait for the lock on an open file and hold it for a moment; where the file system knows no locks, go on without.

    Args:
        descriptor: of the file; closing it gives the lock back.

    >>> import tempfile
    >>> with tempfile.TemporaryFile() as file, lock_file(file.fileno()):
    ...     print("alone")
    alone
    """
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield


def _flock(descriptor: int) -> bool | None:
    """Try to lock a file; None where that is not possible at all."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


def _about_this_process() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "since": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %z"),
    }


def _read(descriptor: int) -> dict[str, Any]:
    """Who holds the lock; empty where nobody (or nobody yet) is named."""
    try:
        found = json.loads(os.pread(descriptor, 1 << 16, 0))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _name(holder: dict[str, Any]) -> str:
    return f"pid {holder.get('pid')} on {holder.get('host')}, since {holder.get('since')}"


def _is_dead(holder: dict[str, Any]) -> bool:
    """Whether the process is known to run no longer; of other computers nothing is known."""
    return holder.get("host") == socket.gethostname() and not is_running(int(holder.get("pid", 0)))


def is_running(pid: int) -> bool:
    """Whether a process of this computer runs.

    Args:
        pid: its number.

    >>> is_running(os.getpid()), is_running(0)
    (True, False)
    """
    if pid <= 0:
        return False
    if os.name == "nt":  # os.kill would end it there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

"""The folder of a training: one training at a time, never over a finished one, never over what came with the package."""

from __future__ import annotations

import json
import os
import weakref
from pathlib import Path
from typing import Any

from monai_denoiseg.bundle.folders import came_with_package
from monai_denoiseg.bundle.resume import read_checkpoint
from monai_denoiseg.checks import check_option
from monai_denoiseg.files import FolderLock, set_aside, write_json
from monai_denoiseg.processes import is_main_process

EXISTING = ("error", "rename")
BESIDE = ("settings.json", "report.html", "panels", "tensorboard", "train_log.csv", "validation_log.csv")
"""What a training leaves besides its checkpoints."""


_HELD: weakref.WeakSet[RunFolder] = weakref.WeakSet()
"""Folders of this process."""


class RunFolder:
    """Take a folder for a training, before any work.

    Args:
        output_dir: folder of logs, pictures and settings; it is made.
        ckpt_dir: folder of ``model.pt`` and ``last.pt``; it is made.
        resume: go on with the training that lies there.
        existing: what happens to an earlier training there: ``"error"``, or ``"rename"`` (``model.pt`` becomes ``model.1.pt``
            and so on). None is an error in the user's own folders, and ``"rename"`` in a bundle's (``bundle_root``), which
            servers train again and again.
        bundle_root: see :func:`~monai_denoiseg.bundle.run_folder`.
        max_epochs: planned length.

    Raises:
        FileExistsError: when a training lies there and neither ``resume`` nor ``existing`` says what to do with it.
        FileNotFoundError: when ``resume`` is set, but there is no checkpoint.
        PermissionError: when ``model.pt`` there came with the package, or the folder cannot be written.
        RuntimeError: while another training works in the folder.
        ValueError: when ``resume`` is set, but the training is finished or damaged.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = RunFolder(f"{folder}/run", f"{folder}/run/models")
    ...     (Path(folder) / "run" / "models" / "last.pt").touch()
    ...     run.release()
    ...     try:
    ...         RunFolder(f"{folder}/run", f"{folder}/run/models")
    ...     except FileExistsError as error:
    ...         print(str(error).split(folder)[0].strip())
    a stopped training lies in
    """

    def __init__(
        self,
        output_dir: str | Path,
        ckpt_dir: str | Path,
        *,
        resume: bool = False,
        existing: str | None = None,
        bundle_root: str | Path | None = None,
        max_epochs: int | None = None,
    ) -> None:
        self.output_dir, self.ckpt_dir = Path(output_dir), Path(ckpt_dir)
        self._locks: list[FolderLock] = []
        self._made: list[Path] = []
        self._own = bundle_root is None
        self.begun = False
        # An error before the end of the run must neither keep the folder locked nor leave an empty one.
        weakref.finalize(self, _release, self._locks, self._made)
        if existing is None:
            existing = "error" if bundle_root is None else "rename"
        check_option("existing", existing, EXISTING)
        if not is_main_process():
            return
        if came_with_package(self.ckpt_dir / "model.pt"):
            raise PermissionError(
                f"{self.ckpt_dir / 'model.pt'} came with the package and is not overwritten: leave `bundle_root` and `ckpt_dir` "
                "out (the run then goes to ./denoiseg_run), or copy the bundle's folder and name the copy"
            )
        self._take_over()
        self._lock()
        try:
            self._look(resume, existing, max_epochs)
        except BaseException:
            self.release()
            raise

    def _take_over(self) -> None:
        """A workflow that is initialised again, with other settings, takes the folder from itself."""
        for earlier in [one for one in _HELD if one.ckpt_dir.resolve() == self.ckpt_dir.resolve() and not one.begun]:
            earlier.release()
        _HELD.add(self)

    def begin(self) -> None:
        """Note that the training runs: from now on the folder is not given away."""
        self.begun = True

    def _lock(self) -> None:
        for folder in dict.fromkeys(path.resolve() for path in (self.output_dir, self.ckpt_dir)):
            self._made += [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK):
                raise PermissionError(f"{folder} cannot be written: give another --output_dir")
            lock = FolderLock(folder)
            lock.acquire()
            self._locks.append(lock)

    def _look(self, resume: bool, existing: str, max_epochs: int | None) -> None:
        last, model = self.ckpt_dir / "last.pt", self.ckpt_dir / "model.pt"
        if resume:
            state = read_checkpoint(last)
            if self.finished() and (max_epochs is None or max_epochs <= state["epoch"]):
                done = f"{state['epoch']} of {state['max_epochs']} epochs"
                raise ValueError(
                    f"the run in {self.output_dir} is finished ({done}): extend it with a larger --max_epochs, or train anew "
                    "with another --output_dir"
                )
            return
        earlier = next((path for path in (last, model) if path.is_file()), None)
        if earlier is not None and existing == "rename":
            # All at the start: until its first validation the new run would else have the network of the old one. A server
            # goes on with that, so in a bundle's folder its writer sets it aside.
            files = [self.output_dir / name for name in BESIDE] + [last, model] * self._own
            for path in files:
                set_aside(path)
        elif earlier is not None:
            kind = "finished" if self.finished() else "stopped"
            raise FileExistsError(
                f"a {kind} training lies in {self.output_dir} ({earlier}): go on with it by --resume true, keep its files beside "
                "the new ones by --existing rename, or give another --output_dir"
            )
        elif (settings := self.output_dir / "settings.json").is_file() and "versions" not in self._record():
            # Other programs, and our own simulation, have a file of this name.
            raise FileExistsError(f"{settings} is not of a training, and would be overwritten: give another --output_dir")

    def finished(self) -> bool:
        """Whether the training that lies here came to its end."""
        return self._record().get("finished") is True

    def _record(self) -> dict[str, Any]:
        try:
            found = json.loads((self.output_dir / "settings.json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def finish(self) -> None:
        """Note in ``settings.json`` that the training came to its end."""
        record = self._record()
        if is_main_process() and record:
            write_json(record | {"finished": True}, self.output_dir / "settings.json")

    def release(self) -> None:
        """Let others train here; folders that were made and are empty are taken away again."""
        _release(self._locks, self._made)


def _release(locks: list[FolderLock], made: list[Path]) -> None:
    while locks:
        locks.pop().release()
    for folder in sorted(made, key=lambda path: -len(path.parts)):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    made.clear()

"""A folder that belongs to one command as a whole, such as that of the demo."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from monai_denoiseg.files.fingerprint import fingerprint, is_unchanged
from monai_denoiseg.files.kinds import write_json
from monai_denoiseg.files.parts import remove
from monai_denoiseg.files.record import FOLDER, Record, read_record, record_path


class OwnedFolder:
    """Use a folder that is missing, empty, or holds nothing but what the same command left in it.

    When the ``with`` block ends, also by an error or Ctrl-C, every file in the folder is noted as the command's own.

    Args:
        folder: the folder.
        name: of the command.

    Raises:
        FileExistsError: (on entering) when the folder is a file, or holds anything else. It is left as it is then.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for turn in range(2):
    ...         with OwnedFolder(folder, "demo") as owned:
    ...             owned.clear()
    ...             _ = Path(folder, "a.txt").write_text("a")
    ...     _ = Path(folder, "thesis.txt").write_text("mine")
    ...     try:
    ...         OwnedFolder(folder, "demo").__enter__()
    ...     except FileExistsError as error:
    ...         print(str(error).replace(folder, "FOLDER"))
    FOLDER holds thesis.txt, which is not of an earlier demo: give another folder, or move it away
    """

    def __init__(self, folder: str | os.PathLike, name: str) -> None:
        self.folder, self.name = Path(folder), name

    def __enter__(self) -> OwnedFolder:
        if os.path.lexists(self.folder) and not self.folder.is_dir():
            raise FileExistsError(f"{self.folder} is a file: give a folder for the {self.name}")
        self._check()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.folder.is_dir():
            files = {path.relative_to(self.folder).as_posix(): fingerprint(path) for path in self._files()}
            write_json(Record(files=files).to_json(), record_path(self.folder, self.name))

    def clear(self) -> None:
        """Remove what an earlier run left."""
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if path.name != FOLDER:
                remove(path)

    def _check(self) -> None:
        known = read_record(self.folder, self.name).files
        for path in self._files():
            name = path.relative_to(self.folder).as_posix()
            if name not in known or not is_unchanged(path, known[name]):
                what = "was changed since the" if name in known else "is not of an"
                way = "give another folder, or move it away"
                raise FileExistsError(f"{self.folder} holds {name}, which {what} earlier {self.name}: {way}")

    def _files(self) -> Iterator[Path]:
        """All files, links and empty folders below the folder, but for the record itself."""
        for path in sorted(self.folder.rglob("*")) if self.folder.is_dir() else ():
            filled = path.is_dir() and not path.is_symlink() and any(path.iterdir())
            if path.relative_to(self.folder).parts[0] != FOLDER and not filled:
                yield path

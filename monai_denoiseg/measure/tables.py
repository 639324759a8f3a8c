"""The tables of a folder of results: rows of this run in place of earlier ones of the same images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from monai_denoiseg.files import ResultSet, foreign_files, refusal, write_text

if TYPE_CHECKING:
    import pandas as pd

RECORD = "measurements"
"""Name of the tables in the record of what this package wrote."""
NAMES = ("measurements.csv", "summary.csv")


def check_tables(folder: Path) -> None:
    """Raise if a table is there that would be overwritten, but was not written by this package, or changed since.

    Args:
        folder: of the results.

    Raises:
        FileExistsError: naming it.

    >>> check_tables(Path("no folder"))
    """
    if foreign := foreign_files(folder, RECORD, [folder / name for name in NAMES], {}):
        raise refusal(folder, RECORD, foreign)


def write_tables(
    folder: Path, tables: Sequence[Sequence[pd.DataFrame]], images: Sequence[str], beside: str | None = None
) -> list[Path]:
    """Write measurements and summary; rows of other images, of earlier runs into the folder, stay as they are.

    Args:
        folder: of the results.
        tables: of each table its parts, each with a column ``image``.
        images: names of the images that were looked at in this run.
        beside: path of one of them.

    Returns:
        The files.

    >>> import tempfile, pandas as pd
    >>> with tempfile.TemporaryDirectory() as name:
    ...     for image in "ab":
    ...         part = [pd.DataFrame({"image": [image], "area": [3]})]
    ...         _ = write_tables(Path(name), [part, part], [image])
    ...     Path(name, "summary.csv").read_text().split()
    ['image,area', 'a,3', 'b,3']
    """
    import pandas as pd

    check_tables(folder)
    written = []
    with ResultSet(folder, RECORD, beside=beside) as results:
        for name, parts in zip(NAMES, tables, strict=True):
            rows = [_as_text(part) for part in parts if len(part.columns)]
            if (path := folder / name).exists():
                before = pd.read_csv(path, dtype=str, keep_default_na=False)
                rows = [before[~before["image"].isin(list(images))], *rows]
            if rows:
                columns = list(dict.fromkeys(column for part in (*rows[1:], rows[0]) for column in part))
                table = pd.concat(rows)[columns].fillna("")
                write_text(table.to_csv(index=False, lineterminator="\n"), results.add(path))
                written.append(path)
    return written


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    """A table as it is read back, so that numbers are written the same way whatever they stand beside."""
    import pandas as pd

    return pd.read_csv(io.StringIO(table.to_csv(index=False)), dtype=str, keep_default_na=False)

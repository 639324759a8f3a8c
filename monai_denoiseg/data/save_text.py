"""Write texts of an item beside its predictions."""

from __future__ import annotations

import os
import uuid
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from monai.transforms import Transform

from monai_denoiseg.data.save import output_stem


class SaveTextd(Transform):
    """Save text entries of an item as ``STEM_name``, beside the images of :class:`SavePredictiond`. Each file appears whole.

    Args:
        output_dir: folder for the files; it is made.
        names: end of the file name by item key, e.g. ``{"energies_csv": "energies.csv"}``. An item may lack some.
        image_key: the image whose file name is used, a MetaTensor.

    >>> import tempfile, torch
    >>> from monai.data import MetaTensor
    >>> image = MetaTensor(torch.zeros(1, 4, 6), meta={"filename_or_obj": "cells.tif"})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = SaveTextd(folder, {"table": "table.csv", "note": "note.txt"})({"image": image, "table": "a,b"})
    ...     [(path.name, path.read_text()) for path in Path(folder).iterdir()]
    [('cells_table.csv', 'a,b')]
    """

    def __init__(self, output_dir: str | os.PathLike, names: Mapping[str, str], image_key: str = "image") -> None:
        self.output_dir, self.names, self.image_key = Path(output_dir), dict(names), image_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the files and return the item unchanged."""
        stem = output_stem(data, self.image_key)
        self.output_dir.mkdir(parents=True, exist_ok=True)
        for key, name in self.names.items():
            if key in data:
                target = self.output_dir / f"{stem}_{name}"
                temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
                try:
                    temporary.write_text(data[key], "utf-8")
                    temporary.replace(target)
                finally:
                    temporary.unlink(missing_ok=True)
        return dict(data)

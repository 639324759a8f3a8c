"""Measures of the images of a study, kept on disk until the network changes."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_denoiseg.checks import check_option
from monai_denoiseg.files import write_json
from monai_denoiseg.label.acquisition import MEASURES, blind_spot_error, prediction_entropy
from monai_denoiseg.label.bundles import model_file, model_problem
from monai_denoiseg.label.predict import load_for
from monai_denoiseg.label.usable import named

logger = logging.getLogger(__name__)


def measure(bundle: str | Path, image: str | Path, measures: Sequence[str] = MEASURES, **settings: Any) -> dict[str, float]:
    """Measure one image with a bundle's network.

    Args:
        bundle: folder of the bundle.
        image: file.
        measures: which, of ``"uncertainty"`` (:func:`~monai_denoiseg.label.acquisition.prediction_entropy`) and
            ``"blind_spot"`` (:func:`~monai_denoiseg.label.acquisition.blind_spot_error`).
        settings: keys of ``inference.json`` to replace.

    Raises:
        FileNotFoundError: when the bundle is not trained yet.
        ValueError: for an unknown measure, one the network does not give, or an image that does not suit it.

    >>> measure("bundle", "a.tif", ["entropy"])
    Traceback (most recent call last):
        ...
    ValueError: `measure` must be one of 'uncertainty', 'blind_spot', got 'entropy'
    """
    for name in measures:
        check_option("measure", name, MEASURES)
    loaded = load_for(bundle, image, settings)
    found = {}
    if "uncertainty" in measures:
        found["uncertainty"] = prediction_entropy(loaded.probabilities())
    if "blind_spot" in measures:
        found["blind_spot"] = blind_spot_error(loaded.network, loaded.inferer, loaded.image, precision=loaded.precision)
    return found


class ScoreBook:
    """Measures of images with the network as it is; those of an older network do not count.

    Args:
        folder: where they are kept, a small file an image; it is made.
        bundle: folder of the bundle.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "models").mkdir()
    ...     _ = model_file(folder).write_bytes(b"a network")
    ...     book = ScoreBook(Path(folder, "scores"), folder)
    ...     book.keep("a.tif", {"uncertainty": 0.25})
    ...     book.known("a.tif"), book.known("b.tif")
    ({'uncertainty': 0.25}, {})
    """

    def __init__(self, folder: str | Path, bundle: str | Path) -> None:
        self.folder, self.bundle = Path(folder), Path(bundle)

    def _stamp(self) -> list[int]:
        stat = model_file(self.bundle).stat()
        return [stat.st_mtime_ns, stat.st_size]

    def _path(self, image: str | Path) -> Path:
        digest = hashlib.sha256(str(image).encode()).hexdigest()[:16]
        return self.folder / f"{digest}.json"

    def known(self, image: str | Path) -> dict[str, float]:
        """What is known of an image.

        Args:
            image: file.
        """
        try:
            kept = json.loads(self._path(image).read_text("utf-8"))
            return dict(kept["values"]) if kept["network"] == self._stamp() else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def keep(self, image: str | Path, values: dict[str, float]) -> None:
        """Add measures of an image.

        Args:
            image: file.
            values: by their names.
        """
        write_json({"image": str(image), "network": self._stamp(), "values": self.known(image) | values}, self._path(image))

    def get(self, image: str | Path, name: str, **settings: Any) -> float | None:
        """One measure of an image, taken now if it is not known; None (and a warning) where that fails.

        Args:
            image: file.
            name: of the measure, see :func:`measure`.
            settings: keys of ``inference.json`` to replace.

        Raises:
            FileNotFoundError: when the bundle is not trained yet.
        """
        known = self.known(image)
        if name not in known:
            stamp = self._stamp()
            try:
                known = measure(self.bundle, image, [name], **settings)
            except Exception as error:  # one damaged image must not stop the measuring of all others
                if model_problem(self.bundle):
                    raise
                logger.warning("no %s of %s", name, named(image, error))
                return None
            if self._stamp() == stamp:  # a training may have published another network meanwhile
                self.keep(image, known)
        return known[name]

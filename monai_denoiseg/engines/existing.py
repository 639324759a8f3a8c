"""Results that are there before an inference begins: replace, skip, or refuse to start."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_denoiseg.checks import check_option
from monai_denoiseg.data.save import output_stem, record_name
from monai_denoiseg.engines.depends import digest_of
from monai_denoiseg.files import describe_source, foreign_files, refusal, state_of
from monai_denoiseg.files.record import record_path

logger = logging.getLogger(__name__)

EXISTING = ("replace", "skip", "error")

Item = Mapping[str, Any]


class ExistingResults:
    """Decide what to do with images that have results, before any is predicted.

    * ``"replace"``: earlier results of the same image are replaced, each when the new ones are complete;
    * ``"skip"``: images whose results are complete and were made with the same network and settings are left alone, also where
      a user has corrected some of these files; all others are predicted;
    * ``"error"``: nothing is done if any image has results.

    Files that this package did not write, or that were changed since, are never overwritten: where one is in the way, nothing is
    predicted.

    Args:
        policy: one of these.
        writers: what writes results: each has ``output_dir``, ``targets(path, frame)`` and takes a ``digest``.
        depends: what a result depends on, see :func:`~monai_denoiseg.engines.depends.digest_of`.
        absent: keys of ``targets`` that this network never gives.

    Raises:
        ValueError: for an unknown policy.

    >>> from monai_denoiseg.data import SavePredictiond
    >>> existing = ExistingResults("skip", [SavePredictiond("no folder", {"pred": "instances"})], [])
    >>> existing.plan([{"image": "a.tif"}, {"image": "b.tif"}])
    set()
    """

    def __init__(self, policy: str, writers: Sequence[Any], depends: Sequence[Any], absent: Sequence[str] = ()) -> None:
        self.policy = check_option("existing", policy, EXISTING)
        self.writers, self.absent = list(writers), frozenset(absent)
        self._depends, self._digest = depends, ""

    def plan(self, items: Sequence[Item], writer_of: Callable[[Item], Any] | None = None) -> set[int]:
        """Look at what is there.

        Args:
            items: ``image``, perhaps ``frame``, and other inputs.
            writer_of: which of the writers an item goes to; None: the first.

        Returns:
            Indices of the items to leave alone.

        Raises:
            FileExistsError: when a file is in the way that may not be overwritten, or the policy is ``"error"`` and there are
                results.
        """
        if not self.writers:
            return set()
        self._digest = digest_of(*self._depends)
        skipped, edited, there, foreign = set(), [], [], []
        for index, item in enumerate(items):
            if not self._is_anything_there(item):
                continue
            writer = writer_of(item) if writer_of is not None else self.writers[0]
            targets, name, source = self._targets(writer, item), _record(item), describe_source(item["image"])
            state = state_of(writer.output_dir, name, self.digest(item), source, targets)
            if self.policy == "skip" and state in ("complete", "edited"):
                skipped.add(index)
                edited += [str(item["image"])] * (state == "edited")
                continue
            if found := [target for target in targets if os.path.lexists(target)]:
                there += found[:1]
            if in_the_way := foreign_files(writer.output_dir, name, targets, source):
                foreign.append((writer.output_dir, name, in_the_way, item["image"]))
        self._refuse(there, foreign, len(items))
        self._tell(len(skipped), len(items), edited)
        return skipped

    def digest(self, item: Item) -> str:
        """Digest of what the results of an item depend on, besides its image.

        Args:
            item: ``image``, and other inputs, such as scribbles.
        """
        others = {key: describe_source(value) for key, value in item.items() if key != "image" and isinstance(value, (str, Path))}
        return digest_of(self._digest, others)

    def begin(self, item: Item) -> None:
        """Tell the writers what the results of an item depend on.

        Args:
            item: the one that is predicted next.
        """
        for writer in self.writers:
            writer.digest = self.digest(item)

    def _targets(self, writer: Any, item: Item) -> list[Path]:
        return [path for key, path in writer.targets(item["image"], item.get("frame")).items() if key not in self.absent]

    def _is_anything_there(self, item: Item) -> bool:
        for writer in self.writers:
            known = record_path(writer.output_dir, _record(item)).exists()
            if known or any(os.path.lexists(target) for target in self._targets(writer, item)):
                return True
        return False

    def _refuse(self, there: list[Path], foreign: list[tuple[Any, str, list[Path], str]], total: int) -> None:
        if self.policy == "error" and there:
            raise FileExistsError(
                f"{len(there)} of {total} images have results, the first is {there[0]}, and `existing` is 'error': pass "
                "--existing skip to go on, --existing replace to predict them again, or another output_dir"
            )
        if foreign:
            folder, name, paths, source = foreign[0]
            others = [path for _, _, more, _ in foreign[1:] for path in more]
            raise refusal(folder, name, [*paths, *others], source)

    def _tell(self, skipped: int, total: int, edited: list[str]) -> None:
        if skipped:
            logger.info("%d of %d images have their results and are skipped", skipped, total)
        if edited:
            logger.warning("%d of them were changed since and stay as they are, the first is that of %s", len(edited), edited[0])


def _record(item: Item) -> str:
    return record_name(output_stem(item["image"], item.get("frame")))

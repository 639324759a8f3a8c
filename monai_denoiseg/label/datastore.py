"""The study as MONAI Label keeps it, which nobody writes or deletes outside of, whatever a request is called."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monai_denoiseg.label.api import ImageNotFoundException, LabelNotFoundException, LocalDatastore, settings
from monai_denoiseg.label.names import inside, plain_name
from monai_denoiseg.label.options import shown

logger = logging.getLogger(__name__)


class StudyDatastore(LocalDatastore):  # type: ignore[misc]
    """MONAI Label's folder of images and labels, with names that stay in it.

    Links in the folder that lead out of it are the owner's: they are read, and nothing is written or deleted through them.
    """

    @classmethod
    def of(cls, folder: str) -> StudyDatastore:
        """Open a folder as MONAI Label's settings say.

        Args:
            folder: of the images.
        """
        cls.lock = threading.RLock()
        return cls(
            folder,
            extensions=settings.MONAI_LABEL_DATASTORE_FILE_EXT,
            auto_reload=settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD,
            read_only=settings.MONAI_LABEL_DATASTORE_READ_ONLY,
        )

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Add an image; see MONAI Label."""
        own, ending = self._to_id(Path(image_filename).name)
        name = image_id or own
        self._check(name)
        self._check_target(Path(self._datastore.image_path()) / f"{name}{ending}")
        added: str = self._alone(lambda: super(StudyDatastore, self).add_image(image_id, image_filename, image_info))
        return added

    def remove_image(self, image_id: str) -> None:
        """Remove an image and its labels; see MONAI Label."""
        self._check(image_id)
        for uri in (self.get_image_uri(image_id), *self._label_uris(image_id)):
            self._check_target(uri)
        self._alone(lambda: super(StudyDatastore, self).remove_image(image_id))

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Save a label; see MONAI Label."""
        self.check_label(image_id, label_tag, self._to_id(Path(label_filename).name)[1])
        saved: str = self._alone(lambda: super(StudyDatastore, self).save_label(image_id, label_filename, label_tag, label_info))
        return saved

    def check_label(self, image_id: Any, label_tag: Any, ending: str = "") -> None:
        """Check whether a label may be saved.

        Args:
            image_id: its image.
            label_tag: its tag.
            ending: of its file.

        Raises:
            ImageNotFoundException: for a name that leaves the study.
        """
        self._check(image_id)
        self._check(label_tag)
        self._check_target(Path(self._datastore.label_path(label_tag)) / f"{image_id}{ending}")

    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Remove a label; see MONAI Label."""
        self._check(label_id)
        self._check(label_tag)
        uri = self.get_label_uri(label_id, label_tag)
        if not uri:
            raise LabelNotFoundException(f"no label {shown(label_id)} with the tag {shown(label_tag)}")
        self._check_target(uri)
        self._alone(lambda: super(StudyDatastore, self).remove_label(label_id, label_tag))

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        """What is kept of an image; see MONAI Label, which fails where a client stored something else as its strategies."""
        found: dict[str, Any] = super().get_image_info(image_id)
        if not isinstance(found.get("strategy", {}), Mapping):
            del found["strategy"]
        return found

    def refresh(self) -> None:
        """Look at the folder again; see MONAI Label."""
        self._alone(super().refresh)

    def _on_any_event(self, event: Any) -> None:
        """Called by the watcher of the folder, whose thread an error would end: no new file would be seen from then on."""
        try:
            self._alone(lambda: super(StudyDatastore, self)._on_any_event(event))
        except Exception:
            logger.warning("the study could not be read after %s", event, exc_info=True)

    def _alone(self, run: Callable[[], Any]) -> Any:
        """Run while no other thread changes the list of images."""
        with self.lock:
            return run()

    def _check(self, name: Any) -> None:
        if not plain_name(name):
            raise ImageNotFoundException(
                f"no image, label or tag {shown(name)} in the study: a name holds no folders or control characters"
            )

    def _check_target(self, path: str | Path) -> None:
        if path and not inside(path, self._datastore_path):
            text = f"{Path(path).name} is a link that leaves the study; nothing is written or deleted through it"
            raise ImageNotFoundException(text)

    def _label_uris(self, image_id: str) -> list[str]:
        return [self.get_label_uri(image_id, tag) for tag in self.get_labels_by_image_id(image_id)]

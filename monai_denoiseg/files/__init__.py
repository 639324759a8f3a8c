"""Everything that is written to disk: whole or not at all, and never over what belongs to somebody else."""

from monai_denoiseg.files.atomic import save_atomically, set_aside
from monai_denoiseg.files.lock import FolderLock

__all__ = ["FolderLock", "save_atomically", "set_aside"]

"""Everything that is written to disk: whole or not at all, and never over what belongs to somebody else."""

from monai_denoiseg.files.atomic import new_folder, set_aside, writing
from monai_denoiseg.files.errors import WriteError, explained, free_space, readable_size
from monai_denoiseg.files.fingerprint import describe_source
from monai_denoiseg.files.growing import open_appending, open_updating
from monai_denoiseg.files.kinds import (
    copy_file,
    copy_folder,
    move_file,
    save_atomically,
    write_bytes,
    write_csv,
    write_json,
    write_npz,
    write_text,
)
from monai_denoiseg.files.lock import FolderLock
from monai_denoiseg.files.owned_folder import OwnedFolder
from monai_denoiseg.files.parts import remove, target_of
from monai_denoiseg.files.record import foreign_files, refusal, result_names, state_of
from monai_denoiseg.files.result_set import ResultSet, replace_by

__all__ = [
    "FolderLock",
    "OwnedFolder",
    "ResultSet",
    "WriteError",
    "copy_file",
    "copy_folder",
    "describe_source",
    "explained",
    "foreign_files",
    "free_space",
    "move_file",
    "new_folder",
    "open_appending",
    "open_updating",
    "readable_size",
    "refusal",
    "remove",
    "replace_by",
    "result_names",
    "save_atomically",
    "set_aside",
    "state_of",
    "target_of",
    "write_bytes",
    "write_csv",
    "write_json",
    "write_npz",
    "write_text",
    "writing",
]

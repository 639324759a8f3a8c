"""What a client sends along with a request: fields, files and options, read as MONAI Label would and checked before it does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from monai_denoiseg.files import write_bytes
from monai_denoiseg.label.addresses import RefusedError, check_image
from monai_denoiseg.label.archives import ENDINGS, check_archive
from monai_denoiseg.label.names import IMAGES, plain_name, upload_name
from monai_denoiseg.label.options import shown
from monai_denoiseg.label.strict_json import strict_json

JSON_FIELDS = ("params", "info", "wsi")
"""Fields of a form that hold JSON."""

READ = (*IMAGES, ".npy")
UPLOADS = {"/infer/": (*READ, ".bin"), "/session/": (*READ, ".dcm", *ENDINGS), "/model/": (".pt", ".pth", ".ts")}
"""Endings of files by the beginning of the address; elsewhere those of a study."""

FALSE = ("0", "off", "f", "false", "n", "no")

TASKS = {"/train/": "train", "/scoring/": "scoring", "/batch/infer/": "batch_infer"}
"""Addresses that start a task in a process of its own."""

CheckTask = Callable[[str, dict[str, Any]], None]
CheckModel = Callable[[str, str], str]


def read_json(data: bytes | str, what: str) -> Any:
    """Read JSON a client sent.

    Args:
        data: the text.
        what: its name, for the message.

    Raises:
        RefusedError: when it is none.
    """
    try:
        return strict_json(data)
    except ValueError as error:
        raise RefusedError(400, f"{what} must be a JSON object: {error}") from error


def check_options(path: str, value: Any, study: str) -> None:
    """Check the options of a request where they name images, labels or tags.

    Args:
        path: of the address.
        value: the options, read from JSON.
        study: folder of the images.

    Raises:
        RefusedError: for a name that leaves the study.

    >>> check_options("/infer/denoiseg_2d", {"label_tag": "final", "tta": False}, "study")
    >>> check_options("/infer/denoiseg_2d", {"image": "/etc/passwd"}, "study")
    Traceback (most recent call last):
        ...
    monai_denoiseg.label.addresses.RefusedError: no image '/etc/passwd' in the study
    """
    if path.startswith("/datastore") or path.startswith("/session"):
        return  # kept as it is, and never taken for a name
    level = [value]
    while level:
        item = level.pop()
        if isinstance(item, dict):
            for key, entry in item.items():
                _check_option(key, entry, study)
            level += item.values()
        elif isinstance(item, list):
            level += item


def _check_option(key: str, value: Any, study: str) -> None:
    if key == "image":
        check_image(value, study)
    elif key == "images" and isinstance(value, list):
        for image in value:
            check_image(image, study)
    elif key in ("label_tag", "tag", "session_id") and isinstance(value, str) and value and not plain_name(value):
        raise RefusedError(404, f"no {key} {shown(value)} in the study")
    elif key in ("label", "file") and isinstance(value, str):
        raise RefusedError(400, f"`{key}` must be sent as a file")
    elif key == "session" and value is not None:
        raise RefusedError(400, "a session is named by the parameter `session_id` of the address")


def check_task(path: str, options: Any, check: CheckTask, models: Iterable[str] = ()) -> None:
    """Check a task before it is submitted.

    Args:
        path: of the address.
        options: the body; None where there is none.
        check: what checks the options for a task.
        models: all that are started where the address names none.

    Raises:
        RefusedError: when the options are no object; and what ``check`` raises.
    """
    for beginning, method in TASKS.items():
        if path == beginning or path.startswith(beginning):
            if options is not None and not isinstance(options, dict):
                raise RefusedError(400, "the options must be a JSON object")
            given, key = options or {}, "method" if method == "scoring" else "model"
            named = path[len(beginning) :].strip("/")
            for model in [named] if named else models:
                own = given.get(model)
                try:
                    check(method, {key: model} | (own if not named and isinstance(own, dict) else {}) | given)
                except ValueError as error:
                    raise RefusedError(400, str(error)) from error


def check_form(
    path: str, items: Iterable[tuple[str, Any]], uncompress: bool, study: str, largest: int, check_model: CheckModel
) -> None:
    """Check a form.

    Args:
        path: of the address.
        items: names and values; files have a ``filename`` and a ``file``.
        uncompress: whether files are archives to be unpacked.
        study: folder of the images.
        largest: bytes an archive may unpack to.
        check_model: says what is wrong with a network's file for a model.

    Raises:
        RefusedError: for a file, a field or an option that is refused.
    """
    for key, value in items:
        if hasattr(value, "filename"):
            _check_file(path, value, uncompress, largest, check_model)
        elif key in JSON_FIELDS and value:
            options = read_json(value, f"`{key}`")
            if not isinstance(options, dict):
                raise RefusedError(400, f"`{key}` must be a JSON object, got {shown(options)}")
            check_options(path, options, study)


def _check_file(path: str, upload: Any, uncompress: bool, largest: int, check_model: CheckModel) -> None:
    endings = next((endings for beginning, endings in UPLOADS.items() if path.startswith(beginning)), IMAGES)
    if not upload.filename:
        return
    if not upload_name(upload.filename, endings):
        raise RefusedError(400, f"a file {shown(upload.filename)} is not taken; its name must end in {', '.join(endings)}")
    try:
        if uncompress and path.startswith("/session"):
            check_archive(upload.file, upload.filename, largest)
    except ValueError as error:
        raise RefusedError(400, str(error)) from error
    if path.startswith("/model/"):
        _check_model(path.removeprefix("/model/").strip("/"), upload, check_model)


def _check_model(model: str, upload: Any, check_model: CheckModel) -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.pt"
        write_bytes(upload.file.read(), copy)
        upload.file.seek(0)
        problem = check_model(model, str(copy))
    if problem:
        raise RefusedError(400, problem.replace(str(copy), upload.filename))


def truthy(values: Iterable[str]) -> bool:
    """Whether a switch of an address is on, as the server reads it; what it cannot read counts as on.

    Args:
        values: all that were sent.

    >>> truthy([]), truthy(["false"]), truthy(["false", "Yes"])
    (False, False, True)
    """
    return any(value.strip().lower() not in FALSE for value in values)

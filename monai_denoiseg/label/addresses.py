"""Which addresses of MONAI Label are open, and what may stand in them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable

from monai_denoiseg.label.names import inside, plain_name
from monai_denoiseg.label.options import shown

NAMES = ("image", "id", "label", "tag", "session_id")
"""Parameters of an address that name something in the study, or a session."""

WHOLE_NUMBERS = ("lines", "limit_cases", "expiry", "refresh")

CHECKSUM = re.compile(r"((MD5|SHA256|SHA512):)?[0-9a-fA-F]{1,200}", re.IGNORECASE)

CLOSED = {
    "/proxy": "it passes requests on to other servers",
    "/reload": "start the server again in its place",
}
"""Addresses that are not served, and why."""


class RefusedError(Exception):
    """A request that is not passed on.

    Args:
        status: of the answer.
        detail: what is wrong.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def check_path(path: str) -> None:
    """Check the path of an address.

    Args:
        path: decoded once, as a server gets it.

    Raises:
        RefusedError: for an address that is closed, or a part that is no plain name.

    >>> check_path("/infer/denoiseg_2d")
    >>> check_path("/session/..")
    Traceback (most recent call last):
        ...
    monai_denoiseg.label.addresses.RefusedError: no address '/session/..': '..' is no name
    """
    for closed, reason in CLOSED.items():
        if path == closed or path.startswith(f"{closed}/"):
            raise RefusedError(404, f"{closed} is not served: {reason}")
    if path.rstrip("/") == "/logs/gpu" and shutil.which("nvidia-smi") is None:
        raise RefusedError(404, "this machine has no nvidia-smi to ask")
    for part in path.strip("/").split("/") if path.strip("/") else []:
        if not plain_name(part):
            raise RefusedError(404, f"no address {shown(path)}: {shown(part)} is no name")


def check_query(path: str, items: Iterable[tuple[str, str]], study: str) -> None:
    """Check the parameters of an address.

    Args:
        path: of the address.
        items: names and values, decoded once; a name may come several times.
        study: folder of the images.

    Raises:
        RefusedError: for a name that leaves the study, or a number or a checksum that is none.

    >>> check_query("/datastore/image", [("image", "case1")], "study")
    >>> check_query("/datastore/image", [("image", "../x")], "study")
    Traceback (most recent call last):
        ...
    monai_denoiseg.label.addresses.RefusedError: no image '../x' in the study
    """
    for key, value in items:
        if key == "image" and path.startswith("/infer/"):
            check_image(value, study)
        elif key in NAMES and value and not plain_name(value):
            what = "image" if key == "id" else key.removesuffix("_id")
            raise RefusedError(404, f"no {what} {shown(value)} in the study")
        elif key in WHOLE_NUMBERS and not re.fullmatch(r"-?\d{1,9}", value):
            raise RefusedError(400, f"`{key}` must be a whole number, got {shown(value)}")
        elif key == "check_sum" and not CHECKSUM.fullmatch(value):
            raise RefusedError(400, f"`check_sum` must be SHA256:HEX or MD5:HEX, got {shown(value)}")


def check_image(value: object, study: str) -> None:
    """Check the image of a request to predict: its name, or the path of a file in the study.

    Args:
        value: what the client sent; anything but text is left to the app.
        study: folder of the images.

    Raises:
        RefusedError: when it lies elsewhere.

    >>> check_image("case1", "study")
    >>> check_image("/etc/passwd", "study")
    Traceback (most recent call last):
        ...
    monai_denoiseg.label.addresses.RefusedError: no image '/etc/passwd' in the study
    """
    if not isinstance(value, str) or not value or plain_name(value):
        return
    path = value.startswith("/") or (len(value) > 2 and value[1] == ":")
    if not path or ".." in value or "\0" in value or not inside(value, study):
        raise RefusedError(404, f"no image {shown(value)} in the study")

"""Forms, files and archives for requests, and what must stay as it is whatever is asked."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from urllib.parse import quote

import numpy as np
import tifffile

MARK = b"--5f3b\r\n"


def form(fields: dict[str, str | bytes], files: dict[str, tuple[str, bytes]] | None = None) -> tuple[dict[str, str], bytes]:
    """Headers and body of a form."""
    data = b""
    for name, value in fields.items():
        text = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        data += MARK + f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + text + b"\r\n"
    for name, (filename, content) in (files or {}).items():
        known = filename.encode("utf-8", "surrogatepass").replace(b'"', b"%22")
        data += MARK + b'Content-Disposition: form-data; name="' + name.encode() + b'"; filename="' + known + b'"\r\n\r\n'
        data += content + b"\r\n"
    return {"Content-Type": "multipart/form-data; boundary=5f3b"}, data + b"--5f3b--\r\n"


def query(**values: str) -> str:
    return "&".join(f"{key}={quote(value.encode('utf-8', 'surrogatepass'), safe='')}" for key, value in values.items())


def picture() -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.arange(64, dtype=np.uint16).reshape(8, 8))
    return stream.getvalue()


def archive(name: str, link: bool = False) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        if link:
            member.type, member.linkname = tarfile.SYMTYPE, "/etc"
            tar.addfile(member)
        else:
            member.size = 5
            tar.addfile(member, io.BytesIO(b"owned"))
    return stream.getvalue()


def zipped(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as found:
        found.writestr(name, b"owned")
    return stream.getvalue()


def plant(root: Path) -> dict[str, bytes]:
    """Markers outside the study that must stay: files, an image, what looks like a session."""
    outside = root / "outside"
    outside.mkdir()
    (root / "marker").write_bytes(b"marker")
    (root / "marker.tif").write_bytes(picture())
    (outside / "private.tif").write_bytes(picture())
    (outside / "meta.info").write_text(
        json.dumps({"name": "x", "path": str(outside), "image": str(root / "marker"), "expiry": 1})
    )
    return state(root)


def state(root: Path) -> dict[str, bytes]:
    """Content of all files outside the study and of what of the app must not change, by name."""
    skipped = ("study", "sessions", "logs", "scores", "training", "tmp", "__pycache__", "bin", "lib")
    files = [path for path in root.rglob("*") if path.is_file() and not set(path.relative_to(root).parts[:-1]) & set(skipped)]
    return {str(path.relative_to(root)): path.read_bytes() for path in files if path.suffix != ".log"}

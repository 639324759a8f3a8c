"""Bad requests by the thousand, each from a seed; and what must hold whatever is asked."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import tifffile

TREE = ("../marker", "..", "/etc/passwd", "../../app/main", "a/../../marker", "..\\marker", "C:\\marker", "\0", "a\0b", "a\nb")
DEEP = ("%2e%2e%2fmarker", "..%2fmarker", "%252e%252e%252fmarker", "....//marker", "A" * 300, "A" * 9000, "\ud800x", "\u202e/..")
VALUES: tuple[Any, ...] = (-1, 1.5, "abc", [], {}, [1], "1e999", 10**18, True, "nan", "-inf", "\0", "A" * 500)
RAW = ("NaN", "Infinity", "1e999", "-1e999", "1" * 5000, '"\\ud800"', "[" * 40 + "]" * 40, "[" * 100000, "{", "tru", "")
INFER = ("tta", "threshold", "min_size", "device", "result_dtype", "result_extension", "image", "model", "label", "session")
WSI = ("location", "size", "min_poly_area", "level", "params")
TRAIN = ("max_epochs", "steps_per_epoch", "batch_size", "learning_rate", "val_interval", "seed", "val_split", "max_seconds")
SELF2SEG = ("experts", "lam", "start", "time_budget", "min_size")
MARK = b"--5f3b\r\n"


class Sent(NamedTuple):
    """A request: what of, method, address, headers, body."""

    kind: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


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


class Requests:
    """Bad requests.

    Args:
        seed: of the draws.
        root: a folder outside the study, in which markers are planted.
    """

    def __init__(self, seed: int, root: Path) -> None:
        self.random, self.root = random.Random(seed), root
        self.names = [
            *TREE,
            *DEEP,
            str(root / "marker"),
            str(root / "marker.tif"),
            str(root / "outside"),
            f"../{root.name}/marker",
        ]

    def draw(self, count: int) -> Iterator[Sent]:
        """So many, of all kinds in turn."""
        kinds = [self.names_in_addresses, self.names_in_options, self.wrong_types, self.trainings, self.bodies, self.uploads]
        kinds += [self.archives, self.callers, self.paths, self.mutations]
        for number in range(count):
            yield kinds[number % len(kinds)]()

    def names_in_addresses(self) -> Sent:
        name, pick = self.random.choice(self.names), self.random.choice
        files = form({"params": "{}"}, {"file": ("a.tif", picture()), "label": ("a.tif", picture())})
        method, target = pick(
            [
                ("PUT", "/datastore/image?" + query(image=name)),
                ("PUT", "/datastore/?" + query(image=name)),
                ("DELETE", "/datastore/image?" + query(id=name)),
                ("GET", "/datastore/image?" + query(image=name)),
                ("HEAD", "/datastore/image?" + query(image=name, check_sum=pick(["x:1", "MD5:abc", name]))),
                ("GET", "/datastore/image/info?" + query(image=name)),
                ("PUT", "/datastore/label?" + query(image=name)),
                ("PUT", "/datastore/label?" + query(image="plane1", tag=name)),
                ("DELETE", "/datastore/label?" + query(id=name, tag="final")),
                ("DELETE", "/datastore/label?" + query(id="plane1", tag=name)),
                ("GET", "/datastore/label?" + query(label=pick([name, "plane1"]), tag=name)),
                ("POST", "/infer/denoiseg_2d?" + query(image=name, output="image")),
                ("POST", "/infer/denoiseg_2d?" + query(session_id=name)),
                ("POST", "/infer/wsi_v2/denoiseg_2d?" + query(image=name)),
                ("GET", "/session/" + quote(name.encode("utf-8", "surrogatepass"), safe=pick(["", "/"]))),
                ("DELETE", "/session/" + quote(name.encode("utf-8", "surrogatepass"), safe=pick(["", "/"]))),
                ("GET", "/model/" + quote(name.encode("utf-8", "surrogatepass"))),
                ("PUT", "/model/" + quote(name.encode("utf-8", "surrogatepass"))),
                ("GET", "/logs/?" + query(lines=pick([name, "9" * 30, "-5"]))),
                ("GET", "/datastore/dataset?" + query(limit_cases=name)),
                ("POST", "/activelearning/" + quote(name.encode("utf-8", "surrogatepass"))),
            ]
        )
        headers, body = ({}, b"") if method in ("GET", "HEAD", "DELETE") else files
        return Sent("name in address", method, target, headers, body)

    def names_in_options(self) -> Sent:
        name, model = self.random.choice(self.names), "/infer/denoiseg_2d"
        options = self.random.choice(
            [
                {"image": name},
                {"label": name},
                {"label_tag": name, "save_label": True, "device": "cpu", "tta": False},
                {"session": {"image": name}},
                {"model": name},
                {"result_extension": name},
                {"params": {"image": name}},
            ]
        )
        if self.random.random() < 0.3:
            target = self.random.choice(["/infer/wsi/denoiseg_2d?image=plane4", "/batch/infer/denoiseg_2d?run_sync=true"])
            body = {"images": [name], "params": options} if "batch" in target else {"params": {"image": name}}
            return self._json("name in options", "POST", target, body)
        headers, body = form({"params": json.dumps(options)})
        return Sent("name in options", "POST", f"{model}?image=plane4&output=json", headers, body)

    def wrong_types(self) -> Sent:
        value, pick = self.random.choice(VALUES), self.random.choice
        if self.random.random() < 0.25:
            return self._json("wrong type", "POST", "/infer/wsi/denoiseg_2d?image=plane4&output=asap", {pick(WSI): value})
        if self.random.random() < 0.2:
            headers, body = form({"wsi": json.dumps({"params": {pick(WSI): value}})})
            return Sent("wrong type", "POST", "/infer/wsi_v2/denoiseg_2d?image=plane4&output=dsa", headers, body)
        if self.random.random() < 0.2:
            strategy = {"strategy": value, "model": value, "label_tag": value, "labels": value}
            body = {pick(list(strategy)): value}
            return self._json("wrong type", "POST", f"/activelearning/{pick(['random', 'uncertainty'])}", body)
        if self.random.random() < 0.2:
            headers, body = form({"info": json.dumps({"strategy": value})})
            return Sent("wrong type", "PUT", "/datastore/image/info?image=plane5", headers, body)
        task = pick(["denoiseg_2d", "self2seg_2d", "self2seg_scribbles_2d"])
        key = pick(INFER if task == "denoiseg_2d" else SELF2SEG)
        options = {"device": "cpu", "tta": False, "experts": "constant", "time_budget": 1, key: value}
        headers, body = form({"params": json.dumps({**options, "label_info": value} if pick([True, False]) else options)})
        return Sent(
            "wrong type", "POST", f"/infer/{task}?image=plane4&output={pick(['json', 'image', 'all', 'x'])}", headers, body
        )

    def trainings(self) -> Sent:
        pick = self.random.choice
        value = pick([value for value in VALUES if value is not True])
        options = pick(
            [
                {pick(TRAIN): pick([-1, "abc", [], {}, [1], "1e999", "nan", "\0"])},
                {"max_epochs": 1.5},
                {"steps_per_epoch": 1e300},
                {"max_epochs": 1, "device": pick([1, {}, "cuda:99x", "meta", "\0"])},
                {"max_epochs": 1, "pretrained": pick([2, [], "perhaps", {}])},
                {"max_epochs": 1, "gpus": pick([5, [], {}, "a", "0;1"])},
                {"max_epochs": 1, "bundle_path": str(self.root)},
                {"max_epochs": 1, "note": "A" * 200_000},
                {"max_epochs": 1, "model": pick([[], {}, 5, self.random.choice(self.names)])},
                value if not isinstance(value, dict) else [],
            ]
        )
        target = pick(["/train/denoiseg_2d", "/train/denoiseg_2d?run_sync=true", "/train/denoiseg_2d?enqueue=true"])
        return self._json("training", "POST", target, options)

    def bodies(self) -> Sent:
        pick = self.random.choice
        raw = pick([*RAW, b"\xff\xfe{", b"\x00", b"{}" * 9, json.dumps({"a": "A" * (9 << 20)})])
        data = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass")
        if pick([True, False]):
            target = pick(["/train/denoiseg_2d", "/activelearning/random", "/infer/wsi/denoiseg_2d?image=plane4"])
            wrapped = data if pick([True, False]) or target.startswith("/activelearning") else b'{"max_epochs": ' + data + b"}"
            if target.startswith("/train") and not wrapped:
                wrapped = b"{"
            return Sent("body", "POST", target, {"Content-Type": pick(["application/json", "text/plain"])}, wrapped)
        field = pick(["params", "info", "wsi"])
        target = {"info": "/datastore/image/info?image=plane5", "wsi": "/infer/wsi_v2/denoiseg_2d?image=plane4"}.get(field)
        headers, body = form({field: data}, {"label": ("l.tif", picture())})
        target = target or pick(["/infer/denoiseg_2d?image=nowhere", "/datastore/label?image=nowhere"])
        return Sent(
            "body", "POST" if "/infer" in target else "PUT", target, headers, body[: pick([len(body), len(body) // 2, 40])]
        )

    def uploads(self) -> Sent:
        pick = self.random.choice
        name = pick(
            [
                "x.py",
                "x.tif.py",
                "../x.tif",
                "x",
                "main.py",
                "datastore_v2.json",
                "x" * 300 + ".tif",
                ".lock",
                "x.tif\0.py",
                "/x.tif",
            ]
        )
        damaged = [b"", b"hello", picture()[:50], gzip.compress(b"hello"), gzip.compress(b"a" * 400)[:20], b"\x93NUMPY\x01\x00"]
        good_name = pick(["d.tif", "d.nii.gz", "d.png", "d.npy", "d.nii", "d.jpg"])
        method, target, field = pick(
            [
                ("PUT", "/datastore/image?image=fuzz", "file"),
                ("PUT", "/datastore/image", "file"),
                ("PUT", "/datastore/label?image=plane6", "label"),
                ("POST", "/infer/denoiseg_2d", "file"),
                ("POST", "/infer/self2seg_2d", "file"),
                ("POST", "/infer/self2seg_scribbles_2d?image=plane4", "label"),
                ("PUT", "/session/", "files"),
                ("PUT", "/model/denoiseg_2d", "file"),
                ("PUT", "/model/self2seg_2d", "file"),
            ]
        )
        file = (name, picture()) if pick([True, False]) else (good_name, pick(damaged))
        headers, body = form({"params": json.dumps({"device": "cpu", "experts": "constant", "tta": False})}, {field: file})
        return Sent("upload", method, target, headers, body)

    def archives(self) -> Sent:
        pick, member = self.random.choice, self.random.choice(["../owned", "/tmp/owned", "a/../../owned", "..\\owned", "a.tif"])
        name, content = pick(
            [
                ("a.tar.gz", archive(member)),
                ("a.tgz", archive("link", link=True)),
                ("a.zip", zipped(member)),
                ("a.zip", archive(member)),
                ("a.tar", b"hello"),
                ("a.tar.gz", archive(member)[:-20]),
                ("a.7z", b"7z"),
            ]
        )
        headers, body = form({}, {"files": (name, content)})
        return Sent("archive", "PUT", f"/session/?uncompress={pick(['true', '1', 'yes', 'on', 'TRUE'])}", headers, body)

    def callers(self) -> Sent:
        pick = self.random.choice
        headers = pick(
            [
                {"Origin": "http://evil.example"},
                {"Origin": "null"},
                {"Host": "evil.example"},
                {"Authorization": "Bearer wrong"},
                {"Authorization": ""},
                {"Authorization": "Basic YTpi"},
            ]
        )
        target = pick(
            ["/info/", "/datastore/?output=all", "/train/denoiseg_2d", "/datastore/image?image=plane1", "/auth/token/valid"]
        )
        method = pick(["GET", "OPTIONS"]) if not target.startswith("/train") else "POST"
        return Sent("caller", method, target, {**headers, "Content-Type": "application/json"}, b"{}" if method == "POST" else b"")

    def paths(self) -> Sent:
        pick = self.random.choice
        part = pick([*TREE, *DEEP])
        beginnings = ["/", "/infer/", "/static/", "/ohif/", "/proxy/dicom/", "/logs/", "/datastore/", "/reload/", "/docs/"]
        target = pick(beginnings) + quote(part.encode("utf-8", "surrogatepass"), safe=pick(["", "/", "/%"]))
        closed = ["/reload", "/proxy/dicom/wado/x", "/logs/gpu", "/auth/token", "//", "/%", "/infer/wsi/", "/batch/infer"]
        method = pick(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
        return Sent("path", method, pick([target, target, pick(closed)]), {}, b"")

    def mutations(self) -> Sent:
        """A good request with some of its bytes changed, left out or doubled."""
        headers, body = form(
            {"params": json.dumps({"device": "cpu", "tta": False, "min_size": 3})}, {"file": ("a.tif", picture())}
        )
        data = bytearray(body)
        for _ in range(self.random.randint(1, 8)):
            place = self.random.randrange(len(data))
            change = self.random.randrange(3)
            if change == 0:
                data[place] = self.random.randrange(256)
            elif change == 1:
                del data[place : place + self.random.randint(1, 30)]
            else:
                data[place:place] = data[place : place + self.random.randint(1, 30)]
        return Sent("mutation", "POST", "/infer/denoiseg_2d?output=json", headers, bytes(data))

    @staticmethod
    def _json(kind: str, method: str, target: str, value: Any) -> Sent:
        return Sent(kind, method, target, {"Content-Type": "application/json"}, json.dumps(value).encode())


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

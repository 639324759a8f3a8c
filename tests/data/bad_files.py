"""Files of every format, whole and damaged in every way: truncated, with headers that lie, of another type than their name."""

from __future__ import annotations

import io
import pickle
import random
import re
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
import tifffile
import zarr
from PIL import Image

LIES = (0, 1, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


class Bad(NamedTuple):
    """A damaged file; ``whole`` is what it held before, None where the damage may change what it rightly holds."""

    path: Path
    kind: str
    whole: np.ndarray | None


def values(shape: tuple[int, ...], kind: str = "uint16") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 250, shape).astype(kind)


def good_files(folder: Path) -> dict[str, np.ndarray]:
    """Write one whole file of each kind; return their values in (Z)YX order by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    plane, stack, byte = values((24, 20)), values((5, 24, 20)), values((24, 20), "uint8")
    made: dict[str, np.ndarray] = {}

    def tiff(name: str, array: np.ndarray, **options: object) -> None:
        tifffile.imwrite(folder / name, array, photometric="minisblack", **options)  # type: ignore[arg-type]
        made[name] = array

    tiff("plain.tif", plane)
    tiff("strips.tif", plane, rowsperstrip=5)
    tiff("big.tif", stack, bigtiff=True, metadata={"axes": "ZYX"})
    tiff("endian.tif", stack, byteorder=">", metadata={"axes": "ZYX"})
    tiff("zlib.tif", stack, compression="zlib", predictor=True, metadata={"axes": "ZYX"})
    tiff("tiles.tif", plane, tile=(16, 16), compression="zlib")
    tiff("float.tif", plane.astype("float32"))
    tiff("ome.ome.tif", stack, ome=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "imagej.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "imagejz.tif", stack, imagej=True, metadata={"axes": "ZYX"}, compression="zlib")
    made |= {"imagej.tif": stack, "imagejz.tif": stack}
    with tifffile.TiffWriter(folder / "pages.tif") as writer:
        for page in stack:
            writer.write(page, contiguous=False, metadata=None)
    made["pages.tif"] = stack
    images = [Image.fromarray(page.astype("uint8")) for page in stack]
    images[0].save(folder / "lzw.tif", compression="tiff_lzw", save_all=True, append_images=images[1:])
    made["lzw.tif"] = stack.astype("uint8")
    for name in ("grey.png", "grey.bmp", "grey.jpg"):
        Image.fromarray(byte).save(folder / name)
        made[name] = np.array(Image.open(folder / name))
    Image.fromarray(plane).save(folder / "deep.png")
    (folder / "colour.png").write_bytes(png16(values((24, 20, 3))))
    made |= {"deep.png": plane, "colour.png": values((24, 20, 3)).transpose(2, 0, 1)}
    for name in ("volume.nii", "volume.nii.gz"):
        nibabel.save(nibabel.Nifti1Image(stack.T.astype("int16"), np.eye(4)), folder / name)
        made[name] = stack.astype("int16")
    np.save(folder / "array.npy", stack)
    made["array.npy"] = stack
    return made


def png16(array: np.ndarray) -> bytes:
    """A PNG of 16-bit colours, which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def damaged(folder: Path) -> Iterator[Bad]:
    """Make all damaged files, each in a folder of its own, and yield them one by one."""
    whole = good_files(folder / "good")
    for name, array in whole.items():
        data = (folder / "good" / name).read_bytes()
        yield from _truncated(folder, name, data, array)
        yield from _lying(folder, name, data)
        yield from _of_other_type(folder, name, data, whole)
    yield from _odd_arrays(folder)
    yield from _bad_zarr(folder)


def _put(folder: Path, kind: str, name: str, data: bytes) -> Path:
    path = folder / kind / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _truncated(folder: Path, name: str, data: bytes, array: np.ndarray) -> Iterator[Bad]:
    n = len(data)
    places = {0, 1, 3, 4, 7, 8, 9, 16, 100, 200, 348, 352, n // 4, n // 2, n * 3 // 4, n * 9 // 10, n - 9, n - 8, n - 2, n - 1}
    for place in sorted(place for place in places if 0 <= place < n):
        kind = f"cut{place}"
        yield Bad(_put(folder, kind, name, data[:place]), kind, array)


def _lying(folder: Path, name: str, data: bytes, count: int = 20) -> Iterator[Bad]:
    """Overwrite numbers of the header: those of TIFF tags one by one, else anywhere at the beginning."""
    chance = random.Random(name)
    places = _tag_places(data) if name.endswith(".tif") else list(range(4, min(len(data) - 4, 352)))
    for i in range(count):
        place, lie, width = chance.choice(places), chance.choice(LIES), chance.choice((1, 2, 4))
        changed = bytearray(data)
        changed[place : place + width] = (lie & (1 << 8 * width) - 1).to_bytes(width, chance.choice(("little", "big")))
        kind = f"lie{i}"
        yield Bad(_put(folder, kind, name, bytes(changed)), kind, None)


def _tag_places(data: bytes) -> list[int]:
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        tags = [tag for page in tif.pages for tag in page.tags]
        return [place for tag in tags for place in (tag.offset, tag.offset + 2, tag.offset + 4, tag.offset + 8)] + [4, 8, 12]


def _of_other_type(folder: Path, name: str, data: bytes, whole: dict[str, np.ndarray]) -> Iterator[Bad]:
    endings = sorted({re.sub(r"^[^.]*", "", other) for other in whole})
    for ending in endings:
        if not name.endswith(ending):
            yield Bad(_put(folder, "other" + name.replace(".", "_"), f"file{ending}", data), "other type", None)


def _odd_arrays(folder: Path) -> Iterator[Bad]:
    odd = {
        "text": np.array([["a", "b"]]),
        "complex": np.zeros((4, 4), complex),
        "number": np.array(3),
        "line": np.zeros(5),
        "empty": np.zeros((0, 4)),
        "fields": np.zeros((4, 4), [("a", "u1")]),
        "date": np.zeros((4, 4), "M8[s]"),
        "many": np.zeros((2,) * 9),
    }
    for kind, array in odd.items():
        buffer = io.BytesIO()
        np.save(buffer, array)
        yield Bad(_put(folder, f"odd_{kind}", "odd.npy", buffer.getvalue()), kind, None)
    buffer = io.BytesIO()
    np.save(buffer, np.array([[{}]], object))
    yield Bad(_put(folder, "odd_objects", "odd.npy", buffer.getvalue()), "objects", None)
    yield Bad(_put(folder, "odd_pickle", "odd.npy", pickle.dumps([1, 2])), "pickle", None)


def _bad_zarr(folder: Path) -> Iterator[Bad]:
    """Zarr of both formats: metadata cut off or wrong, chunks cut off, overwritten or of another size."""
    for form in (2, 3):
        good = folder / "good" / f"z{form}.zarr"
        group = zarr.open_group(str(good), mode="w", zarr_format=form)
        group.create_array("0", data=values((5, 24, 20)), chunks=(2, 12, 20))
        axes = [{"name": name, "type": "space"} for name in "zyx"]
        multiscales = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}]
        group.attrs.update({"multiscales": multiscales} if form == 2 else {"ome": {"version": "0.5", "multiscales": multiscales}})
        files = sorted(path.relative_to(good) for path in good.rglob("*") if path.is_file())
        for number, file in enumerate(files):
            data = (good / file).read_bytes()
            changes = {"cut": data[: len(data) // 2], "empty": b"", "noise": bytes(range(256)), "list": b"[1]", "none": b"{}"}
            for kind, changed in changes.items():
                target = folder / f"zarr{form}_{number}_{kind}" / "bad.zarr"
                shutil.copytree(good, target)
                (target / file).write_bytes(changed)
                yield Bad(target, kind, None)

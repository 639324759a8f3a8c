"""NRRD and MetaImage: what is read is what stands in the file, what is written lies in its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from monai_denoiseg.data import FileReader, LoadItemd, SavePredictiond, folder_datalist, image_layout
from monai_denoiseg.data.itk_files import write_itk

sitk = pytest.importorskip("SimpleITK")

C, S = np.cos(0.3), np.sin(0.3)
TURN = np.array([[C, -S, 0], [S, C, 0], [0, 0, 1]])
VALUES = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


def write_nrrd(path: Path, space: str) -> None:
    """By hand: the numbers of the header are those of the affine."""
    steps = (TURN * (0.5, 2.0, 3.0)).T
    lines = [
        "NRRD0005",
        "type: short",
        "dimension: 3",
        f"space: {space}",
        "sizes: 5 4 3",
        "space directions: " + " ".join(f"({','.join(map(repr, map(float, step)))})" for step in steps),
        "kinds: domain domain domain",
        "endian: little",
        "encoding: raw",
        "space origin: (7,-8,9)",
    ]
    path.write_bytes("\n".join([*lines, "", ""]).encode() + VALUES.tobytes())


def write_mha(path: Path) -> None:
    lines = ["ObjectType = Image", "NDims = 3", "BinaryData = True", "BinaryDataByteOrderMSB = False", "CompressedData = False"]
    lines += ["TransformMatrix = " + " ".join(map(repr, map(float, TURN.T.ravel()))), "Offset = 7 -8 9"]
    lines += ["ElementSpacing = 0.5 2 3", "DimSize = 5 4 3", "ElementType = MET_SHORT", "ElementDataFile = LOCAL"]
    path.write_bytes("\n".join([*lines, ""]).encode() + VALUES.tobytes())


@pytest.mark.parametrize("kind", ["lps.nrrd", "ras.nrrd", "a.mha"])
def test_place_is_that_of_the_header(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    spaces = {"lps.nrrd": "left-posterior-superior", "ras.nrrd": "right-anterior-superior"}
    write_nrrd(path, spaces[kind]) if kind in spaces else write_mha(path)
    assert image_layout(path, spatial_dims=3).shape == (3, 4, 5)
    image = FileReader(spatial_dims=3).read(path)[0]
    np.testing.assert_array_equal(image.array, VALUES)
    wanted = np.eye(4)
    wanted[:3, :3], wanted[:3, 3] = TURN * (0.5, 2.0, 3.0), (7, -8, 9)
    if kind != "ras.nrrd":
        wanted = np.diag([-1, -1, 1, 1]) @ wanted
    np.testing.assert_allclose(image.meta["affine"], wanted[:, [2, 1, 0, 3]], atol=1e-9)
    np.testing.assert_allclose(image.meta["spacing"], (3, 2, 0.5))


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.mhd", "a.nhdr"])
@pytest.mark.parametrize("dims", [2, 3])
def test_results_lie_in_the_place_of_the_image(tmp_path: Path, name: str, dims: int) -> None:
    source = sitk.GetImageFromArray(VALUES if dims == 3 else VALUES[0])
    turn = TURN if dims == 3 else TURN[:2, :2]
    source.SetDirection(turn.ravel().tolist())
    source.SetSpacing((0.5, 2.0, 3.0)[:dims])
    source.SetOrigin((7.0, -8.0, 9.0)[:dims])
    sitk.WriteImage(source, str(tmp_path / name))
    item = LoadItemd(spatial_dims=dims)({"image": str(tmp_path / name)})
    save = SavePredictiond(tmp_path / "out", {"pred": "classes", "probabilities": "probabilities"}, label_keys=["pred"])
    save({**item, "pred": item["image"].int(), "probabilities": torch.cat([item["image"], item["image"] + 1])})
    ending = ".nrrd" if "n" in Path(name).suffix else ".mha"
    found, several = (sitk.ReadImage(str(tmp_path / "out" / f"a_{kind}{ending}")) for kind in ("classes", "probabilities"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(source))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(several)[..., 1], sitk.GetArrayFromImage(source) + 1)
    for one in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(found, one)(), getattr(source, one)(), atol=1e-9)


def test_labels_of_another_place_are_refused(tmp_path: Path) -> None:
    write_mha(tmp_path / "a.mha")
    write_nrrd(tmp_path / "b.nrrd", "right-anterior-superior")
    with pytest.raises(ValueError, match="lies up to"):
        LoadItemd(spatial_dims=3)({"image": str(tmp_path / "a.mha"), "label": str(tmp_path / "b.nrrd")})


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"NRRD0004")
    with pytest.raises(ValueError, match=rf"{name} cannot be read.*\.nii\.gz"):
        image_layout(tmp_path / name, spatial_dims=3)


def test_channels_and_times(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.stack([VALUES, VALUES + 1], -1), isVector=True), str(tmp_path / "a.nrrd"))
    image = FileReader(spatial_dims=3).read(tmp_path / "a.nrrd")[0]
    np.testing.assert_array_equal(image.array, np.stack([VALUES, VALUES + 1]))
    assert image_layout(tmp_path / "a.nrrd", "TYXC", 2).frames == 3
    assert FileReader("TYXC", spatial_dims=2, frame=2).read(tmp_path / "a.nrrd")[0].meta["affine"][:3, 3].tolist() == [0, 0, 2]


def slicer_label(path: Path, values: np.ndarray, **names: int) -> None:
    label = sitk.GetImageFromArray(values.astype(np.uint8), isVector=values.ndim == 4)
    for i, (name, value) in enumerate(names.items()):
        label.SetMetaData(f"Segment{i}_Name", name)
        label.SetMetaData(f"Segment{i}_LabelValue", str(value))
    path.parent.mkdir(exist_ok=True)
    sitk.WriteImage(label, str(path))


CLASSES = ["background", "liver", "left kidney"]


def test_names_of_segments_must_be_those_of_the_classes(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(VALUES), str(tmp_path / "images" / "case_00.nrrd"))
    path = tmp_path / "labels" / "case_00.seg.nrrd"
    load = LoadItemd(spatial_dims=3, classes=CLASSES)
    slicer_label(path, VALUES % 3, Liver=1, Left_Kidney=2, other=7)
    item = folder_datalist(tmp_path, spatial_dims=3)[0]
    assert item["label"] == str(path)
    np.testing.assert_array_equal(load(item)["label"][0], VALUES % 3)
    slicer_label(path, VALUES % 3, Left_Kidney=1, Liver=2)
    said = (
        r"case_00\.seg\.nrrd: its header says that 1 is 'Left_Kidney', but `classes` says that 2 is 'left kidney' and 1 'liver'"
    )
    with pytest.raises(ValueError, match=said):
        load(item)
    assert LoadItemd(spatial_dims=3)(item)["label"].max() == 2  # numbered objects have no names


def test_what_slicer_saves_otherwise_says_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(VALUES), str(tmp_path / "images" / "case_00.nrrd"))
    path, way = tmp_path / "labels" / "case_00.seg.nrrd", "from 3D Slicer as labelmap, NIfTI or NRRD, with the image as reference"
    slicer_label(path, VALUES[:2] % 3)
    with pytest.raises(ValueError, match=rf"has shape \(2, 4, 5\).*{way}"):
        folder_datalist(tmp_path, spatial_dims=3)
    slicer_label(path, np.stack([VALUES % 3, VALUES % 2], -1))
    with pytest.raises(ValueError, match=rf"has 2 channels.*{way}"):
        LoadItemd(spatial_dims=3, classes=CLASSES)(folder_datalist(tmp_path, spatial_dims=3)[0])
    path.rename(path.with_name("Segmentation.seg.nrrd"))
    with pytest.raises(ValueError, match=rf"no 'Segmentation' in .*{way}"):
        folder_datalist(tmp_path, spatial_dims=3)


def nrrd(path: Path, values: np.ndarray, *fields: str) -> str:
    lines = ["NRRD0005", "type: short", f"dimension: {values.ndim}", "sizes: " + " ".join(map(str, values.shape[::-1]))]
    path.write_bytes("\n".join([*lines, "endian: little", "encoding: raw", *fields, "", ""]).encode() + values.tobytes())
    return str(path)


@pytest.mark.parametrize("values", [VALUES[0], VALUES])
@pytest.mark.parametrize(
    ("units", "said", "factor"),
    [
        (None, "mm", 1),
        (("um", "um", "um"), "um", 1),
        (("micron", "micrometer", "mm"), "um", 1000),
        (("um", "furlong", "um"), None, 0),
    ],
)
def test_units_of_nrrd(
    tmp_path: Path, values: np.ndarray, units: tuple[str, ...] | None, said: str | None, factor: float
) -> None:
    dims = values.ndim
    directions = ["(0.5,0,0) (0,2,0) (0,0,3)", "(0.5,0) (0,2)"][3 - dims]
    fields = [f"space dimension: {dims}"] + (["space units: " + " ".join(f'"{unit}"' for unit in units[:dims])] if units else [])
    source = nrrd(tmp_path / "a.nrrd", values, *fields, f"space directions: {directions}")
    write_itk(values[None], source, tmp_path / "b.nrrd")
    for path in (source, tmp_path / "b.nrrd"):
        image = FileReader(spatial_dims=dims).read(path)[0]
        np.testing.assert_array_equal(image.array, values)
        assert image.meta.get("unit") == said
        if said:
            np.testing.assert_allclose(image.meta["spacing"], (3 * factor, 2, 0.5)[-dims:])


@pytest.mark.parametrize("values", [VALUES[0], VALUES])
def test_nrrd_without_sizes_or_units(tmp_path: Path, values: np.ndarray) -> None:
    dims = values.ndim
    assert "spacing" not in FileReader(spatial_dims=dims).read(nrrd(tmp_path / "a.nrrd", values))[0].meta
    spacings = "spacings: " + " ".join(["0.5", "2", "3"][:dims])
    plain = FileReader(spatial_dims=dims).read(nrrd(tmp_path / "b.nrrd", values, spacings))[0].meta
    assert (plain["spacing"], plain["unit"]) == ((3.0, 2.0, 0.5)[-dims:], "")
    units = "units: " + " ".join(['"nm"'] * dims)
    assert FileReader(spatial_dims=dims).read(nrrd(tmp_path / "c.nrrd", values, spacings, units))[0].meta["unit"] == "nm"

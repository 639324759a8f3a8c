from __future__ import annotations

import gzip
import logging
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from monai_denoiseg.data import LoadItemd, SavePredictiond, image_layout, image_shape
from monai_denoiseg.data.nifti import read_nifti, write_nifti

OBLIQUE = nibabel.affines.from_matvec(
    nibabel.eulerangles.euler2mat(0.3, -0.2, 0.5) @ np.diag([-0.78125, 0.78125, 6.5]), [99.609375, -99.609375, -78.0]
)


def make(path, shape=(7, 6, 5), dtype="int16", affine=OBLIQUE, kind=nibabel.Nifti1Image, change=None, header=None):
    """A file with a header as scanners write it: few of its entries are defaults."""
    data = np.random.default_rng(0).integers(0, 120, shape).astype(dtype)
    image = kind(data, affine, header)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    image.header["descrip"] = b"TE=12;Time=101010.000;phase=1"
    image.header["xyzt_units"] = 10
    image.header["aux_file"] = b"imgComments"
    image.header["dim_info"] = 57
    image.header["toffset"] = 1.5
    image.header["cal_min"], image.header["cal_max"] = -160, 240
    if change is not None:
        change(image)
    nibabel.save(image, path)
    return path, data


def raw(path, size=348):
    with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
        return stream.read(size)


def patch(path, offset, data):
    """Change bytes of an uncompressed file that nibabel would not write."""
    content = bytearray(path.read_bytes())
    content[offset : offset + len(data)] = data
    path.write_bytes(content)


def differing(a, b):
    return {i for i in range(len(a)) if a[i] != b[i]}


# Bytes of a NIfTI-1 header that an output may change: dim, datatype and bitpix, vox_offset, scl_slope and scl_inter.
GEOMETRY_FREE = {*range(40, 56), *range(70, 74), *range(108, 112), *range(112, 120)}
# Of a label also: intent_p1 to intent_code, cal_max and cal_min, intent_name.
LABEL_FREE = GEOMETRY_FREE | {*range(56, 70), *range(124, 132), *range(328, 344)}


def only_sform(image):
    image.set_qform(None, 0)
    image.header["pixdim"][4:] = [2.5, 0, 7, 0]


def with_extension(image):
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"<CaretExtension>label table</CaretExtension>"))


CASES = {
    "oblique": {},
    "positive determinant": {"affine": OBLIQUE @ np.diag([-1, 1, 1, 1])},
    "qform only": {"change": lambda image: image.set_sform(None, 0)},
    "sform only": {"change": only_sform},
    "both, different": {"change": lambda image: image.set_qform(np.diag([0.78125, -0.78125, 6.5, 1]), 2)},
    "no form": {"affine": None},
    "extension": {"change": with_extension},
    "big endian": {"header": nibabel.Nifti1Header(endianness=">")},
    "one slice": {"shape": (7, 6, 1)},
    "wide": {"dtype": "float64"},
    "nifti 2": {"kind": nibabel.Nifti2Image},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("suffix", [".nii.gz", ".nii"])
def test_values_affine_and_header_come_back_to_the_bit(tmp_path, case, suffix):
    options = dict(CASES[case])
    if case == "no form":
        path, data = tmp_path / f"v{suffix}", np.arange(210, dtype="i2").reshape(7, 6, 5)
        nibabel.save(nibabel.Nifti1Image(data, None), path)
    else:
        path, data = make(tmp_path / f"v{suffix}", **options)
    source = nibabel.load(path)
    item = LoadItemd(spatial_dims=3)({"image": str(path)})
    expected = np.zeros((1, *data.shape[::-1]), "f4")
    for x, y, z in np.ndindex(*data.shape):
        expected[0, z, y, x] = data[x, y, z]
    np.testing.assert_array_equal(item["image"].numpy(), expected)
    assert image_shape(path, spatial_dims=3) == data.shape[::-1] == tuple(item["image"].meta["spatial_shape"])
    for z, y, x in [(0, 0, 0), (data.shape[2] - 1, 3, 5), (0, 5, 1)]:  # the same voxel lies at the same place of the world
        np.testing.assert_allclose(item["image"].affine.numpy() @ [z, y, x, 1], source.affine @ [x, y, z, 1], rtol=1e-12)
    item["instances"] = torch.arange(data.size).reshape(item["image"].shape)
    SavePredictiond(tmp_path / "out", {"image": "denoised", "instances": "instances"})(item)
    size = source.header.sizeof_hdr
    for name, dtype in (("denoised", "float32"), ("instances", "uint16")):
        written = nibabel.load(tmp_path / "out" / f"v_{name}.nii.gz")
        np.testing.assert_array_equal(written.affine, source.affine)
        assert type(written) is type(source) and written.shape == data.shape and written.get_data_dtype().name == dtype
        assert [e.content for e in written.header.extensions] == [e.content for e in source.header.extensions]
        if size == 348:
            free = GEOMETRY_FREE if name == "denoised" else LABEL_FREE
            assert not differing(raw(path), raw(tmp_path / "out" / f"v_{name}.nii.gz")) - free
        values = data if name == "denoised" else np.arange(data.size).reshape(data.shape[::-1]).transpose(2, 1, 0)
        np.testing.assert_array_equal(np.asanyarray(written.dataobj), values)


def test_every_field_of_a_nifti_2_header_comes_back(tmp_path):
    path, _ = make(tmp_path / "v.nii", kind=nibabel.Nifti2Image)
    write_nifti(np.zeros((1, 5, 6, 7), "f4"), path, tmp_path / "o.nii")
    before, after = nibabel.load(path).header, nibabel.load(tmp_path / "o.nii").header
    same = set(before) - {"datatype", "bitpix", "scl_slope", "scl_inter"}
    assert all(np.array_equal(before[key], after[key]) for key in same) and after["datatype"] == 16
    assert raw(tmp_path / "o.nii", 540)[0:4] == raw(path, 540)[0:4]


def test_what_nibabel_repairs_on_loading_stays_as_stored(tmp_path):
    path, _ = make(tmp_path / "v.nii")
    patch(path, 76, np.float32(0).tobytes())  # qfac 0 is to be read as 1
    patch(path, 76 + 4 * 4, np.array([0, 3, 0, 9], "f4").tobytes())
    write_nifti(np.ones((1, 5, 6, 7), "f4"), path, tmp_path / "o.nii.gz")
    assert not differing(raw(path), raw(tmp_path / "o.nii.gz")) - GEOMETRY_FREE
    np.testing.assert_array_equal(nibabel.load(path).affine, nibabel.load(tmp_path / "o.nii.gz").affine)


def test_scaled_values_are_read_scaled_and_written_plain(tmp_path):
    path, data = make(tmp_path / "ct.nii")
    patch(path, 112, np.array([0.5, -1024], "f4").tobytes())
    item = LoadItemd(spatial_dims=3)({"image": str(path)})
    np.testing.assert_array_equal(item["image"][0].numpy(), (data * 0.5 - 1024).transpose(2, 1, 0).astype("f4"))
    SavePredictiond(tmp_path, {"image": "denoised"}, label_keys=())(item)
    written = nibabel.load(tmp_path / "ct_denoised.nii.gz")
    np.testing.assert_array_equal(written.get_fdata(), data * 0.5 - 1024)
    assert raw(tmp_path / "ct_denoised.nii.gz")[112:120] == np.array([1, 0], "f4").tobytes()


def test_labels_and_channels_do_not_keep_the_intent_of_the_source(tmp_path):
    path, _ = make(tmp_path / "v.nii.gz", change=lambda image: image.header.set_intent("t test", (12,), name="contrast 3"))
    one, two = np.zeros((1, 5, 6, 7), "u2"), np.zeros((2, 5, 6, 7), "f4")
    write_nifti(one, path, tmp_path / "label.nii.gz", label=True)
    write_nifti(two, path, tmp_path / "channels.nii.gz")
    write_nifti(two[:1], path, tmp_path / "denoised.nii.gz")
    headers = {name: nibabel.load(tmp_path / f"{name}.nii.gz").header for name in ("label", "channels", "denoised")}
    assert headers["label"].get_intent() == ("label", (), "") and headers["channels"].get_intent() == ("none", (), "")
    assert headers["denoised"].get_intent() == ("t test", (12.0,), "contrast 3")
    assert [float(header["cal_max"]) for header in headers.values()] == [0, 0, 240]


@pytest.mark.parametrize("shape", [(7, 6), (7, 6, 1)])
def test_planes(tmp_path, shape):
    path, data = make(tmp_path / "p.nii.gz", shape, change=only_sform)
    item = LoadItemd(spatial_dims=2, channels=1)({"image": str(path)})
    np.testing.assert_array_equal(item["image"].numpy()[0], data.reshape(7, 6).T)
    assert item["spacing"].tolist() == [0.78125, 0.78125] and image_shape(path, spatial_dims=2) == (6, 7)
    np.testing.assert_allclose(item["image"].affine.numpy() @ [2, 4, 0, 1], OBLIQUE @ [4, 2, 0, 1], rtol=1e-6)
    item["classes"] = (item["image"] > 60).int()
    item["probabilities"] = torch.rand(3, 6, 7)
    names = {key: key for key in ("image", "classes", "probabilities")}
    SavePredictiond(tmp_path, names, label_keys=["classes"])(item)
    for key, expected in (("image", shape), ("classes", shape), ("probabilities", (7, 6, 1, 3))):
        written = nibabel.load(tmp_path / f"p_{key}.nii.gz")
        assert written.shape == expected
        np.testing.assert_array_equal(written.affine, nibabel.load(path).affine)
        values = np.asarray(written.dataobj).reshape(7, 6, -1)
        np.testing.assert_array_equal(values, item[key].numpy().transpose(2, 1, 0))


def test_a_plane_in_3d_and_a_volume_in_2d(tmp_path):
    plane, data = make(tmp_path / "p.nii.gz", (7, 6, 1))
    np.testing.assert_array_equal(LoadItemd(spatial_dims=3)({"image": str(plane)})["image"].numpy()[0, 0], data[..., 0].T)
    flat, _ = make(tmp_path / "flat.nii.gz", (7, 6))
    volume, _ = make(tmp_path / "v.nii.gz")
    for function in (
        lambda path, dims: LoadItemd(spatial_dims=dims)({"image": str(path)}),
        lambda p, d: image_layout(p, None, d),
    ):
        with pytest.raises(ValueError, match=r"flat\.nii\.gz has axes 'XY' .*: a plane with 2 .* use the 2D bundle"):
            function(flat, 3)
        with pytest.raises(ValueError, match=r"v\.nii\.gz has axes 'XYZ' .*a volume of 5 slices.* use the 3D bundle"):
            function(volume, 2)


@pytest.mark.parametrize("shape", [(7, 6, 5, 2), (7, 6, 5, 1, 2)])
def test_channels(tmp_path, shape):
    path, data = make(tmp_path / "v.nii.gz", shape)
    item = LoadItemd(spatial_dims=3, channels=2)({"image": str(path)})
    np.testing.assert_array_equal(item["image"].numpy(), data.reshape(7, 6, 5, 2).transpose(3, 2, 1, 0))
    SavePredictiond(tmp_path, {"image": "denoised"}, label_keys=())(item)
    written = nibabel.load(tmp_path / "v_denoised.nii.gz")
    np.testing.assert_array_equal(written.get_fdata(), data.reshape(7, 6, 5, 2))
    np.testing.assert_array_equal(written.affine, nibabel.load(path).affine)


def test_time_series_and_slices_as_frames(tmp_path):
    path, data = make(tmp_path / "v.nii.gz", (7, 6, 5, 3))
    layout = image_layout(path, "TZYX", 3)
    assert (layout.shape, layout.frames, layout.letters) == ((5, 6, 7), 3, "ZYX")
    item = LoadItemd(spatial_dims=3, axes="TZYX")({"image": str(path), "frame": 2})
    np.testing.assert_array_equal(item["image"].numpy()[0], data[..., 2].T)
    with pytest.raises(ValueError, match=r"v\.nii\.gz holds 3 separate images along time"):
        LoadItemd(spatial_dims=3, axes="TZYX")({"image": str(path)})
    stack, data = make(tmp_path / "s.nii.gz")
    item = LoadItemd(spatial_dims=2, axes="TYX")({"image": str(stack), "frame": 3})
    np.testing.assert_array_equal(item["image"].numpy()[0], data[..., 3].T)
    np.testing.assert_allclose(item["image"].affine.numpy() @ [2, 4, 0, 1], OBLIQUE @ [4, 2, 3, 1], rtol=1e-6)


def test_spacing_and_unit(tmp_path, caplog):
    path, _ = make(tmp_path / "v.nii.gz")
    meta = read_nifti(path).meta
    assert meta["spacing"] == (6.5, 0.78125, 0.78125) and meta["unit"] == "mm" and meta["axes"] == "ZYX"
    micron, _ = make(tmp_path / "u.nii.gz", change=lambda image: image.header.set_xyzt_units("micron"))
    assert read_nifti(micron).meta["unit"] == "um"
    assert not caplog.records

    def forget(image):
        image.header["pixdim"][1:4] = 1

    wrong, _ = make(tmp_path / "w.nii.gz", change=lambda image: (only_sform(image), forget(image)))
    with caplog.at_level(logging.WARNING):
        assert read_nifti(wrong).meta["spacing"] == pytest.approx((6.5, 0.78125, 0.78125))
    assert "w.nii.gz: pixdim" in caplog.text and "taken is the affine's" in caplog.text


def test_unknown_spacing_is_not_invented(tmp_path):
    path, _ = make(tmp_path / "v.nii", change=only_sform)
    patch(path, 280, np.zeros(12, "f4").tobytes())  # srow_x, srow_y, srow_z
    assert "spacing" not in read_nifti(path).meta
    assert LoadItemd(spatial_dims=3)({"image": str(path)})["spacing"].isnan().all()


def test_too_many_axes_and_wrong_shape(tmp_path):
    path = tmp_path / "six.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2, 2, 2, 2), "u1"), np.eye(4)), path)
    with pytest.raises(ValueError, match=r"six\.nii\.gz has 6 axes .* up to 5 axes are supported"):
        image_layout(path)
    volume, _ = make(tmp_path / "v.nii.gz")
    for shape in ((1, 7, 6, 5), (1, 6, 7)):
        with pytest.raises(ValueError, match=r"o\.nii\.gz: shape .* is not that of .*v\.nii\.gz, .7, 6, 5. in X, Y, Z order"):
            write_nifti(np.zeros(shape, "f4"), volume, tmp_path / "o.nii.gz")
    assert not (tmp_path / "o.nii.gz").exists()


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    path, _ = make(tmp_path / "v.nii.gz")

    def break_off(image, name):
        Path(name).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(nibabel, "save", break_off)
    with pytest.raises(OSError, match="disk full"):
        write_nifti(np.zeros((1, 5, 6, 7), "f4"), path, tmp_path / "o.nii.gz")
    assert [name.name for name in tmp_path.iterdir()] == ["v.nii.gz"]


@pytest.mark.skipif("DENOISEG_DATA" not in os.environ, reason="DENOISEG_DATA names no folder of real images")
@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("medical_ct_totalseg/ct.nii.gz", "medical_ct_totalseg/seg_totalsegmentator.nii.gz"),
        ("medical_mr_brain/brain2_image.nii.gz", "medical_mr_brain/brain2_label.nii.gz"),
    ],
)
def test_real_scans(tmp_path, image, label):
    root = Path(os.environ["DENOISEG_DATA"])
    classes = int(np.asarray(nibabel.load(root / label).dataobj).max()) + 1
    item = LoadItemd(spatial_dims=3, channels=1, classes=max(classes, 2))(
        {"image": str(root / image), "label": str(root / label)}
    )
    source = nibabel.load(root / image)
    np.testing.assert_array_equal(item["label"].numpy()[0].T, np.asarray(nibabel.load(root / label).dataobj))
    assert item["spacing"].tolist() == [float(size) for size in source.header.get_zooms()[::-1]]
    SavePredictiond(tmp_path, {"image": "denoised", "label": "classes"}, label_keys=["label"])(item)
    stem = Path(image).name.removesuffix(".nii.gz")
    written = nibabel.load(tmp_path / f"{stem}_classes.nii.gz")
    np.testing.assert_array_equal(written.affine, source.affine)
    assert not differing(raw(root / image), raw(tmp_path / f"{stem}_denoised.nii.gz")) - GEOMETRY_FREE
    assert not differing(raw(root / image), raw(tmp_path / f"{stem}_classes.nii.gz")) - LABEL_FREE
    np.testing.assert_array_equal(
        np.asarray(nibabel.load(tmp_path / f"{stem}_denoised.nii.gz").dataobj), source.get_fdata(dtype=np.float32)
    )

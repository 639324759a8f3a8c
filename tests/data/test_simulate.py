from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from scipy import ndimage
from skimage.measure import regionprops

from monai_denoiseg.data import LoadItemd, folder_datalist, simulate, simulate_nuclei, write_simulated
from monai_denoiseg.data.simulate import GAIN, OFFSET, READ_NOISE


@pytest.mark.parametrize("shape", [(96, 80), (16, 48, 40)])
def test_seed_decides(shape):
    first, again, other = (simulate_nuclei(shape, seed=seed) for seed in (3, 3, 4))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first.label, other.label)
    assert first.image.dtype == first.label.dtype == np.uint16 and first.clean.dtype == np.float32
    assert first.image.shape == first.label.shape == first.clean.shape == shape


@pytest.mark.parametrize("shape", [(128, 128), (24, 64, 64)])
def test_labels_are_numbered_connected_objects_some_touching(shape):
    label = simulate_nuclei(shape, seed=1).label
    numbers = np.unique(label)
    np.testing.assert_array_equal(numbers, np.arange(label.max() + 1))
    assert len(numbers) > 5
    for number in numbers[1:]:
        assert ndimage.label(label == number)[1] == 1
    assert ndimage.label(label > 0)[1] < label.max()  # touching ones merge in the mask
    assert 0.15 < (label > 0).mean() < 0.5


def test_light_is_where_the_labels_are():
    simulated = simulate_nuclei(seed=0)
    inside = ndimage.binary_erosion(simulated.label > 0, iterations=2)
    outside = ~ndimage.binary_dilation(simulated.label > 0, iterations=4)
    assert simulated.clean[inside].mean() > OFFSET + 3 * (simulated.clean[outside].mean() - OFFSET)
    brightness = [region.mean_intensity for region in regionprops(simulated.label, simulated.clean)]
    assert max(brightness) > 1.5 * min(brightness)  # uneven


def test_noise_is_shot_and_camera_noise():
    simulated = simulate_nuclei((256, 256), seed=0, noise="medium")
    error = simulated.image - simulated.clean
    expected = GAIN * (simulated.clean - OFFSET) + READ_NOISE**2  # variance of GAIN * Poisson(light / GAIN), and of the camera
    assert abs(error.mean()) < 0.3
    for low, high in ((0, 20), (20, 100), (100, 400)):
        chosen = (simulated.clean - OFFSET > low) & (simulated.clean - OFFSET <= high)
        assert error[chosen].var() == pytest.approx(expected[chosen].mean(), rel=0.1)


def test_noise_levels():
    levels = [simulate_nuclei(seed=0, noise=noise) for noise in ("none", "low", "medium", "high")]
    np.testing.assert_allclose(levels[0].image, levels[0].clean, atol=0.51)
    ratios = [(s.image - s.clean).std() / s.clean.std() for s in levels]
    assert ratios == sorted(ratios)
    for other in levels[1:]:
        np.testing.assert_array_equal(other.label, levels[0].label)


def test_noise_is_independent_between_pixels():
    error = (lambda s: s.image - s.clean)(simulate_nuclei((256, 256), seed=0))
    error = error / np.sqrt(GAIN * 50)
    assert abs(np.corrcoef(error[:, 1:].ravel(), error[:, :-1].ravel())[0, 1]) < 0.02  # what blind-spot learning relies on


def test_channels_share_the_label():
    simulated = simulate_nuclei((64, 48), channels=3, seed=0)
    assert simulated.image.shape == simulated.clean.shape == (3, 64, 48) and simulated.label.shape == (64, 48)
    assert not np.allclose(simulated.clean[0], simulated.clean[1])


def test_anisotropic_nuclei_are_flat_in_voxels():
    def extents(spacing):
        label = simulate_nuclei((24, 96, 96), n_nuclei=8, clustered=0, spacing=spacing, seed=0).label
        boxes = [region.bbox for region in regionprops(label)]
        inner = [b for b in boxes if b[0] > 0 and b[3] < 24 and min(b[1:3]) > 0 and max(b[4:]) < 96]
        return np.mean([(b[3] - b[0]) / (b[5] - b[2]) for b in inner])

    assert extents((3, 1, 1)) < 0.6 < 0.75 < extents(None)


@pytest.mark.parametrize(("shape", "count"), [((32, 32), 0), ((32, 32), 1), ((5, 3), 1), ((1, 1), 1), ((1, 32, 32), 3)])
def test_edges(shape, count):
    simulated = simulate_nuclei(shape, n_nuclei=count, seed=0)
    assert simulated.label.max() <= count and np.isfinite(simulated.clean).all()
    if count == 0:
        assert not simulated.label.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (8,)}, "`shape` must have 2 or 3"),
        ({"noise": "hihg"}, "did you mean 'high'"),
        ({"radius": (5, 3)}, "`radius` must be"),
        ({"clustered": 2}, r"`clustered` must be in \[0, 1\]"),
        ({"spacing": (1, 1, 1)}, "`spacing` must hold 2 positive"),
        ({"channels": 0}, "`channels` must be an integer >= 1"),
        ({"n_nuclei": -1}, "`n_nuclei` must be an integer >= 0"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        simulate_nuclei(**options)


def test_written_folder_is_a_data_list(tmp_path):
    folder = write_simulated(tmp_path / "deep" / "nuclei", n_images=4, n_labelled=2, shape=(32, 40), seed=5)
    items = folder_datalist(folder)
    assert [("label" in item, "clean" in item) for item in items] == [(True, True)] * 2 + [(False, True)] * 2
    assert len(list((folder / "truth").iterdir())) == 4
    expected = simulate_nuclei((32, 40), seed=(5, 1))
    for key, array in (("image", expected.image), ("label", expected.label), ("clean", expected.clean)):
        np.testing.assert_array_equal(tifffile.imread(items[1][key]), array)
    assert json.loads((folder / "settings.json").read_text())["seed"] == 5


def test_written_3d_channels_and_voxel_size(tmp_path):
    folder = write_simulated(tmp_path / "n", 1, 1, (6, 32, 40), channels=2, spacing=(2.0, 1.0, 1.0))
    (item,) = folder_datalist(folder)
    with tifffile.TiffFile(item["image"]) as tif:
        assert tif.series[0].axes == "ZCYX" and tif.imagej_metadata["spacing"] == 2
    assert tifffile.imread(item["label"]).shape == (6, 32, 40)


def test_same_simulation_is_not_repeated_and_others_are_refused(tmp_path, monkeypatch):
    arguments = {"n_images": 2, "n_labelled": 1, "shape": (24, 24)}
    folder = write_simulated(tmp_path / "n", **arguments)
    monkeypatch.setattr(simulate, "simulate_nuclei", None)  # would fail if called
    assert write_simulated(folder, **arguments) == folder
    for changed in ({**arguments, "seed": 1}, {**arguments, "noise": "high"}):
        with pytest.raises(FileExistsError, match="holds other files than this simulation"):
            write_simulated(folder, **changed)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.doc").write_text("")
    with pytest.raises(FileExistsError, match="mine holds other files"):
        write_simulated(tmp_path / "mine", **arguments)


def test_an_empty_folder_is_filled_and_a_failure_leaves_nothing(tmp_path):
    (tmp_path / "n").mkdir()
    with pytest.raises(ValueError, match="`noise`"):
        write_simulated(tmp_path / "n", 2, 1, (24, 24), noise="loud")
    assert [path.name for path in tmp_path.iterdir()] == ["n"] and not list((tmp_path / "n").iterdir())
    assert len(folder_datalist(write_simulated(tmp_path / "n", 2, 1, (24, 24)))) == 2
    with pytest.raises(ValueError, match="`n_labelled` must be at most `n_images`"):
        write_simulated(tmp_path / "m", 2, 3)


@pytest.mark.parametrize(("shape", "spacing"), [((32, 24), None), ((6, 32, 24), (2.0, 1.0, 1.0)), ((32, 24), (1.0, 0.5))])
@pytest.mark.parametrize("channels", [1, 2])
def test_nifti_holds_what_tiff_does(tmp_path, shape, spacing, channels):
    for suffix in (".tif", ".nii.gz"):
        options = {"spacing": spacing} if spacing else {}
        write_simulated(tmp_path / suffix[1:], 2, 1, shape, suffix=suffix, channels=channels, radius=(3, 5), **options)
    load = LoadItemd(spatial_dims=len(shape), channels=channels)
    lists = [folder_datalist(tmp_path / name, spatial_dims=len(shape)) for name in ("tif", "nii.gz")]
    assert [len(items) for items in lists] == [2, 2] and "label" in lists[1][0] and "label" not in lists[1][1]
    for one, other in zip(*lists, strict=True):
        a, b = load(one), load(other)
        for key in set(one):
            np.testing.assert_array_equal(a[key].numpy(), b[key].numpy())
        assert b["spacing"].tolist() == list(spacing or (1.0,) * len(shape))
    with pytest.raises(ValueError, match="`suffix` must be one of"):
        write_simulated(tmp_path / "x", 1, 0, shape, suffix=".png")

"""The settings of inference and evaluation, and those that training shares with them, declared."""

from __future__ import annotations

from typing import Any

from monai_denoiseg.bundle.settings.kinds import Choice, Kind, Listing, PerAxis, Real, Switch, Whole
from monai_denoiseg.bundle.settings.place import NAME, READ, WRITE, Place
from monai_denoiseg.bundle.settings.setting import EVALUATE, INFER, SINGLE, TRAIN, Setting
from monai_denoiseg.bundle.settings.special import AXES, DEVICE

_BOTH, _ALL = (INFER, EVALUATE), (TRAIN, INFER, EVALUATE)
_FILE = "as the model file says"
_DATA, _NETWORK, _PREDICTION, _OBJECTS = "Data", "Network", "Prediction", "Labels and objects"
_SCORES, _STREAM, _MACHINE, _CLASSIC = "Scores", "Large images", "Machine", "Methods without training"


def _classic(name: str, kind: Kind, meaning: str, **more: Any) -> Setting:
    return Setting(name, kind, _CLASSIC, meaning, _BOTH, methods_only=True, **more)


SHARED: tuple[Setting, ...] = (
    Setting(
        "bundle_root",
        Place(READ),
        _DATA,
        "Folder of a bundle of your own, whose models and output folders are used.",
        (*_ALL, SINGLE),
        null="none",
    ),
    Setting("spatial_dims", Choice((2, 3)), _DATA, "Axes of the images: 2 for planes, 3 for volumes.", _ALL),
    Setting("in_channels", Whole(1), _DATA, "Channels of the images.", _ALL),
    Setting("axes", AXES, _DATA, "Axes of TIFF, Zarr and NumPy files as stored.", (*_ALL, SINGLE), null="what the files say"),
    Setting(
        "spacing",
        PerAxis(Real(0, open_low=True), single=False),
        _DATA,
        "Pixel or voxel size, [Z, ]Y, X.",
        (*_ALL, SINGLE),
        unit="a unit of length",
        null="what the files say",
    ),
    Setting(
        "units",
        Choice(("voxel", "physical")),
        _OBJECTS,
        "Unit of sizes and widths: voxels, or the unit of the voxel size.",
        (TRAIN,),
    ),
    Setting(
        "units",
        Choice(("voxel", "physical")),
        _OBJECTS,
        "Unit of min_size: voxels, or the unit of the voxel size.",
        _BOTH,
        null=_FILE,
    ),
    Setting("depth", Whole(1), _NETWORK, "How many times the U-Net halves the image; a model file says its own.", _ALL),
    Setting(
        "features",
        Whole(1),
        _NETWORK,
        "Channels of the first level, doubled on each further one; a model file says its own.",
        _ALL,
    ),
    Setting(
        "tile_size",
        PerAxis(Whole(1)),
        _PREDICTION,
        "Larger images are predicted in tiles of this edge.",
        _ALL,
        unit="pixels",
        null="never",
    ),
    Setting("tta", Switch(), _PREDICTION, "Average the prediction over flips and quarter turns of the image.", _ALL),
    Setting(
        "device", DEVICE, _MACHINE, "Where to compute: cpu, cuda, cuda:1.", (*_ALL, SINGLE), default="the first GPU, else the CPU"
    ),
    Setting(
        "amp",
        Choice(("auto", "off", "bf16", "fp16"), {True: "auto", False: "off", "true": "auto", "false": "off"}),
        _MACHINE,
        "Number format of the network: auto uses bf16 where the machine has it, fp16 is for GPUs.",
        _ALL,
    ),
)

PREDICTION: tuple[Setting, ...] = (
    Setting(
        "dataset_dir",
        Place(READ, "file or folder", many=True),
        _DATA,
        "Image, list of images, folder of images, or data list (JSON).",
        (INFER,),
        default="the simulated images of a training without data",
    ),
    Setting(
        "dataset_dir",
        Place(READ, "file or folder", many=True),
        _DATA,
        "Folder with the subfolders images and labels, data list (JSON), or files.",
        (EVALUATE,),
        default="the simulated images of a training without data",
    ),
    Setting("clean_dir", Place(NAME, "subfolder"), _DATA, "Subfolder with clean images to compare with.", (EVALUATE,)),
    Setting(
        "output_dir",
        Place(WRITE),
        _DATA,
        "Folder for the results.",
        (INFER,),
        default="denoiseg_results; with bundle_root BUNDLE/output/predictions",
    ),
    Setting(
        "output_dir",
        Place(WRITE),
        _DATA,
        "Folder for the results.",
        (EVALUATE,),
        default="denoiseg_results; with bundle_root BUNDLE/output/evaluation",
    ),
    Setting(
        "existing",
        Choice(("replace", "skip", "error")),
        _DATA,
        "What to do with images that have results of the same network and settings: replace them, skip them, or stop.",
        (INFER,),
        default="replace",
    ),
    Setting(
        "run",
        Place(READ),
        _NETWORK,
        "Folder of a training, whose network is used.",
        _BOTH,
        default="none",
    ),
    Setting(
        "run_dir",
        Place(READ),
        _NETWORK,
        "The same as run, for `python -m monai.bundle run`, where run means something else.",
        _BOTH,
        null="none",
    ),
    Setting(
        "model_file",
        Place(READ, "file"),
        _NETWORK,
        "The trained network, a model.pt.",
        _BOTH,
        null="none, for methods without training",
        default="that of run, else the one that came with the package",
    ),
    Setting(
        "ignore_value",
        Whole(),
        _DATA,
        "Label value that means not annotated.",
        (EVALUATE,),
        null="-1, or the largest value of unsigned types",
    ),
    Setting(
        "binary_labels",
        Choice(("error", "components", "keep")),
        _DATA,
        "What to do with masks of one value: stop, number the connected pieces, or take each mask as one object.",
        (EVALUATE,),
    ),
    Setting("refine", Switch(), _PREDICTION, "Correct the denoised image by the noisy one.", _BOTH),
    Setting(
        "threshold",
        Real(0, 1),
        _OBJECTS,
        "Foreground probability from which a pixel belongs to an object.",
        _BOTH,
        null="that found in training",
    ),
    Setting(
        "threshold_for",
        Choice(("ap", "seg")),
        _OBJECTS,
        "Which stored threshold to use: the best for finding objects (ap), or for covering them (seg).",
        _BOTH,
    ),
    Setting(
        "nms_overlap",
        Real(0, 1),
        _OBJECTS,
        "StarDist only: share of an object that another may cover.",
        _BOTH,
        null="that found in training",
    ),
    Setting(
        "instance_rule",
        Choice(("grow", "paper")),
        _OBJECTS,
        "Give objects back the pixels lost at contacts (grow), or take the connected pieces alone (paper).",
        _BOTH,
        null=_FILE,
    ),
    Setting(
        "min_size",
        Real(0),
        _OBJECTS,
        "Smaller objects are dropped; a whole number unless units is physical.",
        _BOTH,
        unit="pixels, or as units says",
        null=_FILE,
    ),
    Setting(
        "split_neck",
        Real(0, 1, open_high=True),
        _OBJECTS,
        "Objects are split where they are narrower than this ratio to the smaller part; 0 never splits.",
        _BOTH,
        null=_FILE,
    ),
    Setting("fill_holes", Switch(), _OBJECTS, "Fill holes in objects.", _BOTH, null=_FILE),
    Setting("save_probabilities", Switch(), _PREDICTION, "Write the class probabilities too.", (INFER,)),
    Setting(
        "stream",
        Choice(("auto", "always", "never")),
        _STREAM,
        "Predict from disk to disk; auto does so for Zarr, time series and very large images.",
        (INFER,),
    ),
    Setting(
        "overlap",
        PerAxis(Whole(0)),
        _STREAM,
        "With stream: objects up to this edge come out as if the image were predicted at once.",
        (INFER,),
        unit="pixels",
    ),
    Setting(
        "output_format",
        Choice(("auto", "ome-zarr", "tiff")),
        _STREAM,
        "With stream: format of the results; auto follows the input.",
        (INFER,),
    ),
    Setting(
        "runtime",
        Choice(("torch", "onnx")),
        _MACHINE,
        "What computes the network: PyTorch, or onnxruntime on the CPU in float32.",
        (INFER,),
    ),
    Setting(
        "iou_thresholds",
        Listing(Real(0, 1), 1, '"[0.5, 0.75]"'),
        _SCORES,
        "Overlaps (IoU) that a match must exceed; all scores use the first, AP is given for each.",
        (EVALUATE,),
    ),
    Setting(
        "empty",
        Choice(("skip", "zero")),
        _SCORES,
        "Images without true objects in which some are predicted: do not score them, or score them 0.",
        (EVALUATE,),
    ),
    Setting(
        "metric_reduction",
        Choice(("image_mean", "pooled")),
        _SCORES,
        "Mean of the images' scores, or scores of the counts of all images together.",
        (EVALUATE,),
    ),
    Setting("pictures", Switch(), _SCORES, "Draw the best, the median and the worst image.", (EVALUATE,)),
)

CLASSIC: tuple[Setting, ...] = (
    _classic("denoiser", Choice(("none", "mean", "median", "nlm", "bm3d")), "What denoises.", default="as the method says"),
    _classic(
        "segmenter", Choice(("none", "otsu", "chan_vese")), "What segments the denoised image.", default="as the method says"
    ),
    _classic("filter_size", PerAxis(Whole(1)), "Edge of the box of mean and median.", unit="pixels"),
    _classic("nlm_h", Real(0, open_low=True), "Strength of nlm.", unit="standard deviations of the noise"),
    _classic(
        "noise_sigma",
        Real(0),
        "Standard deviation of the noise, for nlm and bm3d.",
        unit="grey levels",
        null="estimated in each image",
    ),
    _classic("nlm_patch_size", Whole(1), "Edge of the surroundings nlm compares.", unit="pixels", null="7, in 3D 3"),
    _classic("nlm_patch_distance", Whole(1), "How far away nlm looks for similar pixels.", unit="pixels", null="11, in 3D 5"),
    _classic("dark_objects", Switch(), "The objects are darker than the background."),
    _classic(
        "smoothness",
        Real(0),
        "Of chan_vese: weight of the contour's length; in 3D smoothing passes of an iteration, a whole number.",
        null="0.05, in 3D 1",
    ),
    _classic("iterations", Whole(1), "Of chan_vese: the most iterations.", null="500, in 3D 20"),
)

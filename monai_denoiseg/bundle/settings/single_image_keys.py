"""The settings of the bundle ``self2seg``, declared, but those it shares with the others."""

from __future__ import annotations

from typing import Any

from monai_denoiseg.bundle.settings.kinds import Choice, Kind, Listing, Real, Switch, Text, Whole
from monai_denoiseg.bundle.settings.place import READ, WRITE, Place
from monai_denoiseg.bundle.settings.setting import SINGLE, Setting
from monai_denoiseg.bundle.settings.special import BOXES, EXPERTS_LIST
from monai_denoiseg.bundle.settings.step_keys import LARGEST_SEED

_DATA, _METHOD, _START, _STOP, _MACHINE = "Data", "Method", "Start", "When to stop", "Machine"


def _key(group: str, name: str, kind: Kind, meaning: str, **more: Any) -> Setting:
    return Setting(name, kind, group, meaning, (SINGLE,), **more)


SINGLE_IMAGE: tuple[Setting, ...] = (
    _key(_DATA, "image", Place(READ, "file or folder", many=True), "Image, or folder of images.", null="that of dataset_dir"),
    _key(
        _DATA,
        "dataset_dir",
        Place(READ, "file or folder", many=True),
        "The same under MONAI's name.",
        null="none",
        default="that of image",
    ),
    _key(_DATA, "pattern", Text("a pattern of file names, such as '*_raw.tif'"), "Only files whose name matches.", null="all"),
    _key(
        _DATA,
        "output_dir",
        Place(WRITE),
        "Folder for the results.",
        default="denoiseg_results; with bundle_root BUNDLE/output/predictions",
    ),
    _key(
        _DATA,
        "existing",
        Choice(("replace", "skip", "error")),
        "What to do with images that have results of the same settings: replace them, skip them, or stop.",
    ),
    _key(_DATA, "spatial_dims", Choice((2, 3)), "Axes of an image: 2 for planes, 3 for volumes.", null="what the file suggests"),
    _key(
        _METHOD,
        "experts",
        EXPERTS_LIST,
        "One expert for each region, the background first: noise2fast, linear, constant, network.",
    ),
    _key(_METHOD, "model_file", Place(READ, "file"), "The trained denoiser of the expert network.", null="none"),
    _key(_METHOD, "features", Whole(1), "Channels of the Noise2Fast networks."),
    _key(_METHOD, "max_iterations", Whole(1), "Longest training of a Noise2Fast network.", unit="iterations"),
    _key(_METHOD, "lambda", Real(0), "Price of a pixel of boundary.", null="chosen from several"),
    _key(
        _METHOD,
        "lambda_path",
        Listing(Real(0), 1, '"[0.01, 0.02, 0.05]"'),
        "Also write the masks for these values of lambda.",
        null="no",
    ),
    _key(_METHOD, "tv", Choice(("isotropic", "anisotropic")), "How the boundary is measured; anisotropic is along the axes."),
    _key(_METHOD, "mu", Real(0), "Keeps the regions near those of the round before."),
    _key(_METHOD, "ridge", Real(0), "Penalty that keeps a linear expert to its own region."),
    _key(_METHOD, "residual_box", Whole(1, odd=True), "Average the residuals over a box of this edge.", unit="pixels"),
    _key(_START, "start", Choice(("threshold", "denoise", "boxes", "scribbles")), "What the experts learn from first."),
    _key(
        _START,
        "start_threshold",
        Real(0, 1, open_low=True, open_high=True),
        "Where to cut between the darkest (0) and the brightest (1) pixel.",
        null="Otsu's threshold",
    ),
    _key(_START, "boxes", BOXES, "Boxes of each region.", null="none"),
    _key(_START, "scribbles", Place(READ, "file or folder"), "Label file of drawn pixels, or folder of such files.", null="none"),
    _key(_START, "keep_scribbles", Switch(), "Drawn pixels keep their region to the end."),
    _key(_STOP, "max_outer", Whole(1), "The most rounds."),
    _key(_STOP, "energy_tolerance", Real(0, 1), "Stop when the energy changes by less than this share."),
    _key(_STOP, "mask_tolerance", Real(0, 1), "Stop when less than this share of the pixels changes region."),
    _key(_STOP, "gap_tolerance", Real(0), "How exactly the regions of a round are solved."),
    _key(
        _STOP,
        "time_budget",
        Real(0, open_low=True, open_high=False),
        "Time for an image; then the best regions so far are taken.",
        unit="seconds",
        null="no limit",
    ),
    _key(_MACHINE, "seed", Whole(0, LARGEST_SEED), "Seed of everything random."),
    _key(_MACHINE, "progress", Switch(), "Show a progress bar."),
    _key(
        _MACHINE,
        "amp",
        Choice(("auto", "off", "bf16")),
        "Number format of the Noise2Fast networks: auto uses bf16 where the machine has it.",
    ),
)

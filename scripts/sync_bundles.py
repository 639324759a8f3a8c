"""Write what the bundles share, so that it exists once.

The configurations of ``denoiseg_3d`` are those of ``denoiseg_2d`` with the values below; the methods without training differ in
what they run only. Edit ``bundles/denoiseg_2d/configs`` or this file, then:

    python scripts/sync_bundles.py            # write
    python scripts/sync_bundles.py --check    # list the files that are out of step, exit code 1 if there are any
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

BUNDLES = Path(__file__).parents[1] / "bundles"
WIDTH = 115

VOLUME_TILE = [64, 128, 128]
VOLUMES: dict[str, dict[str, Any]] = {
    "train.json": {
        "spatial_dims": 3,
        "huber_delta": 1.0,
        "mask_radius": 3,
        "min_size": 100,
        "tile_size": VOLUME_TILE,
    },
    "train/structn2v.json": {"struct_mask": [[[1, 1, 1, 1, 1, 1, 1, 1, 1]]]},
    "inference.json": {"spatial_dims": 3, "tile_size": VOLUME_TILE, "overlap": 32},
    "evaluate.json": {"spatial_dims": 3, "tile_size": VOLUME_TILE},
}
"""What is otherwise in 3D."""

CLASSIC: dict[str, dict[str, Any]] = {
    "mean": {"denoiser": "mean"},
    "median": {"denoiser": "median"},
    "nlm": {"denoiser": "nlm"},
    "bm3d": {"denoiser": "bm3d"},
    "otsu": {"segmenter": "otsu"},
    "chan_vese": {"segmenter": "chan_vese"},
}
"""Methods without training: overlays of ``inference.json`` and ``evaluate.json``. Each can stand before or behind another one
(``--method otsu --denoiser nlm``), so all know the keys of all."""

CLASSIC_KEYS: dict[str, Any] = {
    "model_file": None,
    "tile_size": None,
    "tta": False,
    "denoiser": "none",
    "segmenter": "none",
    "filter_size": 3,
    "nlm_h": 1.0,
    "noise_sigma": None,
    "nlm_patch_size": None,
    "nlm_patch_distance": None,
    "dark_objects": False,
    "smoothness": None,
    "iterations": None,
    "network_def": {
        "_target_": "monai_denoiseg.networks.ClassicNet",
        "spatial_dims": "@spatial_dims",
        "in_channels": "@in_channels",
        "denoise": "@denoiser",
        "segment": "@segmenter",
        "size": "@filter_size",
        "h": "@nlm_h",
        "sigma": "@noise_sigma",
        "patch_size": "@nlm_patch_size",
        "patch_distance": "@nlm_patch_distance",
        "dark_objects": "@dark_objects",
        "smoothness": "@smoothness",
        "iterations": "@iterations",
    },
    "network": "$@network_def.to(@device)",
}


def render(value: Any, indent: int = 0) -> str:
    """JSON as a person would write it: a line for each key of the file; within, short things share a line.

    Args:
        value: what to write.
        indent: of the line it begins on.
    """
    line = json.dumps(value, ensure_ascii=False)
    nested = isinstance(value, dict) and any(isinstance(entry, dict) for entry in value.values())
    if not isinstance(value, (dict, list)) or not value or (indent and not nested and indent + len(line) < WIDTH):
        return line
    inner = indent + 4
    if isinstance(value, list):
        parts, ends = [render(entry, inner) for entry in value], "[]"
    else:
        parts, ends = [f"{json.dumps(key)}: {render(entry, inner)}" for key, entry in value.items()], "{}"
    lines = parts if indent == 0 or isinstance(value, list) else _filled(parts, WIDTH - inner)
    return ends[0] + "".join(f"\n{' ' * inner}{one}," for one in lines)[:-1] + "\n" + " " * indent + ends[1]


def _filled(parts: list[str], width: int) -> list[str]:
    """Put short parts on one line; what a component is stands alone on the first."""
    lines: list[str] = []
    for part in parts:
        alone = "\n" in part or not lines or "_target_" in lines[-1] or "\n" in lines[-1]
        if alone or len(lines[-1]) + len(part) + 2 >= width:
            lines.append(part)
        else:
            lines[-1] += ", " + part
    return lines


def wanted_files() -> dict[Path, str]:
    """All files that are derived, and the sources in their form, with what should stand in them."""
    files: dict[Path, str] = {}
    source = BUNDLES / "denoiseg_2d" / "configs"
    overlays = [path.relative_to(source) for path in sorted((source / "train").glob("*.json"))]
    main = [source / name for name in ("train.json", "inference.json", "evaluate.json", "multi_gpu_train.json")]
    for name in [path.relative_to(source) for path in main] + overlays:
        config = json.loads((source / name).read_text("utf-8"))
        files[source / name] = render(config) + "\n"
        volume = json.loads(json.dumps(config).replace("denoiseg_2d", "denoiseg_3d")) | VOLUMES.get(name.as_posix(), {})
        files[BUNDLES / "denoiseg_3d" / "configs" / name] = render(volume) + "\n"
    for bundle in ("denoiseg_2d", "denoiseg_3d"):
        for name, own in CLASSIC.items():
            files[BUNDLES / bundle / "configs" / "predict" / f"{name}.json"] = render(CLASSIC_KEYS | own) + "\n"
    files[BUNDLES / "denoiseg_3d" / "configs" / "logging.conf"] = (source / "logging.conf").read_text("utf-8")
    return files


def out_of_step() -> list[Path]:
    """The files that hold something else than they should, and those that nothing derives."""
    files = wanted_files()
    found = [path for folder in ("train", "predict") for path in BUNDLES.glob(f"denoiseg_?d/configs/{folder}/*.json")]
    return [path for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text] + [
        path for path in found if path not in files
    ]


def main() -> int:
    """Write the files, or list those out of step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    wrong = out_of_step()
    if parser.parse_args().check:
        for path in wrong:
            print(f"{path.relative_to(BUNDLES)} is out of step: run python scripts/sync_bundles.py")
        return int(bool(wrong))
    files = wanted_files()
    for path in wrong:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], "utf-8") if path in files else path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())

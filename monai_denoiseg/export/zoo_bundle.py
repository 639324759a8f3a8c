"""A bundle that stands alone, zipped, as MONAI's model zoo takes it."""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import monai
import numpy as np
import torch

import monai_denoiseg
from monai_denoiseg.bundle.folders import bundle_folder
from monai_denoiseg.export.card import channel_names, spacing_note
from monai_denoiseg.export.module import DENOISED, PROBABILITIES
from monai_denoiseg.export.onnx_file import onnx_bytes
from monai_denoiseg.export.package_page import package_page
from monai_denoiseg.export.papers import papers_of
from monai_denoiseg.export.torchscript import torchscript_bytes
from monai_denoiseg.export.zoo_checks import LARGEST, check_zoo_bundle
from monai_denoiseg.files import copy_file, copy_folder, write_bytes, write_json, write_text, writing

VERSION = "0.1.0"


def write_zoo_bundle(network: Any, source: Path, target: Path, about: dict[str, Any]) -> str:
    """Write the zip file, after the bundle has passed the checks of the model zoo.

    It holds the configurations of this package's bundle, the network as ``model.pt``, ``model.ts`` and ``model.onnx``, an overlay
    that computes with onnxruntime, and pages. Its code is the package ``monai_denoiseg``, which its metadata require.

    Args:
        network: of ``source``, with its weights.
        source: the model file.
        target: the zip file; the bundle is called as it is.
        about: ``name``, ``license`` and ``authors``.

    Returns:
        What the checks found.

    Raises:
        ValueError: when the network cannot be exported, or a check fails.
    """
    shipped = bundle_folder(f"denoiseg_{network.spatial_dims}d")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / target.stem
        copy_folder(shipped / "configs", root / "configs")
        copy_file(shipped / "LICENSE", root / "LICENSE")
        copy_file(source, root / "models" / "model.pt")
        onnx, report = onnx_bytes(network)
        write_bytes(onnx, root / "models" / "model.onnx")
        write_bytes(torchscript_bytes(network)[0], root / "models" / "model.ts")
        _set_root(root / "configs")
        write_json({"runtime": "onnx"}, root / "configs" / "inference_onnx.json")
        write_json(_metadata(network, shipped, about), root / "configs" / "metadata.json")
        _write_pages(network, root, about, came_with=source == shipped / "models" / "model.pt")
        large = _write_large_files(root)
        passed = check_zoo_bundle(root)
        with writing(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(root.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(folder))
    return f"ONNX: {report.as_text()}; passed: {', '.join(passed)}{large}"


def _set_root(configs: Path) -> None:
    """The bundle's own network is used, not the one that came with the package."""
    for name in ("train", "inference", "evaluate"):
        path = configs / f"{name}.json"
        write_text(path.read_text("utf-8").replace('"bundle_root": null', '"bundle_root": "."', 1), path)


def _metadata(network: Any, shipped: Path, about: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shipped / "configs" / "metadata.json").read_text("utf-8"))
    packages = {name: version(name) for name in found["required_packages_version"] if name != "monai_denoiseg"}
    does = " and ".join(["denoising"] * bool(network.denoises) + ["segmentation"] * bool(network.n_classes))
    names = channel_names(network)
    channels = [*names.get(PROBABILITIES, []), *(["denoised"] if network.in_channels == 1 else names.get(DENOISED, []))]
    channels = channels[: network.n_classes + network.in_channels * network.denoises]
    inputs, outputs = (found["network_data_format"][key] for key in ("inputs", "outputs"))
    inputs["image"] |= {
        "num_channels": network.in_channels,
        "channel_def": {str(number): f"channel{number}" for number in range(network.in_channels)},
    }
    outputs["pred"] |= {
        "num_channels": len(channels),
        "channel_def": {str(number): name for number, name in enumerate(channels)},
        "format": "segmentation" if network.n_classes else "magnitude",
    }
    if note := spacing_note(network):
        found |= {"target_spacing": list(network.target_spacing), "target_spacing_note": f"Of model.ts and model.onnx: {note}"}
    return found | {
        "version": VERSION,
        "changelog": {VERSION: f"exported by monai_denoiseg {monai_denoiseg.__version__}"},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {"monai_denoiseg": monai_denoiseg.__version__} | packages,
        "optional_packages_version": {"onnxruntime": version("onnxruntime"), "onnx": version("onnx")},
        "name": about["name"],
        "task": f"{does.capitalize()} of noisy {network.spatial_dims}D images",
        "authors": ", ".join(about["authors"]),
        "copyright": f"Copyright (c) {', '.join(about['authors'])}",
        "eval_metrics": {},
        "data_source": "said in docs/data_license.txt",
        "pred_classes": ", ".join(f"{number}: {name}" for number, name in enumerate(channels)),
        "references": [f"{paper.text} https://doi.org/{paper.doi}" for paper in papers_of(network)],
    }


def _write_pages(network: Any, root: Path, about: dict[str, Any], *, came_with: bool) -> None:
    page = package_page(network, about) + (_RESAMPLES if spacing_note(network) else "")
    write_text(page + _USE.replace("NAME", root.name), root / "docs" / "README.md")
    own = "Say here where the training images come from, and under which conditions they and the weights may be used.\n"
    shipped = bundle_folder("denoiseg_2d") / "docs" / "data_license.txt"
    write_text(shipped.read_text("utf-8") if came_with else own, root / "docs" / "data_license.txt")


def _write_large_files(root: Path) -> str:
    """The zoo takes no files above 25 MB: it wants them elsewhere, and a list of where they are."""
    large = [path for path in sorted(root.rglob("*")) if path.is_file() and path.stat().st_size > LARGEST]
    if not large:
        return ""
    lines = ["large_files:"]
    for path in large:
        lines += [f'  - path: "{path.relative_to(root).as_posix()}"', '    url: ""']
        lines += [f'    hash_val: "{hashlib.sha256(path.read_bytes()).hexdigest()}"', '    hash_type: "sha256"']
    write_text("\n".join([*lines, ""]), root / "docs" / "large_files.yml")
    return (
        f"; for a pull request to the zoo upload {', '.join(path.name for path in large)} (above 25 MB), enter the addresses in "
        "docs/large_files.yml and move it to the bundle's folder"
    )


_RESAMPLES = """
`configs/inference.json` of this bundle resamples images by itself; what is said of the voxel size above is for `models/model.ts`
and `models/model.onnx`.
"""

_USE = """
## Use

```
pip install monai_denoiseg
cd NAME
python -m monai.bundle run --config_file configs/inference.json --dataset_dir FOLDER --output_dir RESULTS
```

With onnxruntime in place of PyTorch (`pip install 'monai_denoiseg[export]'`):

```
python -m monai.bundle run --config_file "['configs/inference.json', 'configs/inference_onnx.json']" --dataset_dir FOLDER
```

`models/model.ts` and `models/model.onnx` need no package: they take raw intensities and give probabilities and denoised image.
"""

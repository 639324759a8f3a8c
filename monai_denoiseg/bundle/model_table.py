"""The networks there are to infer with: those that came with the package, and those of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monai_denoiseg.bundle.folders import BUNDLES, bundle_folder
from monai_denoiseg.networks import load_network

_MOST = 200
"""Networks looked at in a folder."""


def model_lines(folder: str | Path = ".") -> Iterator[str]:
    """Describe each network: its file, what it takes and gives, and what it was trained on.

    Args:
        folder: searched with its subfolders for ``model.pt``.

    Yields:
        Lines.

    Raises:
        FileNotFoundError: when there is no such folder.

    >>> next(model_lines()).partition(":")[0]
    'came with the package'
    """
    place = Path(folder)
    if not place.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    yield "came with the package:"
    shipped = [(bundle, bundle_folder(bundle)) for bundle in BUNDLES]
    for bundle, root in shipped:
        if (root / "models" / "model.pt").is_file():
            yield f"  {bundle} ({_about(root / 'models' / 'model.pt')})"
            yield f"    card: {root / 'docs' / 'README.md'}"
    own = {(root / "models" / "model.pt").resolve() for _, root in shipped}
    found = sorted(path for path in place.rglob("model.pt") if path.resolve() not in own)
    yield f"in {folder}:" if found else f"in {folder}: none"
    for path in found[:_MOST]:
        yield f"  {path} ({_about(path)})"
    if len(found) > _MOST:
        yield f"  and {len(found) - _MOST} more"


def _about(path: Path) -> str:
    try:
        network: Any = load_network(path)
    except Exception as error:  # whatever is wrong with one file must not hide the others
        return f"cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    head = network.head
    gives = ["denoised image"] * bool(network.denoises)
    if head.classes:
        gives.append("classes " + ", ".join(head.classes[1:]))
    elif head.segments:
        gives.append("objects")
    data = (getattr(network, "training_info", None) or {}).get("data") or {}
    trained = f"; trained on {data['train']} images, {data['train_labelled']} annotated" if "train" in data else ""
    channels = f"{network.in_channels} channel{'s' * (network.in_channels > 1)}"
    return f"{network.spatial_dims}D, {channels}: {' and '.join(gives)}{trained}"

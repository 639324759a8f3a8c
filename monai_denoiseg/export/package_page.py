"""The page that goes with an exported network, for people."""

from __future__ import annotations

from typing import Any

import monai_denoiseg
from monai_denoiseg.export.card import channel_names, describe_export
from monai_denoiseg.export.module import first_stage
from monai_denoiseg.export.papers import papers_of


def package_page(network: Any, about: dict[str, Any]) -> str:
    """What the network takes and gives, how labels are made of it, how to check it, and what to cite; Markdown.

    Args:
        network: see :class:`~monai_denoiseg.export.ExportNet`.
        about: ``name`` and ``license``.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> package_page(DenoiSegNet(2, depth=1, features=4), {"name": "Nuclei", "license": "MIT"}).splitlines()[0]
    '# Nuclei'
    """
    card = describe_export(network, "inside" if first_stage(network).by_image else "training")
    lines = [f"# {about['name']}", "", _what(network), "", "## Input and output", ""]
    lines += [f"- Input: {card['input']}.", *(f"- Output {one}." for one in card["output"].split("; "))]
    lines += [f"- Channels of `{name}`: {_listed(names)}." for name, names in channel_names(network).items()]
    lines += [f"- Normalisation: {card['statistics_note']}", ""]
    if "target_spacing_note" in card:
        lines[-1:] = [f"- Voxel size: {card['target_spacing_note']}", ""]
    if card["statistics"] == "training" and not network.sees_whole:
        margin = " x ".join(map(str, network.receptive_radius))
        lines[-1:] = [f"- Tiles: a margin of {margin} voxels to each side makes them equal to the whole image.", ""]
    if network.n_classes:
        lines += ["## From probabilities to labels", "", _rule(card), ""]
    lines += ["## Validation", "", _validation(network), "", "## License", "", f"{about['license']}", "", "## Citation", ""]
    lines += [f"- {paper.text} https://doi.org/{paper.doi}" for paper in papers_of(network)]
    return "\n".join([*lines, ""])


def _what(network: Any) -> str:
    does = " and ".join(["denoises"] * bool(network.denoises) + ["segments"] * bool(network.n_classes))
    return (
        f"A network that {does} {network.spatial_dims}D images of {network.in_channels} channel(s), exported by monai_denoiseg "
        f"{monai_denoiseg.__version__}. Normalisation, padding and activation are inside: it takes raw intensities of any size."
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names if len(names) <= 8 else [*names[:3], "...", names[-1]])


def _rule(card: dict[str, Any]) -> str:
    threshold = ", ".join(f"{value:.3g} for best {name.upper()}" for name, value in card["threshold"].items())
    rule = card["head"].get("rule") or {}
    options = ", ".join(f"`{key}` {value}" for key, value in rule.items())
    return (
        f"The head is `{card['head']['kind']}`. Thresholds found in training: {threshold}. "
        + (f"Its rule: {options}. " if options else "")
        + "`monai-denoiseg infer --model_file model.pt` applies both; a plain threshold of the foreground with connected "
        "components gives less where objects touch."
    )


def _validation(network: Any) -> str:
    kind = "average precision (AP) of objects at IoU 0.5, or the Dice score of classes" if network.n_classes else "PSNR"
    more = " and PSNR" if network.n_classes and network.denoises else ""
    return (
        f"Measure {kind}{more} on annotated images of your own that were not trained on: "
        "`monai-denoiseg evaluate --dataset_dir FOLDER --model_file model.pt`. Images unlike those of the training (other "
        "modality, magnification, exposure, inverted contrast) give results that must not be trusted unseen."
    )

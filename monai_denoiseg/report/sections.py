"""The sections of the page, each a piece of HTML; an empty string where there is nothing to show."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from monai_denoiseg.report.classes import dice_columns, section
from monai_denoiseg.report.run_folder import RunFolder, class_names, column, number
from monai_denoiseg.report.task import learned, task_of

METRIC_HINTS = {
    "ap": ("AP", "found / (found + missed + made up), at IoU > 0.5"),
    "seg": ("SEG", "mean overlap (IoU) of the annotated objects with their match"),
    "dice": ("Dice", "overlap of found and annotated voxels; 1 is perfect"),
}


def introduction(run: RunFolder) -> str:
    """Say in plain words what was done with how many images.

    Args:
        run: the run's parts.

    >>> from pathlib import Path
    >>> run = RunFolder(Path("run"), about={"data": {"train": 60, "train_labelled": 8}})
    >>> "60 images, 8 of them annotated" in introduction(run)
    True
    """
    data = run.about.get("data") or {}
    total, labelled = (sum(_count(data, f"{part}{kind}") for part in ("train", "validation")) for kind in ("", "_labelled"))
    task = task_of(run)
    annotated = f", {labelled} of them annotated" if task.segments else ""
    from_what = f" from <b>{total} images{annotated}</b>" if total else ""
    text = learned(run, from_what)
    if _count(data, "validation"):
        chosen = "the best network and its threshold" if "threshold" in task.head.columns else "the best network"
        text += f" {_count(data, 'validation')} of the images were kept apart to choose {chosen}."
    if count := _count(run.metrics, "n_scored") or _count(run.metrics, "n_images"):
        text += f" The figures below were measured on {_plural(count, 'image')}."
        text += _of_the_training(run)
    if skipped := _count(run.metrics, "n_skipped"):
        text += f" {_plural(skipped, 'image')} could not be scored."
    return f'<p class="lead">{text}</p>'


def _of_the_training(run: RunFolder) -> str:
    trained, validated = (_count(run.metrics, name) for name in ("n_trained", "n_validated"))
    if not trained + validated:
        return ""
    if run.metrics.get("headline") == "new images":
        return f" Of the evaluated images {trained} were trained on and {validated} chose the threshold: they do not count."
    return " <b>All of them are images of the training</b>, so the figures say nothing of new images."


def cards(run: RunFolder) -> str:
    """Show the key figures large.

    Args:
        run: the run's parts.

    >>> from pathlib import Path
    >>> "0.712" in cards(RunFolder(Path("run"), metrics={"ap": 0.7123}))
    True
    """
    made = []
    for key, (name, hint) in METRIC_HINTS.items():
        if np.isfinite(value := number(run.metrics.get(key))):
            made.append(_card(name, f"{value:.3f}", hint))
    psnr, before = number(run.metrics.get("psnr")), number(run.metrics.get("psnr_input"))
    if np.isfinite(psnr):
        arrow = f"<small>{before:.1f} →</small> " if np.isfinite(before) else ""
        made.append(_card("PSNR", f"{arrow}{psnr:.1f} <small>dB</small>", "before and after, against the clean image"))
    if np.isfinite(removed := number(run.metrics.get("residual_std"))) and not task_of(run).segments:
        made.append(_card("Removed", f"{removed:.3g}", "standard deviation of what was removed, in raw intensity units"))
    if np.isfinite(seconds := number(run.about.get("seconds"))):
        made.append(_card("Training time", duration(seconds), escape(str(run.about.get("device") or ""))))
    if count := _count(run.about, "n_parameters"):
        size = f"{count / 1e6:.2f} <small>M</small>" if count >= 1e6 else f"{count / 1e3:.0f} <small>k</small>"
        made.append(_card("Network", size, "trained weights"))
    return f'<div class="cards">{"".join(made)}</div>' if made else ""


def image_table(run: RunFolder) -> str:
    """List the scores of every image.

    Args:
        run: the run's parts.

    >>> from pathlib import Path
    >>> "&lt;b&gt;.tif" in image_table(RunFolder(Path("run"), images=[{"image": "<b>.tif", "ap": "0.5"}]))
    True
    """
    columns = (*_COLUMNS[:5], *dice_columns(run), *_COLUMNS[5:])
    if not task_of(run).segments:
        columns = (*columns, *_REMOVED)
    known = [(key, name) for key, name in columns if np.isfinite(column(run.images, key)).any()]
    if not run.images:
        return ""
    head = "".join(f"<th>{name}</th>" for name in ("Image", *(name for _, name in known)))
    ranks = {example.name: example.rank for example in run.examples}
    rows = []
    for row in run.images:
        name = str(row.get("image") or "")
        rank = next((rank for stem, rank in ranks.items() if same_image(name, stem)), "")
        tag = f' <span class="tag">{rank}</span>' if rank else ""
        cells = "".join(f"<td>{_cell(key, number(row.get(key)))}</td>" for key, _ in known)
        rows.append(f"<tr><td>{escape(name)}{tag}</td>{cells}</tr>")
    table = f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    return section("Image by image", _how_averaged(run), table)


def details(run: RunFolder) -> str:
    """List settings, versions and all measured values, folded away.

    Args:
        run: the run's parts.

    >>> from pathlib import Path
    >>> details(RunFolder(Path("run"), about={"settings": {"seed": 0}})).count("<details>")
    1
    """
    machine = {
        key: run.about.get(key) for key in ("command", "device", "seconds", "n_parameters") if run.about.get(key) is not None
    }
    groups = {
        "Settings": run.about.get("settings"),
        "Versions": run.about.get("versions"),
        "Run": machine | {f"images: {key.replace('_', ' ')}": value for key, value in (run.about.get("data") or {}).items()},
        "All measured values": run.metrics,
    }
    made = [
        f"<details><summary>{title}</summary><table><tbody>{_pairs(values)}</tbody></table></details>"
        for title, values in groups.items()
        if isinstance(values, dict) and values
    ]
    return section("Settings and versions", "Enough to repeat the run.", "".join(made)) if made else ""


def left_out(run: RunFolder) -> str:
    """Name the files that could not be read.

    Args:
        run: the run's parts.

    >>> from pathlib import Path
    >>> left_out(RunFolder(Path("run")))
    ''
    """
    lines = "".join(f"<p><code>{escape(line)}</code></p>" for line in run.unreadable)
    return (
        section("Left out", "These files are there but could not be read.", f'<div class="note warn">{lines}</div>')
        if lines
        else ""
    )


def same_image(image: str, stem: str) -> bool:
    """Whether a table's image name and the stem of an example's file mean the same image.

    Args:
        image: name with or without a suffix such as ``.tif`` or ``.nii.gz``.
        stem: the stem.

    >>> same_image("cell.1.tif", "cell.1"), same_image("cell_10.tif", "cell_1")
    (True, False)
    """
    rest = image.removeprefix(stem)
    return image == stem or (
        image.startswith(stem)
        and rest.lower() in (".tif", ".tiff", ".png", ".nii", ".nii.gz", ".gz", ".ome.tif", ".zarr", ".ome.zarr")
    )


def duration(seconds: float) -> str:
    """Write a time as people say it.

    Args:
        seconds: at least 0.

    >>> duration(203.4), duration(7300), duration(12)
    ('3 min 23 s', '2 h 1 min', '12 s')
    """
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


_COLUMNS = (
    ("ap", "AP"),
    ("seg", "SEG"),
    ("precision", "Precision"),
    ("recall", "Recall"),
    ("f1", "F1"),
    ("n_truth", "Annotated"),
    ("n_predicted", "Found"),
    ("psnr_input", "PSNR before"),
    ("psnr", "PSNR after"),
)
_REMOVED = (
    ("ssim", "SSIM"),
    ("residual_mean", "Removed: mean"),
    ("residual_std", "Spread"),
    *((f"residual_autocorrelation_{axis.lower()}", f"Corr. {axis}") for axis in "ZYX"),
)


def _card(name: str, value: str, hint: str) -> str:
    return f'<div class="card"><div class="name">{name}</div><div class="value">{value}</div><div class="hint">{hint}</div></div>'


def _cell(key: str, value: float) -> str:
    if not np.isfinite(value):
        return "–"
    if key in ("ap", "dice"):
        share = 100 * min(max(value, 0), 1)
        return f'{value:.3f}<span class="bar" style="--share:{share:.0f}%"></span>'
    if key.startswith("n_"):
        return f"{value:.0f}"
    return f"{value:.1f}" if key.startswith("psnr") else f"{value:.3f}"


def _how_averaged(run: RunFolder) -> str:
    if not task_of(run).segments:
        return "PSNR and SSIM compare with the clean image, where there is one; what was removed is input minus denoised image."
    if class_names(run):
        return "Dice of a class is left open (–) where the image has none of it."
    reduction = run.metrics.get("reduction")
    if reduction is None:
        return "Objects count as found where they overlap their annotation by more than half (IoU)."
    average = {"image_mean": "means over these images", "pooled": "pooled over all objects"}.get(reduction, str(reduction))
    return f"The figures at the top are {escape(average)}."


def _pairs(values: dict[str, Any]) -> str:
    return "".join(f"<tr><td>{escape(str(k))}</td><td><code>{escape(str(v))}</code></td></tr>" for k, v in values.items())


def _count(values: dict[str, Any], key: str) -> int:
    value = number(values.get(key))
    return int(value) if np.isfinite(value) else 0


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

"""What the page shows of semantic classes: names, colours and Dice."""

from __future__ import annotations

from html import escape

import numpy as np

from monai_denoiseg.pictures import class_colours
from monai_denoiseg.report.run_folder import RunFolder, class_names, column, number


def section(title: str, lead: str, body: str) -> str:
    """Put a title and a sentence above a part of the page.

    Args:
        title: HTML of the title.
        lead: HTML of the sentence.
        body: HTML of the part.

    >>> section("Title", "lead", "<br>")
    '<section><h2>Title</h2><p class="soft">lead</p><br></section>'
    """
    return f'<section><h2>{title}</h2><p class="soft">{lead}</p>{body}</section>'


def class_colour(label: int, n_classes: int) -> str:
    """Colour of a class in CSS, the same as in the pictures.

    Args:
        label: label value of the class.
        n_classes: number of classes, background included.

    >>> class_colour(1, 3)
    'rgb(230, 159, 0)'
    """
    return f"rgb({', '.join(str(round(255 * part)) for part in class_colours(n_classes)[label])})"


def class_legend(names: list[str]) -> str:
    """A coloured square and the name of each class but the background.

    Args:
        names: background first.

    >>> class_legend(["background", "liver"])
    '<span class="swatch" style="--colour:rgb(230, 159, 0)">liver</span>'
    """
    entries = (
        f'<span class="swatch" style="--colour:{class_colour(label, len(names))}">{escape(name)}</span>'
        for label, name in enumerate(names)
    )
    return "".join(list(entries)[1:])


def dice_columns(run: RunFolder) -> list[tuple[str, str]]:
    """Columns of the table of images that hold Dice: key and title.

    Args:
        run: the run's parts.

    >>> from pathlib import Path
    >>> dice_columns(RunFolder(Path("run"), metrics={"classes": ["background", "a<b"]}))
    [('dice', 'Dice'), ('dice_a<b', 'a&lt;b')]
    """
    return [("dice", "Dice"), *((f"dice_{name}", escape(name)) for name in class_names(run)[1:])]


def dice_table(run: RunFolder) -> str:
    """List Dice, surfaces and volume of each semantic class; nothing where instances were found.

    Args:
        run: the run's parts.

    >>> from pathlib import Path
    >>> "0.912" in dice_table(RunFolder(Path("run"), metrics={"classes": ["background", "liver"], "dice_liver": 0.9123}))
    True
    """
    names = class_names(run)
    if not any(np.isfinite(number(run.metrics.get(f"dice_{name}"))) for name in names):
        return ""
    more = [(key, title) for key, title in _MORE if any(np.isfinite(number(run.metrics.get(f"{key}_{name}"))) for name in names)]
    rows = "".join(_row(run, label, names, [key for key, _ in more]) for label in range(1, len(names)))
    titles = ("Class", "Dice", "95 % interval", "lowest", "highest", "Images with it", *(title for _, title in more))
    head = f"<tr>{''.join(f'<th>{title}</th>' for title in titles)}</tr>"
    table = f'<div class="table"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
    tolerance = number(run.metrics.get("surface_tolerance"))
    lead = (
        "Dice is twice the common voxels over the sum of found and annotated voxels. Mean over the images that have the class; "
        "the figure at the top is the mean over the classes."
        + (f" Surface Dice: share of the surfaces less than {tolerance:g} apart. " if np.isfinite(tolerance) else "")
        + ("Intervals: where the mean would lie with other images of this kind (bootstrap)." if _interval(run, "dice") else "")
    )
    return section("Class by class", lead, table)


_MORE = (("hd95", "HD95"), ("surface_dice", "Surface Dice"), ("volume_error_ml", "Volume error, mL"))


def _interval(run: RunFolder, key: str) -> str:
    known = run.metrics.get("intervals")
    ends = known.get(key) if isinstance(known, dict) else None
    if not isinstance(ends, list) or not np.isfinite([number(end) for end in ends]).all():
        return ""
    return " – ".join(f"{number(end):.3f}" for end in ends)


def _row(run: RunFolder, label: int, names: list[str], more: list[str]) -> str:
    mean, values = number(run.metrics.get(f"dice_{names[label]}")), column(run.images, f"dice_{names[label]}")
    values = values[np.isfinite(values)]
    bar = f'<span class="bar" style="--share:{100 * min(max(mean, 0), 1):.0f}%"></span>' if np.isfinite(mean) else ""
    low, high = (f"{end:.3f}" if len(values) else "–" for end in (min(values, default=0), max(values, default=0)))
    name = f'<span class="swatch" style="--colour:{class_colour(label, len(names))}">{escape(names[label])}</span>'
    shown = f"{mean:.3f}" if np.isfinite(mean) else "–"
    others = [number(run.metrics.get(f"{key}_{names[label]}")) for key in more]
    figures = [f"{value:.3g}" if np.isfinite(value) else "–" for value in others]
    interval = _interval(run, f"dice_{names[label]}") or "–"
    cells = (name, f"{shown}{bar}", interval, low, high, str(len(values)), *figures)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"

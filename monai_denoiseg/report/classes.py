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
    """List the Dice of each semantic class; nothing where instances were found.

    Args:
        run: the run's parts.

    >>> from pathlib import Path
    >>> "0.912" in dice_table(RunFolder(Path("run"), metrics={"classes": ["background", "liver"], "dice_liver": 0.9123}))
    True
    """
    names = class_names(run)
    if not any(np.isfinite(number(run.metrics.get(f"dice_{name}"))) for name in names):
        return ""
    rows = "".join(_row(run, label, names) for label in range(1, len(names)))
    head = "<tr><th>Class</th><th>Dice</th><th>lowest</th><th>highest</th><th>Images with it</th></tr>"
    table = f'<div class="table"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
    lead = (
        "Dice is twice the common voxels over the sum of found and annotated voxels. Mean over the images that have the class; "
        "the figure at the top is the mean over the classes."
    )
    return section("Class by class", lead, table)


def _row(run: RunFolder, label: int, names: list[str]) -> str:
    mean, values = number(run.metrics.get(f"dice_{names[label]}")), column(run.images, f"dice_{names[label]}")
    values = values[np.isfinite(values)]
    bar = f'<span class="bar" style="--share:{100 * min(max(mean, 0), 1):.0f}%"></span>' if np.isfinite(mean) else ""
    low, high = (f"{end:.3f}" if len(values) else "–" for end in (min(values, default=0), max(values, default=0)))
    name = f'<span class="swatch" style="--colour:{class_colour(label, len(names))}">{escape(names[label])}</span>'
    shown = f"{mean:.3f}" if np.isfinite(mean) else "–"
    return f"<tr><td>{name}</td><td>{shown}{bar}</td><td>{low}</td><td>{high}</td><td>{len(values)}</td></tr>"

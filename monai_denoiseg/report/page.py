"""The report: one HTML file with everything in it, so that it can be mailed and opened anywhere, offline."""

from __future__ import annotations

from datetime import datetime
from html import escape
from pathlib import Path

from monai_denoiseg import __version__
from monai_denoiseg.files import ResultSet, write_text
from monai_denoiseg.report import classes, curves, examples, noise, sections
from monai_denoiseg.report.run_folder import RunFolder, read_run
from monai_denoiseg.report.task import title


def write_report(run_dir: str | Path, path: str | Path | None = None) -> Path:
    """Write the report of a run: pictures, figures, curves and settings in one HTML file without scripts or outside references.

    Args:
        run_dir: the run's output folder, see `read_run`; what is missing there is left out.
        path: the file to write; default ``report.html`` in ``run_dir``.

    Returns:
        The path of the file.

    Raises:
        FileExistsError: when there is a file of that name that is no earlier report.
        FileNotFoundError: when ``run_dir`` is no folder of a run.

    >>> import tempfile
    >>> run_dir = Path(tempfile.mkdtemp())
    >>> _ = (run_dir / "settings.json").write_text('{"settings": {"alpha": 0.5}}')
    >>> write_report(run_dir).name
    'report.html'
    """
    run = read_run(run_dir)
    target = Path(path) if path is not None else run.folder / "report.html"
    page = render(run)
    with ResultSet(target.parent, f"report-{target.name}") as results:
        write_text(page, results.add(target))
    return target


def render(run: RunFolder) -> str:
    """Put the page together.

    Args:
        run: the run's parts.

    Returns:
        The HTML document.

    >>> render(RunFolder(Path("run"))).startswith("<!doctype html>")
    True
    """
    style = Path(__file__).with_name("style.css").read_text("utf-8")
    name = escape(run.folder.resolve().name)
    written = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    body = [
        f'<header><p class="eyebrow">monai_denoiseg · run report</p><h1>{title(run)}</h1>',
        sections.introduction(run),
        sections.cards(run),
        "</header>",
        classes.dice_table(run),
        examples.example_panels(run),
        curves.curves(run),
        noise.residual_check(run),
        sections.image_table(run),
        sections.details(run),
        sections.left_out(run),
        f"<footer>Run folder “{name}” · written {written} by monai_denoiseg {__version__}</footer>",
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title(run)} · {name}</title><style>{style}</style>"
    )
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body><main>{"".join(body)}</main></body>\n</html>\n'

"""What the network of a run learned to do, and the words for it."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

from monai_denoiseg.heads import BorderHead, Head, described_head
from monai_denoiseg.report.run_folder import RunFolder, class_names


class Task(NamedTuple):
    """What a run does.

    Args:
        head: what is predicted besides the denoised image.
        denoises: gives a denoised image.
        target: folder of the images that denoising learned from; empty for blind spots.
        struct_mask: mask of structN2V; None for none.
    """

    head: Head = BorderHead()
    denoises: bool = True
    target: str = ""
    struct_mask: Any = None

    @property
    def segments(self) -> bool:
        """Whether objects or classes are found."""
        return self.head.segments


def task_of(run: RunFolder) -> Task:
    """Read from the settings and the figures what the network does.

    Args:
        run: the run's parts.

    >>> from pathlib import Path
    >>> task_of(RunFolder(Path("run"), metrics={"head": "none"})).segments
    False
    """
    settings = run.about.get("settings")
    known = settings if isinstance(settings, dict) else {}
    head = described_head(run.metrics.get("head") or known.get("head"), class_names(run))
    denoises = run.metrics.get("denoises", known.get("denoises", True)) is not False
    return Task(head, denoises, str(known.get("target") or ""), known.get("struct_mask"))


def title(run: RunFolder) -> str:
    """Title of the page.

    Args:
        run: the run's parts.

    >>> from pathlib import Path
    >>> title(RunFolder(Path("run"))), title(RunFolder(Path("run"), metrics={"head": "none"}))
    ('Denoising and segmentation', 'Denoising')
    """
    task = task_of(run)
    return " and ".join(["denoising"] * task.denoises + ["segmentation"] * task.segments).capitalize()


def learned(run: RunFolder, from_what: str) -> str:
    """Say in HTML what the network learned, and from what.

    Args:
        run: the run's parts.
        from_what: HTML that tells the number of images, with a leading blank; may be empty.

    >>> from pathlib import Path
    >>> learned(RunFolder(Path("run"), metrics={"denoises": False}), " from 3 images")
    'One neural network learned from 3 images to find the objects in an image.'
    """
    task = task_of(run)
    goal = escape(task.head.goal("it" if task.denoises else "an image"))
    if not task.denoises:
        return f"One neural network learned{from_what} {goal}."
    how = "Denoising needed no clean images, since each pixel is predicted from its neighbours alone (Noise2Void)"
    if task.struct_mask:
        how += "; neighbours with related noise were hidden as well (structN2V)"
    if task.target:
        how = f"Denoising learned from a second image of each place (folder “{escape(task.target)}”)"
    if not task.segments:
        return f"One neural network learned{from_what} to remove noise from images. {how}."
    return (
        f"One neural network learned two tasks together{from_what}: to remove noise from every image, and {goal}. {how}; "
        "segmentation learned from the few annotations and gains from the shared features (DenoiSeg)."
    )

"""Whether what was removed looks like noise, and whether the noise was of a kind that can be removed."""

from __future__ import annotations

import math
from html import escape
from typing import Any

import numpy as np

from monai_denoiseg.metrics import CORRELATED, Residual, residual_figures
from monai_denoiseg.report.classes import section
from monai_denoiseg.report.run_folder import Example, RunFolder, number
from monai_denoiseg.report.task import Task, task_of
from monai_denoiseg.transforms.blindspot import covered_axes

REMEDY = "structN2V can (overlay <code>configs/train/structn2v.json</code>)"


def residual_check(run: RunFolder) -> str:
    """Give figures of what was removed, and say whether it looks like independent noise.

    Args:
        run: the run's parts.

    >>> from pathlib import Path
    >>> noise = np.random.default_rng(0).normal(size=(1, 32, 32))
    >>> arrays = {"input": noise, "denoised": np.zeros((1, 32, 32))}
    >>> "nearly uncorrelated" in residual_check(RunFolder(Path("run"), examples=[Example("best", "cell", arrays)]))
    True
    """
    able = [e for e in run.examples if "denoised" in e.arrays and e.arrays["denoised"].shape == e.arrays["input"].shape]
    figures = [(e, residual_figures(e.arrays["input"], e.arrays["denoised"])) for e in able]
    figures = [(e, figure) for e, figure in figures if figure.autocorrelation]
    task, noted = task_of(run), noise_note(run)
    if not figures:
        return section("Is the noise of a kind that can be removed?", "Measured before training.", noted) if noted else ""
    lead = "Input minus denoised, in raw intensity units, as shown beside the denoised images above."
    if not task.target:
        lead += " The network assumes noise that is independent from pixel to pixel."
    body = _residual_table(figures) + _interpretation([figure for _, figure in figures], task) + noted
    return section("Is what was removed just noise?", lead, body)


def noise_note(run: RunFolder) -> str:
    """Repeat the warning of :func:`~monai_denoiseg.handlers.check_noise`: correlated noise that no mask hides.

    Args:
        run: the run's parts; the result of the check stands in ``settings.json`` under ``noise``.

    >>> from pathlib import Path
    >>> noise = {"correlation": {"Y": 0.0, "X": 0.6}, "uncovered": ["X"], "n_images": 3, "suggested_mask": [[1, 1, 1]]}
    >>> "along X" in noise_note(RunFolder(Path("run"), about={"noise": noise}))
    True
    """
    settings = run.about.get("settings")
    found: Any = run.about.get("noise") or (settings.get("noise") if isinstance(settings, dict) else None)
    if not isinstance(found, dict) or not found.get("uncovered"):
        return ""
    axes = escape(" and ".join(map(str, found["uncovered"])))
    listed = ", ".join(
        f"{escape(str(axis))}: {_signed(number(value), 2)}" for axis, value in found.get("correlation", {}).items()
    )
    mask = f", <code>struct_mask</code> {escape(str(found['suggested_mask']))}" if found.get("suggested_mask") else ""
    return (
        f'<br><div class="note warn"><p>The noise of the training images is correlated between neighbouring pixels along {axes} '
        f"(lag-1 correlation {listed}; 0 for independent noise). Plain Noise2Void keeps such noise; {REMEDY}{mask}.</p></div>"
    )


def _residual_table(figures: list[tuple[Example, Residual]]) -> str:
    axes = list(figures[0][1].autocorrelation)
    head = "".join(f"<th>{name}</th>" for name in ("Image", "Mean", "Spread", *(f"Corr. {axis}" for axis in axes)))
    rows = "".join(
        f"<tr><td>{example.rank}</td><td>{_signed(figure.mean, _digits(figure.spread))}</td><td>{figure.spread:.3g}</td>"
        + "".join(f"<td>{_signed(figure.autocorrelation.get(axis, float('nan')), 2)}</td>" for axis in axes)
        + "</tr>"
        for example, figure in figures
    )
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _interpretation(figures: list[Residual], task: Task) -> str:
    mean = {
        axis: float(np.nanmean([f.autocorrelation.get(axis, np.nan) for f in figures])) for axis in figures[0].autocorrelation
    }
    listed = ", ".join(f"{axis}: {_signed(value, 2)}" for axis, value in mean.items())
    far = [axis for axis, value in mean.items() if abs(value) > CORRELATED]
    expected = set(far) <= set(_covered(task))
    text = (
        f"Neighbouring values are nearly uncorrelated (mean {listed}; within ±{CORRELATED}): "
        "what was removed looks like noise that is independent from pixel to pixel, as assumed."
    )
    if far:
        text = f"Neighbouring values along {' and '.join(far)} are correlated (mean {listed}; beyond ±{CORRELATED}). "
        if task.target:
            text += "Either the noise itself is correlated between neighbouring pixels, or some signal was removed with it."
        elif expected:
            text += "That is to be expected of correlated noise, and the mask of structN2V covers it; still look for structure."
        else:
            text += (
                "Either the noise itself is correlated between neighbouring pixels, which plain blind-spot denoising cannot "
                f"remove ({REMEDY}), or some signal was removed with it."
            )
    if any(abs(figure.mean) > CORRELATED * figure.spread for figure in figures):
        text += " The mean is not near 0: the denoised image is brighter or darker than the input."
    return f'<br><div class="note{" warn" if far and not expected else ""}"><p>{text}</p></div>'


def _covered(task: Task) -> list[str]:
    try:
        return covered_axes(task.struct_mask or None)
    except ValueError:  # a mask that somebody wrote into the settings by hand
        return []


def _signed(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−") if np.isfinite(value) else "–"


def _digits(spread: float) -> int:
    """Decimals that show a hundredth of the spread."""
    return max(0, 2 - math.floor(math.log10(spread))) if spread > 0 else 2

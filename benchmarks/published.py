"""Published results on DSB2018 to stand beside ours, by the names our methods have.

Source: DenoiSeg: Joint Denoising and Segmentation (Buchholz, Prakash, Krull, Jug; ECCV Workshops 2020, arXiv:2005.02987): the
tables of AP, SEG and PSNR on DSB2018 with alpha 0.5, the rows Baseline (`denoiseg_alpha0`: segmentation alone in the same
network and trainer), Sequential (Noise2Void, then Baseline on the denoised images) and, for the PSNR, Noise2Void alone.

Means of five runs, each with its own choice of labelled patches, after 200 epochs; 670 labelled validation patches choose
checkpoint and thresholds, one for AP and one for SEG. AP and SEG are truncated to four decimals, the standard errors of AP to
three. Standard errors (`ddof=0`) are published for alpha 0.5 in AP, for 10 labels and Noise2Void in PSNR; those of the others
are bands in figures.
"""

from __future__ import annotations

from typing import NamedTuple

LABELLED = (10, 19, 38, 76, 152, 304, 608, 1216, 2432, 3800)
"""Heads of the columns: labelled training patches, of 3800."""

Table = dict[int, dict[str, tuple[float, ...]]]

AP: Table = {
    0: {
        "denoiseg": (0.6251, 0.6371, 0.6636, 0.6789, 0.6945, 0.7425, 0.7699, 0.7944, 0.7754, 0.7858),
        "denoiseg_alpha0": (0.5789, 0.6198, 0.6645, 0.7070, 0.7384, 0.7752, 0.7869, 0.7845, 0.7711, 0.7940),
        "sequential": (0.5771, 0.6229, 0.6657, 0.6888, 0.7452, 0.7655, 0.7744, 0.7905, 0.7876, 0.7951),
    },
    10: {
        "denoiseg": (0.6628, 0.6983, 0.6902, 0.7116, 0.7460, 0.7605, 0.7752, 0.7806, 0.7944, 0.7792),
        "denoiseg_alpha0": (0.5636, 0.6395, 0.6703, 0.7113, 0.7453, 0.7604, 0.7814, 0.7847, 0.7953, 0.7914),
        "sequential": (0.6033, 0.6477, 0.6889, 0.7124, 0.7403, 0.7635, 0.7705, 0.7868, 0.7935, 0.7984),
    },
    20: {
        "denoiseg": (0.6777, 0.6899, 0.6974, 0.7140, 0.7233, 0.7336, 0.7413, 0.7667, 0.7751, 0.7710),
        "denoiseg_alpha0": (0.5491, 0.5836, 0.6421, 0.6719, 0.7233, 0.7392, 0.7633, 0.7816, 0.7787, 0.7671),
        "sequential": (0.6086, 0.6370, 0.6846, 0.7140, 0.7402, 0.7479, 0.7654, 0.7786, 0.7877, 0.7815),
    },
}
SEG: Table = {
    0: {
        "denoiseg": (0.6688, 0.6996, 0.7063, 0.7204, 0.7374, 0.7522, 0.7750, 0.7891, 0.7815, 0.7841),
        "denoiseg_alpha0": (0.6529, 0.7016, 0.7226, 0.7442, 0.7590, 0.7715, 0.7821, 0.7909, 0.7918, 0.7916),
        "sequential": (0.6612, 0.6922, 0.7116, 0.7322, 0.7619, 0.7742, 0.7813, 0.7929, 0.7928, 0.7911),
    },
    10: {
        "denoiseg": (0.6783, 0.7060, 0.7067, 0.7138, 0.7325, 0.7425, 0.7535, 0.7650, 0.7728, 0.7682),
        "denoiseg_alpha0": (0.6379, 0.6713, 0.6910, 0.7200, 0.7346, 0.7500, 0.7565, 0.7711, 0.7782, 0.7775),
        "sequential": (0.6423, 0.6805, 0.7036, 0.7221, 0.7363, 0.7492, 0.7603, 0.7710, 0.7720, 0.7736),
    },
    20: {
        "denoiseg": (0.6714, 0.6898, 0.6957, 0.7047, 0.7053, 0.7145, 0.7231, 0.7325, 0.7416, 0.7347),
        "denoiseg_alpha0": (0.6055, 0.6304, 0.6621, 0.6799, 0.7086, 0.7223, 0.7310, 0.7404, 0.7446, 0.7447),
        "sequential": (0.6401, 0.6569, 0.6903, 0.7135, 0.7171, 0.7250, 0.7334, 0.7413, 0.7489, 0.7498),
    },
}
PSNR: Table = {
    10: {"denoiseg": (37.57, 37.64, 37.61, 37.51, 37.54, 37.62, 37.83, 37.86, 37.67, 37.81), "noise2void": (38.01,)},
    20: {"denoiseg": (35.38, 35.22, 35.04, 34.92, 35.04, 35.27, 34.90, 35.27, 35.24, 35.19), "noise2void": (35.53,)},
}
"""In dB; a method without labels has one value. Without noise there is no PSNR."""
AP_SEM: Table = {
    0: {"denoiseg": (0.008, 0.01, 0.01, 0.004, 0.006, 0.007, 0.006, 0.003, 0.004, 0.002)},
    10: {"denoiseg": (0.01, 0.01, 0.01, 0.008, 0.004, 0.005, 0.007, 0.003, 0.003, 0.007)},
    20: {"denoiseg": (0.01, 0.008, 0.008, 0.002, 0.006, 0.004, 0.003, 0.006, 0.003, 0.006)},
}
PSNR_SEM: Table = {
    10: {"denoiseg": (0.070,), "noise2void": (0.059,)},
    20: {"denoiseg": (0.083,), "noise2void": (0.027,)},
}
"""The first column alone."""
SCORES: dict[str, tuple[Table, Table]] = {"ap": (AP, AP_SEM), "seg": (SEG, {}), "psnr": (PSNR, PSNR_SEM)}


class Published(NamedTuple):
    """A mean, and its standard error where it was published."""

    mean: float
    sem: float | None = None

    def text(self, digits: int = 3) -> str:
        """As in a table.

        >>> Published(0.6777, 0.01).text(), Published(0.5491).text()
        ('0.678 ± 0.010', '0.549')
        """
        return f"{self.mean:.{digits}f}" + ("" if self.sem is None else f" ± {self.sem:.{digits}f}")


def published(score: str, method: str, noise: float | None, labels: int | str | None) -> Published | None:
    """Look a number up.

    Args:
        score: ``"ap"``, ``"seg"`` or ``"psnr"``.
        method: as we call it.
        noise: in grey levels.
        labels: labelled training patches, ``"all"`` for all 3800, None for a method without labels.

    Returns:
        The number, or None where none was published.

    >>> published("ap", "denoiseg", 20, 10), published("psnr", "noise2void", 20, None), published("ap", "denoiseg", 20, 11)
    (Published(mean=0.6777, sem=0.01), Published(mean=35.53, sem=0.027), None)
    """
    means, errors = (table.get(noise, {}).get(method, ()) for table in SCORES[score])  # type: ignore[call-overload]
    heads: tuple[int | None, ...] = (None,) if method == "noise2void" else LABELLED
    wanted = LABELLED[-1] if labels == "all" else labels
    place = heads.index(wanted) if wanted in heads else len(heads)
    return Published(means[place], errors[place] if place < len(errors) else None) if place < len(means) else None

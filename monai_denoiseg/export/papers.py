"""What to cite for a network, by what it is made of."""

from __future__ import annotations

from typing import Any, NamedTuple


class Paper(NamedTuple):
    """A publication."""

    text: str
    doi: str


DENOISEG = Paper(
    "Buchholz, Prakash, Schmidt, Krull, Jug: DenoiSeg: Joint Denoising and Segmentation. ECCV Workshops 2020.",
    "10.1007/978-3-030-66415-2_21",
)
NOISE2VOID = Paper(
    "Krull, Buchholz, Jug: Noise2Void - Learning Denoising from Single Noisy Images. CVPR 2019.", "10.1109/CVPR.2019.00223"
)
N2V2 = Paper(
    "Höck, Buchholz, Brachmann, Jug, Freytag: N2V2 - Fixing Noise2Void Checkerboard Artifacts. ECCV Workshops 2022.",
    "10.1007/978-3-031-25069-9_33",
)
VOIDSEG = Paper(
    "Prakash, Buchholz, Lalit, Tomancak, Jug, Krull: Leveraging Self-supervised Denoising for Image Segmentation. ISBI 2020.",
    "10.1109/ISBI45749.2020.9098559",
)
STARDIST = Paper(
    "Schmidt, Weigert, Broaddus, Myers: Cell Detection with Star-Convex Polygons. MICCAI 2018.", "10.1007/978-3-030-00934-2_30"
)
UNET = Paper(
    "Ronneberger, Fischer, Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation. MICCAI 2015.",
    "10.1007/978-3-319-24574-4_28",
)
MONAI = Paper(
    "Cardoso et al.: MONAI: An open-source framework for deep learning in healthcare. 2022.", "10.48550/arXiv.2211.02701"
)


def papers_of(network: Any) -> list[Paper]:
    """The publications a network rests on, the most important first.

    Args:
        network: see :class:`~monai_denoiseg.export.ExportNet`.

    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> [paper.doi for paper in papers_of(DenoiSegNet(2, depth=1, features=4))][:2]
    ['10.1007/978-3-030-66415-2_21', '10.1109/CVPR.2019.00223']
    """
    stages = [network.denoiser, network.segmenter] if hasattr(network, "denoiser") else [network]
    both = network.denoises and network.n_classes and len(stages) == 1
    found = [DENOISEG] * bool(both) + [VOIDSEG] * (len(stages) > 1)
    found += [NOISE2VOID] * bool(network.denoises and network.blind)
    found += [N2V2] * any(getattr(stage.unet, "variant", "") == "n2v2" for stage in stages)
    found += [STARDIST] * bool(len(network.rays))
    found += [UNET] * any(hasattr(stage.unet, "variant") for stage in stages)
    return [*found, MONAI]

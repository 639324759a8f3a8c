"""Write into the network that the 2D bundle ships what images it was trained on; weights and thresholds stay as they are.

The images are those of `benchmarks/nuclei_model.py`: dev-train of DSB2018 but every eighth, each here at one of the four noise
levels in turn. Run from the root of the project:

    python scripts/shipped_domain.py ../shared/data/dsb2018
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tifffile
import torch

from monai_denoiseg.files import save_atomically
from monai_denoiseg.networks import load_network
from monai_denoiseg.networks.domain import describe_domain

MODEL = Path("bundles/denoiseg_2d/models/model.pt")
NOISE, EVERY = (0.0, 10.0, 20.0, 40.0), 8


def main(data: Path) -> None:
    """Rewrite the file."""
    paths = [path for n, path in enumerate(sorted((data / "dev-train" / "images").glob("*.tif"))) if n % EVERY]
    rng = np.random.default_rng(123)
    images = []
    for number, path in enumerate(paths):
        image = tifffile.imread(path).astype(np.float32)
        images.append(torch.from_numpy(image + rng.normal(0, NOISE[number % len(NOISE)], image.shape).astype(np.float32))[None])
    network, before = load_network(MODEL), torch.load(MODEL, weights_only=True)
    network.domain = {}  # unbounded while it is measured
    network.domain = describe_domain(network, images, [int(v) for v in np.median([i.shape[1:] for i in images], axis=0)])
    after = network.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items() if key in after and key != "description")
    save_atomically(after, MODEL)
    print({key: value for key, value in network.domain.items() if key != "channels"}, network.domain["channels"][0]["limit"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))

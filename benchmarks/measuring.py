"""Time and memory of measuring and of matching many objects, against one object after another and all pairs.

Discs (balls) on a grid, with random intensities; the prediction that is matched is the truth moved by a voxel, without
every tenth object. Measured: sizes, places, border and axes; the intensities of one channel; the matching of an
evaluation. On a few objects the same is done by `skimage.measure.regionprops_table`, with a function of each object for
the statistics, and by a dense table of all pairs with `scipy.optimize.linear_sum_assignment`. Peak memory is what numpy
allocates in a second run. One process, one thread. The last line printed is one JSON object.

    python benchmarks/measuring.py
    python benchmarks/measuring.py --objects 400 --few 100
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, record
from scipy.optimize import linear_sum_assignment
from skimage.measure import regionprops_table

from monai_denoiseg.measure import measure_labels
from monai_denoiseg.metrics import Overlap

RADIUS = {2: 4.3, 3: 3.2}
GROUPS = ["size", "centroid", "bbox", "border", "shape"]
THRESHOLDS = (0.3, 0.5)
Found = tuple[Any, dict[str, float]]


def many_objects(dims: int, number: int) -> np.ndarray:
    """At least ``number`` discs or balls on a grid, numbered."""
    side, edge = int(np.ceil(number ** (1 / dims))), int(2 * RADIUS[dims]) + 3
    cells = np.arange(1, side**dims + 1, dtype=np.int32).reshape((side,) * dims)
    away = np.ogrid[(slice(0, edge),) * dims]
    ball = np.asarray(sum((axis - edge // 2) ** 2 for axis in away)) <= RADIUS[dims] ** 2
    return np.kron(cells, ball.astype(np.int32))


def watched(work: Callable[[], Any]) -> Found:
    """What comes out, how long it takes, and what it allocates at the most (in a second run)."""
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return result, {"seconds": round(seconds, 3), "peak_mib": round(peak / 2**20, 1)}


def statistics(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    inside = values[mask].astype(np.float64)
    low, median, high = np.percentile(inside, [5, 50, 95])
    total = inside.sum()
    return np.array([total / len(inside), median, inside.std(), total, inside.min(), inside.max(), low, high])


def one_by_one(labels: np.ndarray, image: np.ndarray) -> dict[str, Any]:
    names = ["label", "num_pixels", "bbox", "centroid", "axis_major_length", "axis_minor_length", "equivalent_diameter_area"]
    return dict(regionprops_table(labels, image, properties=names, extra_properties=[statistics]))


def dense(truth: np.ndarray, prediction: np.ndarray) -> list[int]:
    """Matched pairs at each threshold, from the table of all pairs."""
    table = np.zeros((truth.max() + 1, prediction.max() + 1))
    np.add.at(table, (truth.ravel(), prediction.ravel()), 1)
    union = table.sum(1)[:, None] + table.sum(0) - table
    iou = np.divide(table, union, out=np.zeros_like(table), where=union > 0)[1:, 1:]
    above = [np.where(iou > threshold, 1 + iou / 1000, 0) for threshold in THRESHOLDS]
    return [int((one[linear_sum_assignment(one, maximize=True)] > 0).sum()) for one in above]


def sparse(truth: np.ndarray, prediction: np.ndarray) -> list[int]:
    overlap = Overlap.of(truth, prediction)
    return [overlap.match(threshold).tp for threshold in THRESHOLDS]


def predicted(truth: np.ndarray) -> np.ndarray:
    return np.where(truth % 10 == 0, 0, np.roll(truth, 1, -1))


def largest_difference(table: Any, reference: dict[str, Any]) -> float:
    """Of the columns, relative to the largest value of each."""
    columns = {"num_pixels": next(name for name in ("area", "volume") if name in table)}
    columns |= {"axis_major_length": "major_axis_px", "axis_minor_length": "minor_axis_px"}
    columns |= {f"statistics-{i}": f"{name}_raw" for i, name in enumerate(("mean", "median", "std", "sum", "min", "max"))}
    pairs = [(reference[theirs], table[ours].to_numpy()) for theirs, ours in columns.items()]
    return max(float(np.abs(one - other).max() / np.abs(one).max()) for one, other in pairs)


def one_case(dims: int, number: int, few: int, seed: int) -> dict[str, Any]:
    labels, sample = many_objects(dims, number), many_objects(dims, few)
    rng = np.random.default_rng(seed)
    image, small = (rng.normal(1000, 100, one.shape).astype(np.float32) for one in (labels, sample))
    found: dict[str, Any] = {"dims": dims, "shape": list(labels.shape), "objects": int(labels.max()), "few": int(sample.max())}
    _, found["places_and_shapes"] = watched(lambda: measure_labels(labels, measure=GROUPS))
    _, found["intensities"] = watched(lambda: measure_labels(labels, image[None], measure=["intensity"]))
    moved = predicted(labels)
    _, found["matching"] = watched(lambda: sparse(labels, moved))

    ours, quick = watched(lambda: measure_labels(sample, small[None], measure=[*GROUPS, "intensity"]))
    theirs, slow = watched(lambda: one_by_one(sample, small))
    found["few_measured"] = {"at_once": quick, "one_by_one": slow, "times_faster": round(slow["seconds"] / quick["seconds"], 1)}
    found["largest_difference"] = largest_difference(ours, theirs)
    start = time.perf_counter()
    measure_labels(sample, measure=["solidity"])
    found["hull_ms_per_object"] = round(1000 * (time.perf_counter() - start) / found["few"], 3)

    moved = predicted(sample)
    tp, quick = watched(lambda: sparse(sample, moved))
    all_tp, slow = watched(lambda: dense(sample, moved))
    found["few_matched"] = {"sparse": quick, "dense": slow, "times_faster": round(slow["seconds"] / quick["seconds"], 1)}
    return found | {"matches_equal": tp == all_tp, "matches": tp}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=2500, help="objects of the comparison with one by one and all pairs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder for the result")
    args = parser.parse_args()
    measure_labels(np.ones((4, 4), int), np.ones((1, 4, 4)))  # imports are no part of it
    cases = [one_case(dims, args.objects, args.few, args.seed) for dims in (2, 3)]
    result = {"seed": args.seed, "cases": cases}
    print("recorded in", record("measuring", result, args.results))
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""Few-label segmentation of noisy nuclei (DSB2018), beside the published results of DenoiSeg.

Patches of 128 x 128 (at most 10 an image), Gaussian noise added once, all training patches for denoising, --labels of them with
labels, chosen by the seed; scores on whole test images. Two protocols, which may stand in one folder:

    paper    --validation labelled patches choose checkpoint and threshold, as in the paper (200 of its 670 by default)
    honest   the labels are all there are: what chooses checkpoint and threshold comes out of the same N labels

Each finished run is a file in --output/runs; the same command goes on where it was stopped, and further noise levels, labels,
seeds, methods and the other protocol can be added to the folder by later commands. The table shows all of it.

SEG is measured at the threshold that is best for AP. The paper searches a second threshold for SEG; a SEG at that one would need
a second evaluation (evaluate.json, `threshold_for`) and is left out.

    python benchmarks/fewshot_dsb2018.py --data ../shared/data/dsb2018 --noise 10 20 --labels 10 19 --seeds 0 1 2 --protocol paper
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from common import record
from compare import carry_out, finished, without_folders
from compare_fewshot import commands, write_results
from compare_options import METHODS, add_run_options
from dsb2018 import PAPER, PROTOCOLS

TITLE = "fewshot_dsb2018"
DEFAULT_METHODS = ["denoiseg", "denoiseg_alpha0", "sequential"]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    add = found.add_argument
    add("--data", type=Path, help="folder with dev-train/ and dev-test/")
    add("--protocol", choices=PROTOCOLS, default=PAPER, help="what may choose checkpoint and threshold (default: paper)")
    add("--validation", type=int, default=200, help="labelled validation patches of the protocol `paper` (default 200)")
    add_run_options(found, DEFAULT_METHODS, [10], [20.0], [0, 1, 2], TITLE)
    found.set_defaults(dsb=True, bundle="denoiseg_2d", test=None, test_fraction=0.3)
    return found


def write_all(args: argparse.Namespace) -> None:
    """Write and print table, figure and record of all runs in the output folder."""
    results = finished(args.output)
    if not results:
        return
    text, rows, plot = write_results(results, args.output, list(dict.fromkeys([*args.methods, *METHODS])))
    print(text)
    print("written:", args.output / "table.md", args.output / "table.csv", plot or "")
    if args.record:
        found = {"made_by": commands(results), "runs": without_folders(results), "table": rows}
        print("recorded in", record(f"{TITLE}_{args.record}", found))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; the exit code is 1 where a run failed."""
    return carry_out(parser(), arguments, write_all)


if __name__ == "__main__":
    sys.exit(main())

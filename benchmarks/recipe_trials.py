"""Why the defaults of training are what they are: recipes for few labels, compared on held-out images of nuclei (DSB2018).

Images of dev-train with Gaussian noise of 20 grey levels. 50 of them are held out for the scores; patches of 128 x 128 of the
others are the training data, ten of them labelled; the seed draws which ten. Dev-test is never looked at. AP, SEG and PSNR are
those of the whole held-out images, without test-time augmentation and without neck splitting. The threshold is cross-fitted: `ap`
scores each half of the images at the threshold that is best for the other half. `ap_best` and `seg` are at the best one for all.

A candidate is a recipe with a name, and options of the recipe (`--depth 4`) change it. Runs are added to those in the folder of
results, and the table is made anew: mean and standard error over the seeds, and the difference to the candidate that this one was
built on, paired by seed, where both were run with the same other options. A run takes about two minutes of one core.

    python benchmarks/recipe_trials.py --data ../shared/data/dsb2018 --candidate base rescaled --seeds 0 1 2 3
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from common import record
from recipe_trials_run import Recipe, prepare, run

from monai_denoiseg.checks import check_option

NAME = "recipe_trials"
TUNE = 50
STEPS_BATCH = ("steps", "batch")


class Candidate(NamedTuple):
    """A recipe, the candidate it is compared with, and whether the package's defaults follow it."""

    recipe: Recipe
    against: str | None = "base"
    kept: bool = False


RESCALED = Recipe(rescale_zoom=2.0)
EARLIER = replace(RESCALED, rescale_start=0.15)  # what was tried on top of `rescaled` began a twentieth earlier
FINER = replace(RESCALED, mask_fraction=1 / 16)
CANDIDATES = {
    "base": Candidate(Recipe(), None),
    "class_weight_2": Candidate(Recipe(border_weight=2.0)),
    "gain_4": Candidate(Recipe(gain=4.0)),
    "image_normalisation": Candidate(Recipe(normalisation="image")),
    "zoom_plain": Candidate(Recipe(zoom=2.0)),
    "rescaled": Candidate(RESCALED, kept=True),
    "rescaled_gain_only": Candidate(Recipe(rescale_gain=3.0)),
    "rescaled_wide": Candidate(Recipe(rescale_zoom=3.0, rescale_gain=3.0, rescale_start=0.15, denoise_labelled=False)),
    "mean_teacher": Candidate(replace(EARLIER, rescale_gain=1.5, denoise_labelled=False, mean_teacher=1.0), "rescaled"),
    "mask_fraction_0.03": Candidate(replace(EARLIER, mask_fraction=0.03), "rescaled"),
    "mask_fraction_0.06": Candidate(replace(EARLIER, mask_fraction=0.06), "rescaled"),
    "learning_rate_0.002": Candidate(replace(FINER, learning_rate=2e-3), "mask_fraction_0.06"),
    "learning_rate_0.004": Candidate(replace(FINER, learning_rate=4e-3), "mask_fraction_0.06"),
    "depth_4": Candidate(replace(EARLIER, depth=4), "rescaled"),
    "noise_unit": Candidate(replace(EARLIER, denoising_unit="noise"), "rescaled"),
    "features_32": Candidate(replace(EARLIER, features=32), "rescaled"),
}


def table(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each candidate and its settings, in the order of the candidates.

    Args:
        runs: with ``candidate``, ``seed``, ``settings`` and scores.

    Returns:
        Rows with means over the seeds; ``ap_sem`` is the standard deviation (``ddof=1``) over the root of their number.
        ``difference`` is the mean, over the seeds both have, of this AP less that of ``against``; it is positive in ``wins`` of
        the ``pairs``. ``psnr_difference`` is that of the PSNR.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in sorted(runs, key=lambda entry: (list(CANDIDATES).index(entry["candidate"]), entry["seed"])):
        groups.setdefault((entry["candidate"], _key(entry["settings"])), []).append(entry)
    rows = []
    for (name, _), group in groups.items():
        settings, against = group[0]["settings"], CANDIDATES[name].against
        ap = [entry["ap"] for entry in group]
        row = {"candidate": name, **{key: settings[key] for key in STEPS_BATCH}, "kept": CANDIDATES[name].kept}
        row |= {"seeds": [entry["seed"] for entry in group], "ap": _mean(ap), "ap_sem": _sem(ap)}
        row |= {key: _mean(entry[key] for entry in group) for key in ("ap_best", "seg", "psnr", "train_cpu_seconds")}
        if against is not None:
            other = groups.get((against, _key(_counterpart(name, settings))), [])
            row |= {"against": against, **_paired(group, other)}
        rows.append(row)
    return rows


def _counterpart(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of the run to compare with: these, but for what makes the candidate another than the one it was built on."""
    candidate = CANDIDATES[name]
    assert candidate.against is not None
    own, other = asdict(candidate.recipe), asdict(CANDIDATES[candidate.against].recipe)
    return settings | {key: other[key] for key in own if own[key] != other[key]}


def _paired(group: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> dict[str, Any]:
    known = {entry["seed"]: entry for entry in other}
    both = [(entry, known[entry["seed"]]) for entry in group if entry["seed"] in known]
    ap, psnr = ([new[key] - old[key] for new, old in both] for key in ("ap", "psnr"))
    if not both:
        return {"pairs": 0, "difference": None, "difference_sem": None, "wins": 0, "psnr_difference": None}
    found = {"pairs": len(ap), "difference": _mean(ap), "difference_sem": _sem(ap), "wins": sum(value > 0 for value in ap)}
    return found | {"psnr_difference": _mean(psnr)}


def _key(settings: dict[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def _sem(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print the table."""
    print(f"{'candidate':<20} {'batch':>5} {'seeds':>5} {'AP':>6} {'SEM':>5} {'SEG':>6} {'PSNR':>6} {'s':>5}  difference")
    for row in rows:
        numbers = f"{row['batch']:5d} {len(row['seeds']):5d} {row['ap']:6.3f} {_plain(row['ap_sem'])} {row['seg']:6.3f}"
        line = f"{row['candidate']:<20} {numbers} {row['psnr']:6.2f} {row['train_cpu_seconds']:5.0f}"
        if row.get("difference") is not None:
            error = f"{row['difference']:+.3f} +- {_plain(row['difference_sem'])} to {row['against']}"
            line += f"  {error}, higher in {row['wins']} of {row['pairs']}"
        print(line + ("  kept" if row["kept"] else ""))


def _plain(value: float | None) -> str:
    return "  -  " if value is None else f"{value:5.3f}"


def _truth(word: str) -> bool:
    return bool(check_option("value", word.lower(), ("true", "false")) == "true")


def options() -> argparse.ArgumentParser:
    """Options of the command line; those of the recipe are None where the candidate's hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with dev-train/")
    parser.add_argument("--candidate", nargs="+", required=True, metavar="NAME", help=", ".join(CANDIDATES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3], help="choices of the ten labelled patches")
    parser.add_argument("--tune", type=int, default=TUNE, help="images of dev-train held out for the scores")
    kept = Path(__file__).parent / "work" / NAME
    parser.add_argument("--results", type=Path, default=kept, help="folder of recipe_trials.json, to which the runs are added")
    for field in fields(Recipe):
        kind: Any = {"bool": _truth, "float": float, "int": int, "str": str}[str(field.type)]
        parser.add_argument(f"--{field.name}", type=kind, help=f"of the recipe, {field.default} in `base`")
    return parser


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = options()
    args = parser.parse_args(words)
    try:
        for name in args.candidate:
            check_option("--candidate", name, CANDIDATES)
            recipe_of(name, args)
    except ValueError as error:
        parser.error(str(error))
    if args.tune < 2:
        parser.error(f"--tune {args.tune}: at least 2 images are needed, one for each half")
    if not (args.data / "dev-train" / "images").is_dir():
        parser.error(f"--data {args.data}: no folder dev-train/images in it")
    return args


def recipe_of(name: str, args: argparse.Namespace) -> Recipe:
    """The candidate's recipe, with what the command line says otherwise."""
    given = {field.name: getattr(args, field.name) for field in fields(Recipe)}
    return replace(CANDIDATES[name].recipe, **{key: value for key, value in given.items() if value is not None})


def main(words: Sequence[str] | None = None) -> None:
    args = parse(words)
    torch.set_num_threads(1)  # so that the times are of one core, and the sums always have the same order
    path = args.results / f"{NAME}.json"
    old = json.loads(path.read_text("utf-8")) if path.is_file() else {"runs": []}
    runs = old["runs"]
    try:
        trials = prepare(args.data, args.tune)
    except ValueError as error:
        options().error(str(error))
    for seed in args.seeds:
        for name in args.candidate:
            recipe = recipe_of(name, args)
            head = {"candidate": name, "seed": seed, "settings": asdict(recipe) | {"tune": args.tune}}
            print(f"{name}, seed {seed}", flush=True)
            entry = head | run(recipe, trials, seed)
            runs = [known for known in runs if any(known[key] != value for key, value in head.items())] + [entry]
            record(NAME, {**old, "runs": runs, "table": table(runs)}, args.results)
    show(table(runs))
    print(json.dumps({"result": path.name}))


if __name__ == "__main__":
    main()

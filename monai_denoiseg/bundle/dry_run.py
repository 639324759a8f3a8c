"""What an inference or evaluation would do, without doing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_denoiseg.bundle.folders import need_images
from monai_denoiseg.bundle.run import config_files, open_workflow
from monai_denoiseg.data import count_labelled


def dry_run(task: str, bundle: str, method: str | None, overrides: Mapping[str, Any]) -> str:
    """Read settings, list images, load the network, look for results in the way; predict and write nothing.

    Args:
        task: ``"infer"`` or ``"evaluate"``.
        bundle: name of the bundle.
        method: see :func:`~monai_denoiseg.bundle.methods`.
        overrides: keys of the configuration to replace.

    Returns:
        What would be done, in lines.

    Raises:
        ValueError: for a wrong setting, as the run itself.
        OSError: for a path that is missing, or a file in the way.

    >>> dry_run("infer", "denoiseg_2d", None, {"dataset_dir": "missing.tif"})
    Traceback (most recent call last):
        ...
    FileNotFoundError: `dataset_dir`: missing.tif does not exist
    """
    options = dict(overrides)
    if options.get("run") is not None:
        options["run_dir"] = options.pop("run")
    with open_workflow(config_files(task, bundle, method), "infer", logging_file=False, **options) as workflow:
        get = workflow.parser.get_parsed_content
        items = get("data")
        need_images(items, workflow.parser.get("dataset_dir"))
        lines = [f"{len(items)} images would be read, the first is {items[0]['image']}"]
        if task == "evaluate":
            lines.append(f"{count_labelled(items)} of them are labelled")
        if hasattr(evaluator := get("evaluator"), "plan"):
            skipped = evaluator.plan()
            lines.append(f"{len(items) - len(skipped)} would be predicted, {len(skipped)} have their results")
        for part in get("handlers"):
            if hasattr(part, "check"):
                part.check(items)
        lines.append(f"results would be written to {get('output_dir')}")
    return "\n".join(lines)

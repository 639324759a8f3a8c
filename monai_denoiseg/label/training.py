"""A bundle's own training on the images of a study, as a server runs it: progress, publishing, a limit of time."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from monai_denoiseg.bundle.run import start_workflow
from monai_denoiseg.bundle.settings.task_defaults import AUTO
from monai_denoiseg.checks import check_int, check_range
from monai_denoiseg.files import copy_file, set_aside, write_json
from monai_denoiseg.label.bundles import damaged_model, defaults, model_file
from monai_denoiseg.label.options import number, whole_number
from monai_denoiseg.networks import DenoiSegNet, load_network

logger = logging.getLogger(__name__)

Item = dict[str, Any]

WHOLE = ("max_epochs", "steps_per_epoch", "batch_size", "val_interval", "seed")
SETTINGS = (*WHOLE, "learning_rate", "alpha")
"""Keys of train.json a request may set; those of whole numbers first."""

LARGEST = 2**31 - 1
"""The largest whole number a setting may have."""


def training_settings(request: Mapping[str, Any], bundle: str | Path) -> dict[str, Any]:
    """The keys of ``train.json`` a request sets, checked.

    Args:
        request: a training request; keys that are not in :data:`SETTINGS` are passed over, numbers may be text.
        bundle: folder of the bundle.

    Raises:
        ValueError: for a value that is no number, no whole one where that is needed, or out of range.

    >>> from monai_denoiseg.bundle.folders import bundle_folder
    >>> training_settings({"max_epochs": "5", "client_id": "me"}, bundle_folder("denoiseg_2d"))
    {'max_epochs': 5}
    """
    known, found = defaults(bundle, "train"), dict[str, Any]()
    for key in SETTINGS:
        if request.get(key) in (None, "", AUTO) or key not in known:
            continue
        if key in WHOLE:
            found[key] = check_int(key, whole_number(key, request[key]), 0 if key == "seed" else 1)
            if found[key] > LARGEST:
                raise ValueError(f"`{key}` must be at most {LARGEST:,}, got {found[key]}")
        else:
            found[key] = check_range(key, number(key, request[key]), 0, 1, open_low=key == "learning_rate")
    return found


class Progress:
    """Write how far a training is, in the form MONAI Label's clients show, and stop it when its time is over.

    Args:
        path: JSON file, written after each epoch.
        max_seconds: the training ends with the step in which this is reached, and a validation; 0: no limit.
        publish: called after each epoch, to give the server the best network so far; None: not called.

    Raises:
        ValueError: when ``max_seconds`` is negative.

    >>> import json, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     progress = Progress(Path(folder) / "stats.json")
    ...     engine = Engine(lambda engine, batch: None)
    ...     progress.attach(engine)
    ...     _ = engine.run([0], max_epochs=3)
    ...     stats = json.loads(progress.path.read_text())
    >>> stats["epoch"], stats["total_epochs"]
    (3, 3)
    """

    def __init__(self, path: Path, max_seconds: float = 0, publish: Any = None) -> None:
        self.path, self.publish = path, publish
        self.max_seconds = check_range("max_seconds", max_seconds, 0, float("inf"), open_high=True)
        self.start = time.time()
        self.best = 0.0
        self.validated = 0  # the last epoch that was
        self.evaluator: Any = None

    def attach(self, trainer: Engine, evaluator: Engine | None = None) -> None:
        """Attach to the engines, after the handlers of the bundle."""
        trainer.add_event_handler(Events.ITERATION_COMPLETED, self._iteration)
        trainer.add_event_handler(Events.EPOCH_COMPLETED, self._epoch)
        self.evaluator = evaluator
        if evaluator is not None:
            evaluator.add_event_handler(Events.EPOCH_COMPLETED, self._validated)

    def _validated(self, engine: Any) -> None:
        scores = [engine.state.metrics[name] for name in ("ap", "dice") if name in engine.state.metrics]
        self.best = max([self.best, *(float(score) for score in scores if score == score)])
        self.validated = engine.state.epoch

    def _over(self) -> bool:
        return bool(self.max_seconds) and time.time() - self.start >= self.max_seconds

    def _iteration(self, engine: Any) -> None:
        if self._over():
            engine.terminate_epoch()  # epochs take minutes on a slow machine

    def _epoch(self, engine: Any) -> None:
        over, passed = self._over(), time.time() - self.start
        if over and self.evaluator is not None and self.validated != engine.state.epoch:
            self.evaluator.run(engine.state.epoch)  # without it the last epochs would be lost, or all if it is the first time
        if self.publish is not None:
            self.publish()
        self.write(engine.state.epoch, engine.state.max_epochs)
        logger.info("epoch %d of %d, %.0f seconds", engine.state.epoch, engine.state.max_epochs, passed)
        if over:
            logger.info("`max_seconds` %g reached: the training ends here", self.max_seconds)
            engine.terminate()

    def write(self, epoch: int, total: int, finished: bool = False) -> None:
        """Write the file.

        Args:
            epoch: epochs done.
            total: epochs planned.
            finished: whether the training is over.
        """
        stats: dict[str, Any] = {"epoch": epoch, "total_epochs": total, "best_metric": round(self.best, 4)}
        stats["start_ts"] = int(self.start)
        if finished:  # the sign by which 3D Slicer knows
            stats["total_time"] = time.strftime("%H:%M:%S", time.gmtime(time.time() - self.start))
        write_json(stats, self.path)


def publish_model(trained: Path, target: Path) -> bool:
    """Copy a network to where the server loads it from, in one step; the one it replaces stays as ``model.previous.pt``.

    Args:
        trained: the new network.
        target: ``model.pt``.

    Returns:
        Whether there was anything newer to publish.

    >>> publish_model(Path("missing.pt"), Path("model.pt"))
    False
    """
    if not trained.is_file() or (target.is_file() and target.stat().st_mtime_ns == trained.stat().st_mtime_ns):
        return False
    copy_file(trained, target)  # with its time, which tells that it is published
    logger.info("published %s", target)
    return True


def train_on_study(
    bundle: str | Path,
    training: Sequence[Item],
    validation: Sequence[Item],
    run_dir: str | Path,
    *,
    pretrained: bool = True,
    max_seconds: float = 0,
    stats: str | Path | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Run a bundle's ``train.json`` on given images and publish the best network as its ``models/model.pt``.

    Args:
        bundle: folder of the bundle.
        training: items to train on, annotated or not.
        validation: annotated items.
        run_dir: folder for logs and checkpoints of this run; it is made.
        pretrained: go on from the bundle's network, if it has one; each better network is then published during the training,
            so that stopping keeps it. A training from scratch publishes at its end.
        max_seconds: see :class:`Progress`.
        stats: file for the progress; None: ``train_stats.json`` beside the bundle's ``configs``.
        settings: keys of ``train.json`` to replace.

    Returns:
        ``{"epoch": ..., "best_metric": ..., "seconds": ...}``.

    Raises:
        ValueError: for data or settings that do not fit; and whatever the training raises.
    """
    run_dir, target = Path(run_dir), model_file(bundle)
    run_dir.mkdir(parents=True, exist_ok=True)
    if damaged_model(bundle):  # it counts as none, and is kept for whoever put it there
        logger.warning("%s; training from scratch", damaged_model(bundle))
        set_aside(target)
    start = target if pretrained and target.is_file() else None
    if start is not None:
        settings = same_network(start) | settings
    configs = Path(bundle) / "configs"
    workflow = start_workflow(
        [configs / "train.json"],
        "train",
        logging_file=False,  # the server's logging stays
        data={"training": list(training), "validation": list(validation)},
        output_dir=str(run_dir),
        ckpt_dir=str(run_dir),
        existing="rename",
        **{"binary_labels": "components"} | settings,
    )
    get = workflow.parser.get_parsed_content
    if start is not None:
        copy_file(target, target.with_name("model.previous.pt"))
        get("network").load_state_dict(torch.load(start, map_location="cpu", weights_only=True))
        logger.info("going on from %s", start)
    trainer = get("train::trainer")
    trained = run_dir / "model.pt"
    # A checkpoint is complete whenever it is there: it is written aside and renamed.
    publish = (lambda: publish_model(trained, target)) if start is not None else None
    progress = Progress(Path(stats or Path(bundle) / "train_stats.json"), max_seconds, publish)
    progress.attach(trainer, get("validate::evaluator"))
    try:
        workflow.run()
        workflow.finalize()
    finally:
        _close(workflow)
    publish_model(trained, target)
    progress.write(trainer.state.epoch, trainer.state.max_epochs, finished=True)
    return {"epoch": trainer.state.epoch, "best_metric": progress.best, "seconds": round(time.time() - progress.start, 1)}


def _close(workflow: Any) -> None:
    """Let the handlers' writers go: each keeps a thread and an open file, and a server trains again and again."""
    for part in ("train", "validate"):
        for handler in workflow.parser.get_parsed_content(f"{part}::handlers"):
            if hasattr(handler, "close"):
                handler.close()


def same_network(path: str | Path) -> dict[str, Any]:
    """Settings of ``train.json`` that build the network of a file, so that a training can go on from it.

    Args:
        path: ``model.pt``.

    Raises:
        ValueError: when it is a network of two stages, which is trained otherwise.

    >>> import tempfile
    >>> from monai_denoiseg.networks import DenoiSegNet
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save(DenoiSegNet(2, depth=1, features=4).state_dict(), f"{folder}/model.pt")
    ...     same_network(f"{folder}/model.pt")["features"]
    4
    """
    network: Any = load_network(path)
    if not isinstance(network, DenoiSegNet):
        raise ValueError(f"{path} is a network of two stages, which cannot be trained on; pass pretrained=false")
    kept = ("in_channels", "depth", "features", "kernel_size", "strides", "variant", "normalisation", "denoises")
    return {key: network.architecture[key] for key in kept} | network.head.keys()

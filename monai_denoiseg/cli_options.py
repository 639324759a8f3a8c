"""The commands of ``monai-denoiseg`` that run no configuration: their options, and what each does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


def add_traceback(sub: argparse.ArgumentParser) -> None:
    """Add the switch that shows where an error arose.

    Args:
        sub: parser of a command.

    >>> parser = argparse.ArgumentParser()
    >>> add_traceback(parser)
    >>> parser.parse_args([]).traceback
    False
    """
    sub.add_argument("--traceback", action="store_true", help="show where in the program an error arose")


def add_others(commands: Any) -> None:
    """Add the commands that run no configuration.

    Args:
        commands: what ``add_subparsers`` returned.

    >>> parser = argparse.ArgumentParser("monai-denoiseg")
    >>> add_others(parser.add_subparsers(dest="command"))
    >>> parser.parse_args(["report", "denoiseg_run"]).run_dir
    'denoiseg_run'
    """
    simulate = commands.add_parser("simulate", help="write a simulated data set", allow_abbrev=False)
    simulate.add_argument("folder")
    simulate.add_argument("--n_images", type=int, default=60)
    simulate.add_argument("--n_labelled", type=int, default=8)
    simulate.add_argument("--shape", type=int, nargs="+", default=[128, 128])
    simulate.add_argument("--seed", type=int, default=0)
    report = commands.add_parser("report", help="write report.html for a run folder", allow_abbrev=False)
    report.add_argument("run_dir")
    models = commands.add_parser("models", help="list the networks of the package and of a folder", allow_abbrev=False)
    models.add_argument("folder", nargs="?", default=".", help="where to look for model.pt, also in its subfolders [.]")
    line = "compare two evaluations of the same images: a paired test"
    compare = commands.add_parser("compare-runs", help=line, description=line, allow_abbrev=False)
    compare.add_argument("first", metavar="A", help="folder of a run or of an evaluation")
    compare.add_argument("second", metavar="B", help="another one")
    label_app = commands.add_parser("label-app", help="write the folder a MONAI Label server is started with", allow_abbrev=False)
    label_app.add_argument("folder")
    label_app.add_argument("--bundles", nargs="+", default=["denoiseg_2d", "denoiseg_3d"])
    label_app.add_argument("--models", nargs="*", default=[], metavar="MODEL_PT", help="trained networks to start with")
    _add_label_server(commands)
    _add_export(commands)
    demo = commands.add_parser("demo", help="simulate, train, infer, evaluate, report", allow_abbrev=False)
    demo.add_argument("--output", default="demo")
    demo.add_argument("--seed", type=int, default=0)
    demo.add_argument("--small", action="store_true", help="in a minute: few images, a short training")
    for sub in (simulate, report, models, compare, label_app, demo):
        add_traceback(sub)


def _add_export(commands: Any) -> None:
    line = "hand a trained network over to other programs: ONNX, TorchScript, BioImage Model Zoo, MONAI's model zoo"
    export = commands.add_parser("export", help=line, description=line, allow_abbrev=False)
    export.add_argument("model", help="folder of a training, model.pt, or denoiseg_2d for the network that came with the package")
    export.add_argument("--to", required=True, choices=("onnx", "torchscript", "bioimageio", "monai-bundle"))
    export.add_argument("out", help="file to write: NAME.onnx, NAME.ts, or NAME.zip")
    export.add_argument("--replace", action="store_true", help="overwrite a file of that name")
    export.add_argument(
        "--statistics",
        choices=("inside", "input"),
        help="ONNX of a network that normalises each image by itself: compute offset and scale of the image inside (usual), or "
        "take them as a second input, for tiles of a larger image",
    )
    zoo = "of bioimageio and monai-bundle: "
    export.add_argument("--name", help=zoo + "name of the model")
    export.add_argument("--author", dest="authors", action="append", metavar="NAME", help=zoo + "may be given several times")
    export.add_argument("--license", metavar="SPDX", help=zoo + "licence of the weights, such as CC-BY-4.0 [Apache-2.0]")
    add_traceback(export)


def _add_label_server(commands: Any) -> None:
    line = "start MONAI Label's server behind a door that keeps others out"
    server = commands.add_parser("label-server", help=line, allow_abbrev=False)
    server.add_argument("--app", required=True, help="folder that label-app wrote")
    server.add_argument("--studies", required=True, help="folder of the images")
    server.add_argument("--host", default="127.0.0.1", help="address to listen on; others than this machine's need a token")
    server.add_argument("--port", type=int, default=8000)
    server.add_argument("--token", nargs="?", const="", help="what every request must bring; without a value one is made")
    server.add_argument(
        "--origin", dest="origins", action="append", default=[], help="a web page's origin to let in, as http://HOST:PORT"
    )
    server.add_argument("--conf", nargs=2, action="append", default=[], metavar=("KEY", "VALUE"), help="option of the app")
    add_traceback(server)


def run_other(arguments: argparse.Namespace) -> None:
    """Run a command of :func:`add_others`, and print what it says.

    Args:
        arguments: as parsed.

    >>> run_other(argparse.Namespace(command="models", folder="."))  # doctest: +ELLIPSIS
    came with the package:
    ...
    """
    text = _COMMANDS[arguments.command](arguments)
    if text is not None:
        print(text)


def _simulate(arguments: argparse.Namespace) -> Any:
    from monai_denoiseg.data import write_simulated

    return write_simulated(arguments.folder, **_options(arguments, "n_images", "n_labelled", "shape", "seed"))


def _report(arguments: argparse.Namespace) -> Any:
    from monai_denoiseg.report import write_report

    return write_report(arguments.run_dir)


def _compare_runs(arguments: argparse.Namespace) -> str:
    from monai_denoiseg.report.compare_runs import compare_runs, comparison_text

    return comparison_text(compare_runs(arguments.first, arguments.second))


def _models(arguments: argparse.Namespace) -> str:
    from monai_denoiseg.bundle.model_table import model_lines

    return "\n".join(model_lines(arguments.folder))


def _label_app(arguments: argparse.Namespace) -> Any:
    from monai_denoiseg.label import write_app

    return write_app(arguments.folder, arguments.bundles, arguments.models)


def _label_server(arguments: argparse.Namespace) -> None:
    from monai_denoiseg.label.serve import serve

    serve(arguments.app, arguments.studies, **_options(arguments, "host", "port", "token", "origins", "conf"))


def _export(arguments: argparse.Namespace) -> str:
    from monai_denoiseg.export import export_model

    options = _options(arguments, "replace", "statistics", "name", "authors", "license")
    return "{}\n{}".format(*export_model(arguments.model, arguments.to, arguments.out, **options))


def _options(arguments: argparse.Namespace, *names: str) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in names}


_COMMANDS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "simulate": _simulate,
    "report": _report,
    "compare-runs": _compare_runs,
    "models": _models,
    "label-app": _label_app,
    "label-server": _label_server,
    "export": _export,
}

"""Run scripts that each rebuild a situation from a public bug report, and say which of them find the package right.

A script exits with 0 where the package does what the script's docstring says, and prints why not otherwise. Those that start a
MONAI Label server run in its environment (`make label-env`):

    python scripts/cases.py ../shared/cases --data ../shared/data
    python scripts/cases.py ../shared/cases/microscopy/1*.py --data ../shared/data --label-python .venv-label/bin/python
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

MOST_SECONDS = 900


def run(script: Path, python: Path, data: Path) -> tuple[int, str]:
    """Exit status and the last line of what a script says; 124 where it ran too long."""
    environment = {**os.environ, "DENOISEG_DATA": str(data)}
    try:
        done = subprocess.run(
            [str(python), str(script)], env=environment, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return 124, f"not done after {MOST_SECONDS} s"
    lines = (done.stdout + "\n" + done.stderr).strip().splitlines()
    told = [line for line in lines if line.startswith(("RIGHT", "WRONG"))]
    return done.returncode, (told or lines or [""])[-1]


def main() -> int:
    """Run from the command line; 1 if a script finds something wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, nargs="+", help="scripts, or folders of such")
    parser.add_argument("--data", type=Path, required=True, help="folder of real images")
    parser.add_argument("--label-python", type=Path, default=Path(".venv-label/bin/python"), help="Python with MONAI Label")
    args = parser.parse_args()
    scripts = sorted(path for case in args.cases for path in (case.rglob("*.py") if case.is_dir() else [case]))
    if not scripts:
        parser.error(f"no script in {', '.join(map(str, args.cases))}")
    if not args.data.is_dir():
        parser.error(f"--data {args.data}: no such folder")
    wrong = []
    for script in scripts:
        served = "monailabel" in script.read_text("utf-8")
        python = args.label_python if served else Path(sys.executable)
        if served and not python.exists():
            print(f"left out  {script.parent.name}/{script.name}: no {python} (make label-env)", flush=True)
            continue
        start = time.monotonic()
        status, said = run(script, python, args.data.resolve())
        wrong += [script.name] * (status != 0)
        mark = "wrong" if status else "right"
        print(f"{mark}  {time.monotonic() - start:5.0f} s  {script.parent.name}/{script.name}: {said[:160]}", flush=True)
    print(f"{len(scripts)} scripts, {len(wrong)} wrong" + (f": {', '.join(wrong)}" if wrong else ""))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env bash
# Install the lowest version of each requirement that pyproject.toml allows, and run a part of the tests with them.
# Usage: lowest.sh [FOLDER] [TESTS...]; PYTHON names the Python (3.11 is the lowest).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${1:-.venv-lowest}
shift || true
python=${PYTHON:-python3.11}
tests=("${@:-}")
if [ -z "${tests[0]}" ]; then
  tests=(tests/transforms tests/losses tests/networks tests/engines tests/bundles/test_denoiseg_2d.py tests/test_monai_both_ways.py)
fi

if [ ! -f "$folder/.installed" ]; then
  "$python" -m venv "$folder"
  "$folder/bin/python" - > "$folder/lowest.txt" <<'PYTHON'
import re
import tomllib

for need in tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]:
    name, bound = re.split(">=", need)
    print(f"{name}=={bound}" if bound.count(".") > 1 else f"{name}=={bound}.*")
PYTHON
  # A cap on versions that this machine may have set for all installations would rule the old ones out.
  PIP_CONSTRAINT='' "$folder/bin/python" -m pip install --quiet -r "$folder/lowest.txt" "setuptools<81" \
    "einops>=0.7" "hypothesis>=6.100" "pytest>=8.0" "pytest-xdist>=3.0"
  touch "$folder/.installed"
fi
"$folder/bin/python" -m pip list 2>/dev/null | grep -iE '^(monai|numpy|torch|scipy|scikit-image|zarr|tifffile|pytorch-ignite) '
OMP_NUM_THREADS=1 PYTHONPATH=$PWD "$folder/bin/python" -m pytest -m "not slow" -p no:cacheprovider "${tests[@]}"

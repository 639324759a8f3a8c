#!/usr/bin/env bash
# Build the wheel and try it as a user would: in a fresh environment, away from the source. Usage: try_wheel.sh FOLDER [PYTHON]
# The environment sees the packages of PYTHON's own (so nothing is downloaded twice), but not the checkout.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$(mkdir -p "$1" && cd "$1" && pwd)
python=${2:-python3}

"$python" -m pip wheel --quiet --no-deps --wheel-dir "$folder" "$root"
"$python" -m venv --without-pip "$folder/env"
fresh=$("$folder/env/bin/python" -c 'import site; print(site.getsitepackages()[0])')
"$python" -m pip install --quiet --no-deps --target "$folder/wheel" "$folder"/monai_denoiseg-*.whl
mv "$folder"/wheel/monai_denoiseg* "$fresh"
# The requirements, without the checkout that an editable installation adds.
"$python" -c 'import site; print(site.getsitepackages()[0])' > "$fresh/requirements.pth"

cd "$folder"
unset PYTHONPATH
run="$folder/env/bin/python -m monai_denoiseg.cli"
$run --version
where=$($run --help | tr '\n' ' ' | sed -n 's/.*guide: *\([^ ]*index.md\).*/\1/p')
test -f "$where" && echo "guide: $where"
case "$where" in "$fresh"/*) ;; *) echo "the guide is not that of the wheel: $where" >&2; exit 1 ;; esac
$run demo --small --output "$folder/demo" --device cpu
test -f "$folder/demo/report.html"

#!/usr/bin/env bash
# Build the environment of a MONAI Label server: scripts/label_env.sh [FOLDER]   (PYTHON=/path/to/python3.11 to choose)
# A plain `pip install monailabel` brings torch for CUDA and breaks at import; here every version is pinned and nothing else comes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VENV=${1:-.venv-label}
TORCH=2.13.0

PYTHON=${PYTHON:-$(command -v python3.11 || command -v python3 || true)}
if ! "${PYTHON:-false}" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
  echo "MONAI Label 0.8.5 needs Python 3.11, found: ${PYTHON:-none}. Install it, or give PYTHON=/path/to/python3.11" >&2
  exit 1
fi

test -x "$VENV/bin/python" || "$PYTHON" -m venv "$VENV"
pip() { "$VENV/bin/python" -m pip "$@" -qq --disable-pip-version-check; }

if [ "$(uname -s)" = Linux ] && [ "$(uname -m)" = x86_64 ]; then
  # PyPI's build for Linux is for CUDA (gigabytes); the one for CPUs lies on PyTorch's own index, unless pip is set up to find it.
  pip install "torch==$TORCH+cpu" 2>/dev/null || pip install --index-url https://download.pytorch.org/whl/cpu "torch==$TORCH+cpu"
else
  pip install "torch==$TORCH"
fi
pip install --no-deps -r constraints-label.txt
pip install --no-deps -e .

# The server imports two functions of torchvision, which it calls for pathology only.
STUB=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torchvision
if [ ! -e "$STUB" ]; then
  mkdir "$STUB"
  echo '__version__ = "0.0-stub"' > "$STUB/__init__.py"
  cat > "$STUB/utils.py" <<'PYTHON_CODE'
def make_grid(*args, **kwargs):
    raise NotImplementedError("torchvision is not installed in this environment")


save_image = make_grid
PYTHON_CODE
fi
"$VENV/bin/python" -W ignore -c 'import monailabel.app, monai_denoiseg' > /dev/null
echo "MONAI Label $("$VENV/bin/python" -c 'import importlib.metadata as m; print(m.version("monailabel"))') is ready in $VENV"

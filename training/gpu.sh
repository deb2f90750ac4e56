#!/usr/bin/env bash
# Train on an NVIDIA GPU that is lent for some minutes: bare, without network, soon gone again.
#   training/gpu.sh PACK [OUT] [MINUTES] [OPTION...]   options: python training/gpu.py run --help
# PACK is written by `python training/gpu.py pack`; all that is to be brought home is in OUT: eight
# files of at most 15 MB. Needs Python with torch, torchvision, safetensors, scikit-image, SciPy,
# Pillow and tifffile, and of this checkout napari_nuclei (without models/weights) and training.
set -euo pipefail
pack=${1:?name the pack: training/gpu.sh PACK [OUT] [MINUTES]}
out=${2:-${OUT:?name a folder for what is to be brought home}}
minutes=${3:-7.5}
shift $(($# < 3 ? $# : 3))
mkdir -p "$out"
here=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null || true
df -h /dev/shm 2>/dev/null | tail -1 || true
"${PYTHON:-python3}" "$here/training/gpu.py" run "$pack" --out "$out" --minutes "$minutes" "$@" \
	2>&1 | tee "$out/log.txt"

#!/usr/bin/env bash
# Snakemake runs this once in the new environment. pip took what vLLM asks for and the lock leaves out (versions.toml
# says why): CUDA builds, which fail to import beside torch for CPU, and packages that nothing here uses.
set -euo pipefail
python -m pip uninstall --yes --quiet llvmlite numba opencv-python-headless torchaudio torchcodec torchvision triton

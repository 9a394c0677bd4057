#!/usr/bin/env bash
# Snakemake runs this once in the new environment. pip took CUDA builds of these, which fail to import beside torch
# for CPU, and transformers imports torchvision where it finds it.
set -euo pipefail
python -m pip uninstall --yes --quiet torchvision torchaudio torchcodec

# A study's environments on cuda, for Docker (docs/cluster.md). Written by envs/render.py.
FROM condaforge/miniforge3:25.11.0-0
LABEL io.github.snakemake.containerized="true"
LABEL io.github.snakemake.conda_env_hash="f12d971fc9a7d14db02f326e9ec969389f2e1eaadb605a2690e536b0b4a05dc2"
# Where pip looks besides its index: PyTorch's builds for CPUs are in an index of their own.
ARG PIP_EXTRA_INDEX_URL
ARG PIP_NO_CACHE_DIR=1

# To ask teachers behind an OpenAI-compatible API
COPY envs/api.yaml /conda-envs/97e361f0342f658a66e51e2f5d2b3d5f/environment.yaml
RUN conda env create --quiet --prefix /conda-envs/97e361f0342f658a66e51e2f5d2b3d5f --file /conda-envs/97e361f0342f658a66e51e2f5d2b3d5f/environment.yaml \
    && conda clean --all --yes

# To fetch, normalise, verify and pair (no model is loaded)
COPY envs/data.yaml /conda-envs/db0af2f18c55aed3f54faa49b4aff81c/environment.yaml
RUN conda env create --quiet --prefix /conda-envs/db0af2f18c55aed3f54faa49b4aff81c --file /conda-envs/db0af2f18c55aed3f54faa49b4aff81c/environment.yaml \
    && conda clean --all --yes

# To score policies and reward models
COPY envs/evaluate.yaml /conda-envs/a6454ef67d1c855922c8a2a2135c4c33/environment.yaml
RUN conda env create --quiet --prefix /conda-envs/a6454ef67d1c855922c8a2a2135c4c33 --file /conda-envs/a6454ef67d1c855922c8a2a2135c4c33/environment.yaml \
    && conda clean --all --yes

# To estimate, compare, draw, check and render
COPY envs/report.yaml /conda-envs/967b1ca1a12f70a5086d84f9b5d85eca/environment.yaml
RUN conda env create --quiet --prefix /conda-envs/967b1ca1a12f70a5086d84f9b5d85eca --file /conda-envs/967b1ca1a12f70a5086d84f9b5d85eca/environment.yaml \
    && conda clean --all --yes

# To train adapters, and tiny models from scratch
COPY envs/train.yaml /conda-envs/b9ff5f10c09e434bad0ff0e8bbaa1bf6/environment.yaml
RUN conda env create --quiet --prefix /conda-envs/b9ff5f10c09e434bad0ff0e8bbaa1bf6 --file /conda-envs/b9ff5f10c09e434bad0ff0e8bbaa1bf6/environment.yaml \
    && conda clean --all --yes

# To sample from teachers, and score policies, by vLLM on a GPU
COPY envs/vllm.yaml /conda-envs/a36210f6537c514ee4368e08f75bcef2/environment.yaml
RUN conda env create --quiet --prefix /conda-envs/a36210f6537c514ee4368e08f75bcef2 --file /conda-envs/a36210f6537c514ee4368e08f75bcef2/environment.yaml \
    && conda clean --all --yes

# A study's environments on cpu, for Docker (docs/cluster.md). Written by envs/render.py.
FROM condaforge/miniforge3:25.11.0-0
LABEL io.github.snakemake.containerized="true"
LABEL io.github.snakemake.conda_env_hash="81cbb6793b930da1ae574b769b16de85a2a748a001fa84678a8999f3d2b64b0b"
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

# To sample from teachers, and score policies, by vLLM on a CPU
COPY envs/vllm-cpu.yaml /conda-envs/128d0ed34a1ae1338402a29fcd1e4bfb/environment.yaml
COPY envs/vllm-cpu.post-deploy.sh /conda-envs/128d0ed34a1ae1338402a29fcd1e4bfb/post-deploy.sh
RUN conda env create --quiet --prefix /conda-envs/128d0ed34a1ae1338402a29fcd1e4bfb --file /conda-envs/128d0ed34a1ae1338402a29fcd1e4bfb/environment.yaml \
    && conda run --prefix /conda-envs/128d0ed34a1ae1338402a29fcd1e4bfb bash /conda-envs/128d0ed34a1ae1338402a29fcd1e4bfb/post-deploy.sh \
    && conda clean --all --yes

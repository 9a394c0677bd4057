"""Who computes what policies answer: transformers with the adapters on one base, or one vLLM engine.

Both are language models to the harness, and one policy at a time answers. vLLM differs in its kernels and so
in the last digits; ``workflow.lib.agreement`` measures by how much.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from lm_eval.api.model import TemplateLM
from transformers import PreTrainedTokenizerBase

from workflow.lib.engines import engine_environment, engine_options, logprob_change, lora_options
from workflow.lib.errors import DependencyError
from workflow.lib.files import digest_of
from workflow.lib.harness import language_model
from workflow.lib.lora import SETTINGS, WEIGHTS, read_adapter
from workflow.lib.models import context_of, load_base
from workflow.lib.policies import active, load_policies, logit_change

COMPILED = "work/vllm"  # folder where vLLM may leave what it compiled


MISSING = (
    "evaluation.backend is vllm, which does not import here ({}). "
    "Fix: install it, or set evaluation.backend to {{kind: transformers}}."
)


class Backend(Protocol):
    """A base with adapters, each under a key."""

    lm: TemplateLM

    def reads(self, *, generates: bool) -> int:
        """Return how many tokens of prompt and answer it reads before it cuts the prompt."""

    def change(self, key: str, prompt: Sequence[int]) -> float:
        """Return how much the adapter ``key`` changes what may follow ``prompt``; fail where it does not."""

    def answering(self, key: str | None, seed: int) -> Any:
        """Let an adapter answer within the block, the base for ``None``; ``seed`` is that of draws."""


class Transformers:
    """The base with all adapters on it."""

    decides = (
        "device",
        "precision",
        "quantisation",
        "attention",
        "evaluation_batch",
    )  # what can move a score
    packages = ("lm_eval", "peft", "tokenizers", "torch", "transformers")

    def __init__(
        self,
        snapshot: Path,
        manifest: Path,
        model: str,
        adapters: Mapping[str, Path],
        tokenizer: PreTrainedTokenizerBase,
        hardware: Mapping[str, Any],
        *,
        chat: bool,
    ) -> None:
        """Load base and adapters.

        Args:
            snapshot: Folder of the base.
            manifest: Of the base.
            model: Its name in the study.
            adapters: Folder of each adapter by its key.
            tokenizer: Of the base.
            hardware: The section ``hardware`` of the config.
            chat: The chat template goes round the prompts, so it alone places BOS.
        """
        self._names = {key: f"p{number}" for number, key in enumerate(adapters)}
        named = {self._names[key]: folder for key, folder in adapters.items()}
        self._model = load_policies(load_base(snapshot, hardware), named, model=model)
        self.lm = language_model(self._model, tokenizer, chat=chat, batch=hardware["evaluation_batch"])

    def reads(self, *, generates: bool) -> int:
        """Return how many tokens of prompt and answer it reads; a scored answer's last one is not read."""
        return int(self.lm.max_length) + (not generates)

    def change(self, key: str, prompt: Sequence[int]) -> float:
        """Return the largest change of a logit."""
        return logit_change(self._model, self._names[key], prompt)

    @contextmanager
    def answering(self, key: str | None, seed: int) -> Iterator[None]:
        """Let an adapter answer within the block; the harness's run seeds what is drawn."""
        with active(self._model, key and self._names[key]):
            yield


class Vllm:
    """One engine with the base, to which an adapter is brought when it is to answer."""

    decides = ("device", "precision", "max_model_len")
    packages = ("lm_eval", "tokenizers", "torch", "transformers", "vllm")

    def __init__(
        self,
        snapshot: Path,
        manifest: Path,
        model: str,
        adapters: Mapping[str, Path],
        tokenizer: PreTrainedTokenizerBase,
        hardware: Mapping[str, Any],
        *,
        chat: bool,
    ) -> None:
        """Start the engine; arguments as for ``Transformers``."""
        os.environ.update(engine_environment(hardware, COMPILED))
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        kind = _seeded_vllm()
        options = engine_options(hardware)
        options.pop("tensor_parallel_size", None)  # this job has one GPU
        options["max_model_len"] = min(options["max_model_len"], context_of(snapshot))
        files = {
            key: [str(folder / name) for name in (WEIGHTS, SETTINGS)] for key, folder in adapters.items()
        }
        read = [lora for paths in files.values() if (lora := read_adapter(paths, manifest, snapshot))]
        bos = {"add_bos_token": False} if chat else {}
        self.lm = kind(pretrained=str(snapshot), batch_size="auto", **options, **lora_options(*read), **bos)
        self.lm.tokenizer = tokenizer
        request = import_module("vllm.lora.request").LoRARequest
        self._requests = {
            key: request(f"p{number}", number, str(folder.absolute()))
            for number, (key, folder) in enumerate(adapters.items(), start=1)
        }

    def reads(self, *, generates: bool) -> int:
        """Return how many tokens of prompt and answer it reads; a scored answer is followed by one more."""
        return int(self.lm.max_length) - (not generates)

    def change(self, key: str, prompt: Sequence[int]) -> float:
        """Return the largest change of a log-probability, nats."""
        return logprob_change(self.lm.model, prompt, self._requests[key])

    @contextmanager
    def answering(self, key: str | None, seed: int) -> Iterator[None]:
        """Let an adapter answer within the block."""
        self.lm.lora_request, self.lm.draws = key and self._requests[key], seed
        yield


@cache
def _seeded_vllm() -> Any:
    """Return the harness's class for vLLM with a seed for each answer, imported when it is needed."""
    try:
        base: Any = import_module(
            "lm_eval.models.vllm_causallms"
        ).VLLM  # by name: no part of this environment
    except ImportError as error:
        raise DependencyError(MISSING.format(error)) from error

    class SeededVllm(base):  # type: ignore[misc]
        """Draws an answer by a seed, its prompt and how often that was asked: not by what else is asked."""

        draws = 0

        def _model_generate(
            self, requests: list[list[int]], generate: bool = False, sampling_params: Any = None
        ) -> Any:
            asked: Counter[str] = Counter()
            for tokens, params in zip(requests, sampling_params or [], strict=False):
                prompt = digest_of(tokens)
                params.seed = int(digest_of([self.draws, prompt, asked[prompt]])[:7], 16)
                params.skip_special_tokens = True  # as with transformers
                asked[prompt] += 1
            return super()._model_generate(requests, generate, sampling_params)

    return SeededVllm


BACKENDS: dict[str, type[Transformers] | type[Vllm]] = {"transformers": Transformers, "vllm": Vllm}


def versions_of(kind: str) -> dict[str, str]:
    """Return the versions of the packages that a backend computes with."""
    try:
        return {package: version(package) for package in BACKENDS[kind].packages}
    except PackageNotFoundError as error:
        raise DependencyError(MISSING.format(error)) from error

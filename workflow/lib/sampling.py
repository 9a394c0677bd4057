"""Answers sampled from a local model by vLLM's offline engine: one engine start per job, in this process.

Every request carries a seed derived from its problem, so a problem's text does not depend on the order,
the shard or the batch it is asked in; log-probabilities agree to the rounding of ``LOGPROB_DIGITS``.
vLLM is imported when an engine starts, after its environment is set.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from workflow.lib.asking import TOO_LONG, Answer, Question, rationales, request_seed, tell
from workflow.lib.chat import check_contract, render, token_ids
from workflow.lib.errors import DependencyError
from workflow.lib.records import Rationale

MIB = 1 << 20  # bytes
CPU_BATCH = 4096  # tokens in one step of the engine
LOGPROB_DIGITS = 4  # sums of float32 log-probabilities differ beyond this with the batch
PROGRESS_EVERY = 10.0  # seconds between lines of progress in the log
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine runs in this process: 3 s to start, not 20
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


@dataclass(frozen=True)
class Teacher:
    """How a teacher is sampled; the keys of ``teachers`` in the config."""

    kind: Literal["vllm"]
    model: str
    samples: int
    temperature: float
    top_p: float
    max_tokens: int
    seed: int


def engine_options(hardware: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of ``vllm.LLM`` that the hardware section of the config decides."""
    window = hardware["max_model_len"]
    common = {"dtype": hardware["precision"], "max_model_len": window, "disable_log_stats": True}
    if hardware["device"] != "cpu":
        return {
            **common,
            "gpu_memory_utilization": hardware["vllm_memory_fraction"],
            "tensor_parallel_size": hardware["vllm_tensor_parallel"],
        }
    return {
        **common,
        "kv_cache_memory_bytes": hardware["vllm_kv_cache_mib"] * MIB,
        "enforce_eager": True,  # compiling needs a C++ compiler and half a minute
        # vLLM 0.32 cannot rewind a CPU generator, so a seeded prompt must be prefilled in one piece
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(CPU_BATCH, window),
    }


class Engine:
    """A running vLLM engine for one model folder."""

    def __init__(self, snapshot: str | Path, hardware: Mapping[str, Any], cache: str | Path) -> None:
        """Start the engine; ``cache`` is the folder where vLLM may leave what it compiled."""
        os.environ.update(ENVIRONMENT, VLLM_CACHE_ROOT=str(Path(cache).absolute()))
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # shards are the parallelism
        import torch
        from vllm import LLM

        if hardware["device"] != "cpu" and not torch.cuda.is_available():
            raise DependencyError(
                f"hardware.device is '{hardware['device']}' but no such device is here. "
                "Fix: set it to cpu, or ask the scheduler for a GPU."
            )
        self._llm = LLM(model=str(snapshot), **engine_options(hardware))
        self._window = int(hardware["max_model_len"])
        self._tokenizer = self._llm.get_tokenizer()
        check_contract(self._tokenizer, str(snapshot))

    def answers(self, asked: Sequence[Question], teacher: Teacher) -> list[list[Answer]]:
        """Return ``teacher.samples`` answers to each question, in the order of the questions.

        A question that would not leave room for ``teacher.max_tokens`` is not asked: its answers are
        empty and have the finish reason ``TOO_LONG``.
        """
        prompts = [token_ids(self._tokenizer, render(self._tokenizer, q.text)) for q in asked]
        fits = [i for i, ids in enumerate(prompts) if len(ids) + teacher.max_tokens <= self._window]
        found = self._generate([prompts[i] for i in fits], [asked[i] for i in fits], teacher)
        whole = dict(zip(fits, found, strict=True))
        return [
            whole[i] if i in whole else [Answer("", 0.0, 0, len(ids), TOO_LONG)] * teacher.samples
            for i, ids in enumerate(prompts)
        ]

    def _generate(
        self, prompts: list[list[int]], asked: list[Question], teacher: Teacher
    ) -> list[list[Answer]]:
        from tqdm import tqdm  # type: ignore[import-untyped]
        from vllm import SamplingParams, TokensPrompt

        params = [
            SamplingParams(
                n=teacher.samples,
                temperature=teacher.temperature,
                top_p=teacher.top_p,
                max_tokens=teacher.max_tokens,
                seed=request_seed(question.problem_id, teacher),
                logprobs=0,  # of the sampled token only
            )
            for question in asked
        ]
        outputs = self._llm.generate(
            [TokensPrompt(prompt_token_ids=ids) for ids in prompts],
            params,
            use_tqdm=partial(tqdm, mininterval=PROGRESS_EVERY, ascii=True),
        )
        return [
            [_answer(o, len(request.prompt_token_ids)) for o in sorted(request.outputs, key=_index)]
            for request in outputs
        ]


def _index(output: Any) -> int:
    return int(output.index)


def _answer(output: Any, prompt_tokens: int) -> Answer:
    """Return one vLLM output as an answer; ``logprobs`` holds one mapping per sampled token."""
    sampled = zip(output.token_ids, output.logprobs, strict=True)
    logprob = math.fsum(position[token].logprob for token, position in sampled)
    return Answer(
        output.text,
        round(logprob, LOGPROB_DIGITS),
        len(output.token_ids),
        prompt_tokens,
        output.finish_reason,
    )


def sample(
    asked: Sequence[Question],
    *,
    name: str,
    prompt: str,
    snapshot: str | Path,
    teacher: Teacher,
    hardware: Mapping[str, Any],
    cache: str | Path,
) -> list[Rationale]:
    """Return the samples of one teacher for ``asked``; an engine starts only if there is a question."""
    answers = Engine(snapshot, hardware, cache).answers(asked, teacher) if asked else []
    rows = rationales(asked, answers, name=name, prompt=prompt, teacher=teacher)
    tell(rows, name=name, prompt=prompt, problems=len(asked))
    return rows

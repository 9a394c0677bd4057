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
from workflow.lib.chat import check_questions, render, token_ids
from workflow.lib.engines import engine_environment, engine_options, logprob_change, lora_options
from workflow.lib.errors import DependencyError
from workflow.lib.lora import Adapter, read_adapter
from workflow.lib.records import Rationale

LOGPROB_DIGITS = 4  # sums of float32 log-probabilities differ beyond this with the batch
PROGRESS_EVERY = 10.0  # seconds between lines of progress in the log


@dataclass(frozen=True)
class Teacher:
    """How a teacher is sampled; the keys of ``teachers`` in the config."""

    kind: Literal["vllm", "adapter"]
    model: str
    samples: int
    temperature: float
    top_p: float
    max_tokens: int
    seed: int


class Engine:
    """A running vLLM engine for one model folder, with an adapter on it if there is one."""

    def __init__(
        self,
        snapshot: str | Path,
        hardware: Mapping[str, Any],
        cache: str | Path,
        adapter: Adapter | None,
    ) -> None:
        """Start the engine; ``cache`` is the folder where vLLM may leave what it compiled."""
        os.environ.update(engine_environment(hardware, cache))
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # shards are the parallelism
        import torch
        from vllm import LLM
        from vllm.lora.request import LoRARequest

        if hardware["device"] != "cpu" and not torch.cuda.is_available():
            raise DependencyError(
                f"hardware.device is '{hardware['device']}' but no such device is here. "
                "Fix: set it to cpu, or ask the scheduler for a GPU."
            )
        room = lora_options(*[adapter] if adapter else [])
        self._llm = LLM(model=str(snapshot), **engine_options(hardware), **room)
        self._adapter: Any = LoRARequest("teacher", 1, str(adapter.folder.absolute())) if adapter else None
        self._window = int(hardware["max_model_len"])
        self._tokenizer = self._llm.get_tokenizer()
        check_questions(self._tokenizer, str(snapshot))

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

        if self._adapter and prompts:
            change = logprob_change(self._llm, prompts[0], self._adapter)
            print(f"the adapter changes a log-probability by up to {change:.3g} nats", flush=True)
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
            lora_request=self._adapter,
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
    adapter: Sequence[str],
    manifest: str | Path,
    snapshot: str | Path,
    teacher: Teacher,
    hardware: Mapping[str, Any],
    cache: str | Path,
) -> list[Rationale]:
    """Return the samples of one teacher for ``asked``; an engine starts only if there is a question.

    Args:
        asked: Problems in the words of the prompt.
        name: Of the teacher.
        prompt: Name of the prompt file.
        adapter: ``[safetensors, config]`` of the adapter that answers; empty for the base itself.
        manifest: Of the base model.
        snapshot: Folder of the base model.
        teacher: How it is sampled.
        hardware: The section ``hardware`` of the config.
        cache: Folder for what vLLM compiles.
    """
    lora = read_adapter(adapter, manifest, snapshot)
    if lora:
        print(f"teacher '{name}': adapter {lora.digest[:12]} of rank {lora.rank}", flush=True)
    answers = Engine(snapshot, hardware, cache, lora).answers(asked, teacher) if asked else []
    rows = rationales(asked, answers, name=name, prompt=prompt, teacher=teacher)
    tell(rows, name=name, prompt=prompt, problems=len(asked))
    return rows

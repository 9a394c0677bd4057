"""Seeds, shards, rows, and a real vLLM engine on a tiny random Llama."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from tests.tiny_llama import vllm_in_this_process
from workflow.lib.asking import TOO_LONG, Answer, Question, rationales, request_seed, shard_of
from workflow.lib.chat import render, token_ids
from workflow.lib.engines import engine_environment
from workflow.lib.errors import DependencyError, IntegrityError
from workflow.lib.lora import Adapter
from workflow.lib.sampling import Engine, Teacher, engine_options, lora_options

HARDWARE = {
    "device": "cpu",
    "precision": "float32",
    "vllm_memory_fraction": 0.9,
    "vllm_kv_cache_mib": 8,
    "vllm_tensor_parallel": 2,
    "max_model_len": 64,
}
TEACHER = Teacher("vllm", "tiny", samples=3, temperature=1.0, top_p=1.0, max_tokens=16, seed=3)
QUESTIONS = [Question(f"p{i}", "train", f"Is {i} {'very ' * (i % 4)}odd?") for i in range(200)]


def test_seeds_leave_room_for_the_samples() -> None:
    seeds = [request_seed(q.problem_id, TEACHER) for q in QUESTIONS]
    assert all(seed % 3 == 0 and 0 <= seed < 2**31 - 2 for seed in seeds)  # vLLM adds the index 0, 1, 2
    assert len({seed + i for seed in seeds for i in range(3)}) == 3 * 200


def test_seeds_depend_on_the_teacher_and_the_problem_only() -> None:
    digest = hashlib.sha256(b"seed\x1f3\x1fp1").digest()
    number = int.from_bytes(digest[:8], "big")
    assert request_seed("p1", TEACHER) == number % (2**31 // 3) * 3
    assert request_seed("p2", TEACHER) != request_seed("p1", TEACHER)
    other = Teacher("vllm", "tiny", samples=3, temperature=1.0, top_p=1.0, max_tokens=16, seed=4)
    assert request_seed("p1", other) != request_seed("p1", TEACHER)


def test_shards_part_the_problems_evenly_and_for_good() -> None:
    shards = {q.problem_id: shard_of(q.problem_id, 4) for q in QUESTIONS}
    sizes = Counter(shards.values())
    assert sorted(sizes) == [0, 1, 2, 3]
    assert min(sizes.values()) > 30  # 50 expected, standard deviation 6
    assert shard_of("p1", 1) == 0


def test_the_hardware_section_decides_memory_and_compilation() -> None:
    assert "TORCH_COMPILE_DISABLE" in engine_environment(HARDWARE, "cache")
    assert "TORCH_COMPILE_DISABLE" not in engine_environment({**HARDWARE, "device": "cuda"}, "cache")
    cpu, cuda = engine_options(HARDWARE), engine_options({**HARDWARE, "device": "cuda"})
    assert cpu["kv_cache_memory_bytes"] == 8 * 1024 * 1024
    assert cpu["enforce_eager"]
    assert "gpu_memory_utilization" not in cpu
    assert cuda["gpu_memory_utilization"] == 0.9 and cuda["tensor_parallel_size"] == 2
    assert "tensor_parallel_size" not in cpu
    assert "kv_cache_memory_bytes" not in cuda
    assert "enforce_eager" not in cuda


def test_a_prompt_is_never_prefilled_in_pieces_on_cpu() -> None:
    long = engine_options({**HARDWARE, "max_model_len": 9000})
    assert not long["enable_chunked_prefill"]
    assert long["max_num_batched_tokens"] == 9000


def test_rows_are_ordered_by_problem_and_index() -> None:
    asked = [Question("b", "dev", "?"), Question("a", "train", "?")]
    answers = [[Answer(f"{q.problem_id}{i}", -1.0, 1, 5, "stop") for i in range(3)] for q in asked]
    rows = rationales(asked, answers, name="t", prompt="cot", teacher=TEACHER)
    assert [(row.text, row.split) for row in rows] == [
        *[(f"a{i}", "train") for i in range(3)],
        *[(f"b{i}", "dev") for i in range(3)],
    ]
    assert [row.seed - request_seed("a", TEACHER) for row in rows[:3]] == [0, 1, 2]
    assert rows[0].rationale_id == "a/t/cot/0"


def test_a_missing_sample_and_a_question_asked_twice_are_refused() -> None:
    one = [Answer("x", -1.0, 1, 5, "stop")]
    with pytest.raises(IntegrityError, match=r"1 problems without 3 samples \['a'\]"):
        rationales([Question("a", "dev", "?")], [one], name="t", prompt="cot", teacher=TEACHER)
    with pytest.raises(IntegrityError, match="1 asked twice"):
        rationales([Question("a", "dev", "?")] * 2, [one * 3] * 2, name="t", prompt="cot", teacher=TEACHER)


@pytest.fixture(scope="module")
def engine(tiny_llama: Path, vllm_cache: Path) -> Iterator[Engine]:
    with vllm_in_this_process():
        yield Engine(tiny_llama, HARDWARE, vllm_cache, None)


@pytest.fixture(scope="module")
def answers(engine: Engine) -> list[list[Answer]]:
    # 600 prompts of 12 tokens or more exceed the 4096 tokens of one step: where vLLM prefills a seeded
    # prompt in two pieces on CPU, it stops with "CPU Generator does not use offset"
    return engine.answers(QUESTIONS, TEACHER)


def test_text_does_not_depend_on_order_batch_or_shard(engine: Engine, answers: list[list[Answer]]) -> None:
    backwards = engine.answers(QUESTIONS[::-1], TEACHER)[::-1]
    alone = [engine.answers([question], TEACHER)[0] for question in QUESTIONS[:3]]
    third = [i for i, q in enumerate(QUESTIONS) if shard_of(q.problem_id, 3) == 1]
    shard = engine.answers([QUESTIONS[i] for i in third], TEACHER)
    assert texts(backwards) == texts(answers)
    assert texts(alone) == texts(answers[:3])
    assert texts(shard) == texts([answers[i] for i in third])
    assert len({text for samples in texts(answers) for text in samples}) > 590  # the samples do differ


def test_another_seed_gives_another_text(engine: Engine, answers: list[list[Answer]]) -> None:
    other = Teacher("vllm", "tiny", samples=3, temperature=1.0, top_p=1.0, max_tokens=16, seed=4)
    found = engine.answers(QUESTIONS[:20], other)
    both = zip(chain(*texts(found)), chain(*texts(answers[:20])), strict=True)
    same = [mine == others for mine, others in both]
    assert len(same) == 60
    assert sum(same) <= 2  # both empty


def test_log_probabilities_are_those_of_transformers(answers: list[list[Answer]], tiny_llama: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    model = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)
    compared = 0
    for question, samples in zip(QUESTIONS[:40], answers[:40], strict=True):
        start = token_ids(tokenizer, render(tokenizer, question.text))
        for answer in samples:
            assert answer.prompt_tokens == len(start)
            end = [tokenizer.eos_token_id] if answer.finish_reason == "stop" else []
            sampled = [*token_ids(tokenizer, answer.text), *end]
            if len(sampled) < answer.tokens:  # a turn mark in the middle: left out of the text
                continue
            with torch.no_grad():
                logits = model(torch.tensor([start + sampled])).logits[0, len(start) - 1 : -1]
            logps = torch.log_softmax(logits, -1).gather(1, torch.tensor(sampled)[:, None])
            assert answer.logprob == pytest.approx(logps.sum().item(), abs=1e-4)
            compared += 1
    assert compared > 60


def test_the_end_of_a_sample_is_told(answers: list[list[Answer]]) -> None:
    flat = list(chain(*answers))
    assert {a.finish_reason for a in flat} == {"stop", "length"}
    assert all(a.tokens == 16 for a in flat if a.finish_reason == "length")
    assert all(1 <= a.tokens <= 16 for a in flat if a.finish_reason == "stop")


def test_a_question_without_room_for_its_answer_is_not_asked(engine: Engine) -> None:
    long = Question("long", "train", "x" * 46)  # and 3 marks: 49 tokens, 49 + 16 > 64
    fits = Question("fits", "train", "x" * 45)
    first, second = engine.answers([long, fits], TEACHER)
    assert first == [Answer("", 0.0, 0, 49, TOO_LONG)] * 3
    assert {a.finish_reason for a in second} <= {"stop", "length"}


def test_a_device_that_is_not_there_is_named(tiny_llama: Path, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with vllm_in_this_process(), pytest.raises(DependencyError, match=r"hardware\.device is 'cuda'"):
        Engine(tiny_llama, {**HARDWARE, "device": "cuda"}, tmp_path, None)


def texts(answers: list[list[Answer]]) -> list[list[str]]:
    return [[answer.text for answer in samples] for samples in answers]


def test_room_is_made_for_the_rank_and_the_layers_of_an_adapter() -> None:
    options = lora_options(Adapter(Path("a"), 9, ["q_proj", "v_proj"], "0"))
    assert options["enable_lora"] and options["max_lora_rank"] == 16  # the next that vLLM has
    assert options["lora_target_modules"] == ["q_proj", "v_proj"]
    assert options["max_loras"] == 2  # one more than there are adapters
    assert lora_options(Adapter(Path("a"), 8, [], "0"))["max_lora_rank"] == 8
    with pytest.raises(IntegrityError, match="a: rank: expected 512 or less, found 513"):
        lora_options(Adapter(Path("a"), 513, [], "0"))

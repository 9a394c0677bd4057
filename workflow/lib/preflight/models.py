"""What models that are here must be like: chat templates, layers that adapters change, room for prompts."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from workflow.lib.chat import Tokenizer, check_contract, check_questions, render, token_ids
from workflow.lib.errors import PlumblineError
from workflow.lib.files import read_json, read_jsonl
from workflow.lib.lora import TAIL
from workflow.lib.manifests import shapes_of
from workflow.lib.preflight.lines import Line, Site, judged, not_yet, of_error, ok, wrong
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Problem
from workflow.lib.references import suggest

CONTEXT = ("max_position_embeddings", "n_positions")  # keys of config.json, tokens
LONGEST = 20  # problems of a task whose tokens are counted: the longest ones by characters
ALL = "all-linear"
REWARD = "reward"  # the method whose model has a head for scores


def templates(site: Site) -> Iterator[Line]:
    """Render chat templates by the gates of training and sampling; files of templates must parse."""
    for about in site.study["models"].values():
        if about.get("chat_template"):
            yield parsed(site.root / f"config/templates/{about['chat_template']}.jinja")
    students = site.study["train"]["models"]
    teachers = {about["model"] for about in site.teachers_of_vllm().values()}
    gates = {name: check_questions for name in sorted(teachers)} | dict.fromkeys(students, check_contract)
    for model, gate in gates.items():
        tokenizer = tokenizer_of(site, model)
        if tokenizer is None:
            yield not_yet(f"models.{model}", "the tokenizer is not here. Check again after fetch_model.")
            continue
        try:
            gate(tokenizer, f"models.{model}")
            role = "a student" if model in students else "a teacher"
            yield ok(f"models.{model}", f"as that of {role} must be")
        except PlumblineError as error:
            yield of_error("", error)


def parsed(path: Path) -> Line:
    """Tell whether a file of a chat template can be read as one."""
    try:
        ImmutableSandboxedEnvironment().parse(path.read_text(encoding="utf-8"))
    except TemplateSyntaxError as error:
        return wrong(f"{path.name}:{error.lineno}", f"{error.message}. Fix: mend {path}.")
    return ok(path.name, "can be read")


def file_of(site: Site, model: str, name: str) -> Path | None:
    """Return the path of a file of a model; ``None`` while it is not here."""
    folder = site.snapshot(model)
    return folder / name if folder and (folder / name).is_file() else None


def tokenizer_of(site: Site, model: str) -> Tokenizer | None:
    """Return the tokenizer of a model with the template that it will have; ``None`` while it is not here."""
    if (found := file_of(site, model, "tokenizer.json")) is None:
        return None
    from transformers import AutoTokenizer  # takes seconds, so only where there is something to read

    tokenizer = AutoTokenizer.from_pretrained(found.parent, local_files_only=True)
    if named := site.study["models"][model].get("chat_template"):
        tokenizer.chat_template = (site.root / f"config/templates/{named}.jinja").read_text(encoding="utf-8")
    return tokenizer  # type: ignore[no-any-return]


def layers(site: Site) -> Iterator[Line]:
    """Tell whether the modules that adapters shall change are layers of the students, by names of weights."""
    wanted = site.study["lora"]["target_modules"]
    for model in site.study["train"]["models"]:
        folder = site.snapshot(model)
        files = sorted(folder.glob("*.safetensors")) if folder else []
        if not files:
            yield not_yet(f"models.{model}", "the weights are not here. Check again after fetch_model.")
            continue
        shapes = {name: shape for file in files for name, shape in shapes_of(file).items()}
        linear = {n.removesuffix(".weight") for n, s in shapes.items() if len(s) == 2 and TAIL.search(n)}
        known = sorted({name.rpartition(".")[2] for name in linear})
        lacking = [n for n in wanted if not any(re.search(rf"(^|\.){re.escape(n)}$", at) for at in linear)]
        lacking = [] if wanted == ALL else lacking
        problems = [
            wrong("lora.target_modules", f"'{name}' is no layer of models.{model}.{suggest(name, known)}")
            for name in lacking
        ]
        if not linear:
            problems = [
                wrong(f"models.{model}", f"no linear layer in {folder}. Fix: name a causal language model.")
            ]
        fine = ok(f"models.{model}", f"has {', '.join(known if wanted == ALL else wanted)}")
        yield from judged(problems, fine)


def scorers(site: Site) -> Iterator[Line]:
    """Tell whether a student can be a reward model, where the study trains one."""
    for model in site.study["train"]["models"] if REWARD in site.study["methods"] else ():
        if (found := file_of(site, model, "config.json")) is None:
            yield not_yet(f"models.{model}", "its family is not known. Check again after fetch_model.")
            continue
        from workflow.lib.models import check_scorer  # takes seconds, as above

        try:
            check_scorer(found.parent)
            yield ok(f"models.{model}", "can be one")
        except PlumblineError as error:
            yield of_error("", error)


def lengths(site: Site) -> Iterator[Line]:
    """Compare the lengths that the study asks for with the context of its models."""
    longest = site.study["hardware"]["max_model_len"]
    for name, about in site.teachers_of_vllm().items():
        if about["max_tokens"] >= longest:
            told = f"max_tokens {about['max_tokens']} leaves no room for a prompt"
            yield wrong(
                f"teachers.{name}", f"{told} in hardware.max_model_len ({longest}). Fix: lower the one."
            )
    asked = {
        about["model"]: {"hardware.max_model_len": longest} for about in site.teachers_of_vllm().values()
    }
    for model in site.study["train"]["models"]:
        asked.setdefault(model, {}).update(asked_of_student(site, model))
    for model, wanted in asked.items():
        if (found := file_of(site, model, "config.json")) is None:
            yield not_yet(f"models.{model}", "the context is not known. Check again after fetch_model.")
            continue
        context = context_of(read_json(found))
        problems = [
            wrong(key, f"{tokens} tokens, and models.{model} reads {context}. Fix: lower it.")
            for key, tokens in wanted.items()
            if context and tokens > context
        ]
        most = max(wanted.values(), default=0)
        fine = ok(f"models.{model}", f"reads {context or 'any number of'} tokens, {most} asked for")
        yield from judged(problems, fine)


def context_of(config: dict[str, Any]) -> int | None:
    """Return how many tokens a model reads; ``None`` where its configuration does not say."""
    read = {**config, **{"text_config": {}, **config}["text_config"]}  # of models that see pictures too
    return next((int(read[key]) for key in CONTEXT if key in read), None)


def asked_of_student(site: Site, model: str) -> dict[str, int]:
    """Return the tokens that a student reads at the most, by the key of the config that asks for them."""
    asked: dict[str, int] = {}
    for name, about in site.study["methods"].items():
        asked |= {f"methods.{name}.{key}": about[key] for key in ("max_length",) if key in about}
    for name, task in site.study["evaluation"]["tasks"].items():
        prompt = longest_prompt(site, model, task)
        asked[f"evaluation.tasks.{name} (prompt {prompt} + max_new_tokens)"] = prompt + task["max_new_tokens"]
    return asked


def longest_prompt(site: Site, model: str, task: dict[str, Any]) -> int:
    """Return the tokens of the longest prompt of a task; 0 while problems or tokenizer are not here."""
    path = site.results / f"data/{task['dataset']}/test.jsonl"
    tokenizer = tokenizer_of(site, model)
    if tokenizer is None or task["metric"] != "accuracy" or not path.is_file():
        return 0
    problems = sorted((Problem(**row) for row in read_jsonl(path)), key=lambda p: len("".join(p.texts())))
    prompt = PromptFile(site.root / f"config/prompts/{site.study['prompts']['student']}.j2")
    texts = [render(tokenizer, prompt.render(problem)) for problem in problems[-LONGEST:]]
    return max((len(token_ids(tokenizer, text)) for text in texts), default=0)

"""What a study cites: an entry for every kind of thing, whole BibTeX, and nothing that it does not use."""

import re
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from tests.studies import ROOT, demo_config
from workflow.lib.citations import (
    CHOICES,
    DATASETS,
    METHODS,
    SOFTWARE,
    STATISTICS,
    STRATEGIES,
    WEIGHTS,
    bibliography,
    entries_of,
    escaped,
    keys_of_method,
    software,
)
from workflow.scripts.collect_provenance import PACKAGES

LIBRARY = (ROOT / "workflow/report/references.bib").read_text()
SCHEMA = yaml.safe_load((ROOT / "config/schemas/config.schema.yaml").read_text())
VERSIONS = dict.fromkeys(PACKAGES, "1.0") | {"python": "3.11.2"}


def parsed(text: str) -> dict[str, dict[str, str]]:
    """Return the fields of every entry of a BibTeX file by key; what BibTeX may stumble on is refused."""
    found: dict[str, dict[str, str]] = {}
    rest = text
    while rest:
        head = re.match(r"@(article|inproceedings|misc)\{([A-Za-z0-9.-]+),\n", rest)
        assert head, f"no entry begins at {rest[:60]!r}"
        rest, fields = rest[head.end() :], {}
        while not rest.startswith("}"):
            name = re.match(r"  ([a-z]+) = \{", rest)
            assert name, f"no field begins at {rest[:60]!r}"
            depth, end = 1, name.end()
            while depth:
                mark = rest[end]
                depth += (mark == "{") - (mark == "}") if rest[end - 1] != "\\" else 0
                end += 1
            value = rest[name.end() : end - 1]
            assert value and "\n" not in value and name[1] not in fields
            assert not re.search(r"(?<!\\)[&%#_]", value), value
            fields[name[1]] = value
            ending = re.match(r",\n(?=  )|\n(?=\})", rest[end:])
            assert ending, f"no field ends at {rest[end : end + 60]!r}"
            rest = rest[end + ending.end() :]
        assert head[2] not in found, f"{head[2]} stands there twice"
        found[head[2]] = fields | {"kind": head[1]}
        rest = rest.removeprefix("}").lstrip("\n")
    return found


def facts(**changes) -> dict:
    """Return the content of provenance.json of the demo, some sections of its config changed."""
    config = demo_config()
    for section, values in changes.items():
        config[section] = config[section] | values
    dataset = {"dataset": "logic", "citation": "A & B, 50%", "licence": "CC-BY_4", "manifest_sha256": "00"}
    sources = [
        {"kind": "hub", "repo": "them/logic_data", "revision": "abc", "path": None, "adapter": "folio"}
    ]
    model = {"model": "tiny", "kind": "local", "repo": None, "path": "models/tiny-1", "revision": None}
    return {
        "config": config,
        "versions": {**VERSIONS, "vllm": "not in this environment"},
        "runs": [{"versions": {"torch": "2.13.0+cpu", "lm_eval": "0.4.13"}}],
        "scores": [{"identity": {"versions": {"torch": "2.14.0"}}}],
        "manifests": [dataset | {"sources": sources}, model],
    }


def test_the_library_is_whole_bibtex_in_the_order_of_its_keys_by_year_of_none_twice():
    found = parsed(LIBRARY)
    assert len(found) > 50
    assert set(entries_of(LIBRARY)) == set(found)
    for key, fields in found.items():
        assert {"author", "title", "year"} <= set(fields), key
        assert re.fullmatch(r"(19|20)\d\d", fields["year"])
        assert ("eprint" in fields) == ("archiveprefix" in fields)
        assert re.fullmatch(r"\d{4}\.\d{4,5}", fields.get("eprint", "0000.0000"))
        assert {"article": "journal", "inproceedings": "booktitle", "misc": "howpublished"}[
            fields["kind"]
        ] in fields


@pytest.mark.parametrize(
    "broken",
    [
        "@misc{a,\n  title = {T}\n}\n@misc{a,\n  title = {T}\n}",
        "@misc{a,\n  title = {T & U}\n}",
        "@misc{a,\n  title = {T},\n}",
        "@misc{a,\n  title = {{T}\n}",
        "@misc{a b,\n  title = {T}\n}",
    ],
)
def test_the_parser_of_this_test_refuses_what_is_broken(broken):
    with pytest.raises((AssertionError, IndexError)):
        parsed(broken)


def test_every_method_dataset_strategy_and_package_has_an_entry():
    trainers = {path.stem.removeprefix("train_") for path in ROOT.glob("workflow/scripts/train_*.py")}
    assert set(METHODS) == trainers and len(trainers) >= 9
    assert set(DATASETS) == set(SCHEMA["$defs"]["adapter"]["enum"])
    strategies = SCHEMA["properties"]["preferences"]["properties"]["strategy"]["additionalProperties"]["enum"]
    assert set(STRATEGIES) == set(strategies)
    assert {*PACKAGES, "python"} <= set(SOFTWARE)
    hardware = SCHEMA["properties"]["hardware"]["properties"]
    for name in ("deepspeed", "quantisation"):
        assert {value for key, value in CHOICES if key == name} == set(hardware[name]["enum"]) - {"none"}
    cited = [
        *METHODS.values(),
        *DATASETS.values(),
        *STRATEGIES.values(),
        *CHOICES.values(),
        *STATISTICS.values(),
        *WEIGHTS.values(),
    ]
    used = {key for keys in cited for key in keys} | {*SOFTWARE.values(), "hu2022lora"}
    assert used == set(parsed(LIBRARY))  # and no entry is there for nothing


def test_a_method_cites_what_its_settings_choose():
    dpo = {"loss": "sigmoid", "nll_weight": 0.0}
    assert keys_of_method("dpo", dpo) == ["rafailov2023dpo"]
    assert keys_of_method("dpo-x", dpo | {"loss": "ipo"}) == ["rafailov2023dpo", "azar2024ipo"]
    assert keys_of_method("dpo", dpo | {"nll_weight": 1.0}) == ["rafailov2023dpo", "pang2024irpo"]
    assert keys_of_method("sft", {"packing": False}) == ["ouyang2022instructgpt"]
    assert "touvron2023llama2" in keys_of_method("reward", {"margin": True, "centring": 0.0})
    assert "eisenstein2023herding" not in keys_of_method("reward", {"margin": True, "centring": 0.0})


def test_versions_are_those_of_all_environments_and_of_what_is_called():
    found = software(facts())
    assert found["torch"] == "1.0 and 2.13.0+cpu and 2.14.0"
    assert found["lm-eval"] == "1.0 and 0.4.13"  # named lm_eval by who imports it
    assert "vllm" not in found and "deepspeed" not in found
    with_vllm = facts() | {"versions": VERSIONS}
    assert software(with_vllm)["vllm"] == "1.0"  # the demo's teacher
    with_vllm["config"]["teachers"] = {"far": {"kind": "api"}}
    assert software(with_vllm)["vllm"] == "1.0"  # it asks the policies again
    with_vllm["config"]["evaluation"]["noise_floor"] = None
    assert "vllm" not in software(with_vllm)
    with_vllm["config"]["evaluation"]["backend"] = {"kind": "vllm"}
    assert software(with_vllm)["vllm"] == "1.0"  # it answers held-out problems


def test_only_what_a_study_uses_is_in_its_bibliography():
    found = bibliography(facts(), entries_of(LIBRARY))
    assert {"dataset-logic", "model-tiny", "hong2024orpo", "bisk2020piqa", "holm1979"} <= set(found)
    assert not {"shao2024grpo", "dettmers2023qlora", "rajbhandari2020zero", "kwon2023vllm"} & set(found)
    entries = parsed("\n\n".join(found.values()) + "\n")
    assert set(entries) == set(found)
    assert entries["paszke2019pytorch"]["version"] == "1.0 and 2.13.0+cpu and 2.14.0"
    told = r"A \& B, 50\%. them/logic\_data, revision abc. Licence: CC-BY\_4"
    assert entries["dataset-logic"]["note"] == told
    assert entries["model-tiny"]["note"] == "tiny-1"  # and no folder of this machine
    heavy = facts(hardware={"quantisation": "nf4", "deepspeed": "zero3"}, lora={"dora": True})
    more = {"dettmers2023qlora", "rajbhandari2020zero", "liu2024dora"}
    assert more <= set(bibliography(heavy, entries_of(LIBRARY)))


def test_statistics_are_cited_where_the_analysis_uses_them():
    def cited(seeds, judge, tokens):
        told = facts(evaluation={"judge": judge})
        told["config"]["seeds"] = seeds
        for task in told["config"]["evaluation"]["tasks"].values():
            task["max_new_tokens"] = tokens
        return {use for use, keys in STATISTICS.items() if set(keys) <= set(bibliography(told, library))}

    library = entries_of(LIBRARY)
    assert cited([1], None, 8) == {"always"}
    assert cited([1, 2], None, 8) == {"always", "seeds"}
    assert cited([1], {"by": "tiny"}, 8) == {"always", "judge"}
    assert cited([1], None, 0) == {"always", "options"}


def test_marks_of_tex_are_text():
    assert escaped("50% of A_b & {c}\n ~ ^ \\x #1 $2") == (
        r"50\% of A\_b \& \{c\} \~{} \^{} \textbackslash{}x \#1 \$2"
    )


def test_the_shipped_studies_can_be_cited():
    library = entries_of(LIBRARY)
    studies = [ROOT / "config/config.yaml", *sorted(Path(ROOT / "config/studies").glob("*.yaml"))]
    for path in studies:
        told = deepcopy(facts()) | {"config": yaml.safe_load(path.read_text())}
        assert len(bibliography(told, library)) > 20

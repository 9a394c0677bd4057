"""The methods in words say what the study did, cite what is in the bibliography, and nothing else."""

import re

import pytest
import yaml

from tests.lib.test_citations import facts, parsed
from tests.studies import ROOT
from workflow.lib.citations import METHODS, STRATEGIES
from workflow.lib.files import write_json
from workflow.scripts import write_methods

TEMPLATE = str(ROOT / "workflow/report/methods.md.j2")
LIBRARY = str(ROOT / "workflow/report/references.bib")


def written(tmp_path, told) -> tuple[str, str]:
    """Return text and bibliography of a study with these facts and one card."""
    told |= {"commit": "c0ffee", "config_sha256": "ab" * 32}
    write_json(tmp_path / "provenance.json", told)
    write_json(tmp_path / "card.json", {"dataset": "logic", "rows": {"dev": 0, "test": 7, "train": 9}})
    paths = {name: tmp_path / name for name in ("methods", "references")}
    write_methods.main(
        provenance=str(tmp_path / "provenance.json"),
        cards=[str(tmp_path / "card.json")],
        template=TEMPLATE,
        library=LIBRARY,
        **{name: str(path) for name, path in paths.items()},
    )
    return paths["methods"].read_text(), paths["references"].read_text()


def test_text_and_bibliography_fit_together(tmp_path):
    told = facts()
    told["config"]["datasets"] = {"logic": told["config"]["datasets"]["logic"]}
    text, references = written(tmp_path, told)
    cited = set(re.findall(r"@([\w-]+)", text))
    assert cited == set(parsed(references))
    assert (text, references) == written(tmp_path, told)  # same facts, same bytes


def test_the_text_says_what_was_done(tmp_path):
    text, _ = written(tmp_path, facts())
    assert "logic [@dataset-logic; @parmar2024logicbench], 9 train, 7 test problems" in text
    assert "DPO against Base on logicbench_sampled" in text
    assert "of rank 8 (alpha 16, dropout 0.0, on all-linear) on tiny [@model-tiny], in float32" in text
    line = next(line for line in text.splitlines() if line.startswith("- DPO"))
    assert "starts from sft, learning rate 0.0005, batch size 16, 1 epoch, loss sigmoid, beta 0.1." in line
    line = next(line for line in text.splitlines() if line.startswith("- PPO"))
    assert line.endswith(", 30 updates, rewarded by Reward model (weight 1).")
    assert "] at 95 % of a cluster bootstrap over groups with 2000 resamples" in text
    assert "torch 1.0 and 2.13.0+cpu and 2.14.0 [@paszke2019pytorch]" in text
    assert "commit c0ffee" in text
    order = [text.index(f"\n- {label}") for label in ("SFT", "DPO", "ORPO", "PPO", "Reward model")]
    assert order == sorted(order)


def test_statistics_scorers_and_judge_are_told_where_the_study_has_them(tmp_path):
    text, _ = written(tmp_path, facts())
    assert "percentile intervals [@efron1981] at 95 %" in text
    assert "at least 70 % of its 8-grams of words" in text
    assert "Answers to logicbench_sampled are also scored by reward." in text
    assert "calibration error in ten bins [@guo2017calibration]" in text
    assert "Satterthwaite's degrees of freedom" in text and "judge" not in text
    told = facts(evaluation={"judge": {"by": "tiny", "task": "logicbench_sampled"}})
    told["config"]["seeds"] = [1]
    for task in told["config"]["evaluation"]["tasks"].values():
        task |= {"max_new_tokens": 8, "scorers": [], "metric": "reward"}
    told["config"]["evaluation"]["tasks"]["puzzles"]["scorers"] = ["sentiment"]
    told["config"]["methods"]["ppo"]["rewards"] = [
        {"kind": "classifier", "weight": 0.5, "model": "bert"},
        {"kind": "verifier", "weight": 2.0},
    ]
    text, _ = written(tmp_path, told)
    assert "tiny judged pairs of a policy's answer and the base's to logicbench_sampled" in text
    assert "Answers to puzzles are scored by sentiment." in text
    assert "rewarded by bert (weight 0.5) and a check of the answer (weight 2)." in text
    assert "also given at equal length" in text and "told by its scorers alone" in text
    assert not any(words in text for words in ("Satterthwaite", "@guo2017calibration", "also scored by"))


def test_a_round_is_a_method_of_its_own(tmp_path):
    told = facts()
    told["config"]["rounds"] = {"dpo": {"count": 2, "start_from": "previous"}}
    told["config"]["study"]["primary"]["method"] = "dpo-round-2"
    text, _ = written(tmp_path, told)
    assert "DPO round-2 against Base on logicbench_sampled" in text
    (line,) = [line for line in text.splitlines() if line.startswith("- DPO round-2")]
    assert "starts from dpo, learning rate 0.0005" in line


def test_every_shipped_study_gets_its_text(tmp_path):
    studies = [ROOT / "config/config.yaml", *sorted(ROOT.glob("config/studies/*.yaml"))]
    assert len(studies) >= 5
    for path in studies:
        told = facts() | {"config": yaml.safe_load(path.read_text())}
        text, references = written(tmp_path, told)
        cited = {
            key for key in re.findall(r"@([\w.-]*\w)", text) if not key.startswith(("dataset-", "model-"))
        }
        assert cited == {key for key in parsed(references) if not key.startswith(("dataset-", "model-"))}, (
            path
        )
        assert "  " not in text and " ." not in text and "[@]" not in text, path


@pytest.mark.parametrize("section", ["does", "made"])
def test_every_method_and_strategy_has_its_words(section):
    text = (ROOT / "workflow/report/methods.md.j2").read_text()
    block = re.search(rf"set {section} = \{{(.*?)\n\}}", text, re.DOTALL)[1]
    assert set(re.findall(r'^  "(\w+)":', block, re.MULTILINE)) == set(
        {"does": METHODS, "made": STRATEGIES}[section]
    )

"""A bad study is told in one clear line each, before any job."""

import subprocess

import pytest

from tests.studies import ROOT, SNAKEMAKE

DEMO = ROOT / "config/demo.yaml"
CASES = {
    "typo": ("  dpo:\n", "  dop:\n", "methods.dop: not a known key. Did you mean 'dpo'?"),
    "text for a number": ("beta: 0.1", "beta: 1e-5", "methods.dpo.beta: expected number, found '1e-5'"),
    "wrong type": ("seeds: [1, 2]", "seeds: 1", "seeds: expected array, found 1"),
    "unknown method": ("  ppo:\n", "  grpo2:\n", "methods.grpo2: not a known key"),
    "missing file": ("student: cot", "student: none-such", "no file config/prompts/none-such.j2"),
    "repeated key": ("seeds: [1, 2]", "seeds: [1]\nseeds: [2]", "key 'seeds' stands here and in line"),
    "name with a slash": ("  tiny:\n    kind", "  org/tiny:\n    kind", "A letter or digit, then letters"),
}


@pytest.mark.parametrize(("old", "new", "told"), CASES.values(), ids=CASES.keys())
def test_one_line_each_and_no_job(old, new, told, tmp_path):
    text = DEMO.read_text()
    assert old in text
    (tmp_path / "study.yaml").write_text(text.replace(old, new, 1))
    command = [SNAKEMAKE, "--cores", "1", "--directory", tmp_path, "--configfile", tmp_path / "study.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR config: ")]
    assert any(told in line for line in lines), done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "results").exists()


def test_the_flagship_is_replaced_and_not_merged(tmp_path):
    earlier = tmp_path / "results/benchmarks/train/logic/tiny/dpo/seed-1.tsv"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("s\th:m:s\n3600\t1:00:00\n")
    command = [SNAKEMAKE, "--dry-run", "--directory", tmp_path, "--configfile", DEMO]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "llama" not in done.stdout + done.stderr
    assert "10 trainings, 7 evaluations" in done.stderr
    # the plan is judged in the folder of the study: ten trainings like the one that took an hour there
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("training ")]
    assert line.split()[1:3] == ["10", "10.0"]
    assert "Jobs judged by earlier runs here 10, by presets 63." in done.stderr

"""What asking cost, by hand."""

from types import SimpleNamespace

from workflow.lib.ledger import account

PRICES = SimpleNamespace(usd_per_million_input=2.5, usd_per_million_output=10.0)


def record(**changes: object) -> dict[str, object]:
    about = {"attempts": 1, "finish_reason": "stop", "model": "m", "replaced": 0, "usage": True}
    return {**about, "prompt_tokens": 100, "tokens": 40, **changes}


def test_the_sums_of_two_answers_asked_and_one_reused() -> None:
    own = [record(), record(attempts=3, finish_reason="length", tokens=60, replaced=2)]
    found = account(own, [record(usage=False, prompt_tokens=0, tokens=0, model="m-2")], PRICES)
    assert found["asked"] == {
        "requests": 2,
        "retries": 2,
        "input_tokens": 200,
        "output_tokens": 100,
        "usd": 0.0015,  # (200 · 2.5 + 100 · 10) / 1e6
        "without_usage": 0,
    }
    assert found["reused"] == {
        "requests": 1,
        "retries": 0,
        "input_tokens": 0,
        "output_tokens": 0,
        "usd": 0.0,
        "without_usage": 1,
    }
    assert found["finish_reasons"] == {"length": 1, "stop": 2}
    assert found["served_models"] == {"m": 2, "m-2": 1}
    assert found["replaced_characters"] == 2

"""One rule for better and worse, on rows as computed and as read from a file."""

import pytest

from workflow.lib.verdicts import verdict


@pytest.mark.parametrize(
    ("low", "high", "p_holm", "said"),
    [
        (0.01, 0.2, 0.049, "better"),
        (-0.2, -0.01, 0.049, "worse"),
        (0.01, 0.2, 0.05, "unclear"),
        (-0.01, 0.2, 0.001, "unclear"),
        (0, 0.2, 0.001, "unclear"),
        (-0.2, 0, 0.001, "unclear"),
        ("", "", 0.001, "unclear"),
        (0.01, 0.2, "", "unclear"),
    ],
    ids=[
        *("better", "worse", "p too large", "interval holds zero", "interval begins at zero"),
        *("interval ends at zero", "no interval", "no p"),
    ],
)
def test_a_verdict_needs_the_interval_and_the_corrected_p(low, high, p_holm, said):
    row = {"low": low, "high": high, "p_holm": p_holm}
    assert verdict(row) == said
    assert verdict({name: str(cell) for name, cell in row.items()}) == said

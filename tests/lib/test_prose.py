"""The methods in words on the page: paragraphs, lists, and papers by name."""

import pytest

from workflow.lib.prose import Paragraph, name_of, paragraphs

BIBLIOGRAPHY = """@article{hong2024orpo,
  author = {Hong, Jiwoo and Lee, Noah and Thorne, James},
  year = {2024}
}

@misc{dataset-logic,
  title = {{Dataset logic}},
  note = {year = {1999}}
}
"""


def entry(author: str) -> str:
    return f"@article{{key,\n  author = {{{author}}},\n  title = {{T}},\n  year = {{2021}}\n}}"


@pytest.mark.parametrize(
    ("author", "name"),
    [
        ("Holm, Sture", "Holm 2021"),
        ("Clopper, C. J. and Pearson, E. S.", "Clopper and Pearson 2021"),
        ("Askell, Amanda and Bai, Yuntao and others", "Askell et al. 2021"),
        ("{Hugging Face}", "Hugging Face 2021"),
        (r"M{\"o}lder, Felix and Gall{\'e}, Matthias", "Mölder and Gallé 2021"),
        (r"{\"U}st{\"u}n, Ahmet", "Üstün 2021"),
    ],
)
def test_a_paper_is_named_by_its_authors_and_year(author: str, name: str) -> None:
    assert name_of(entry(author)) == name


def test_an_entry_without_author_or_year_has_no_name() -> None:
    assert name_of("@misc{a,\n  title = {T},\n  year = {2020}\n}") == ""
    assert name_of("@misc{a,\n  author = {A, B}\n}") == ""


def test_blocks_become_paragraphs_and_lists() -> None:
    text = (
        "# Methods: a study\n\n**Data.** logic [@dataset-logic; @hong2024orpo], 9 train.\n\n\n"
        "- ORPO learns [@hong2024orpo]: **so**.\n- <b>SFT</b> [@unknown] imitates.\n\nThe rest.\n"
    )
    assert paragraphs(text, BIBLIOGRAPHY) == [
        Paragraph(lead="Data.", text="logic (Hong et al. 2024), 9 train."),
        Paragraph(listed=["ORPO learns (Hong et al. 2024): **so**.", "<b>SFT</b> imitates."]),
        Paragraph(text="The rest."),
    ]
    assert paragraphs("", "") == []

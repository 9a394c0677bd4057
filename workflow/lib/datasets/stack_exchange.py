"""Stack Exchange answers in pairs (lvwerra/stack-exchange-paired, CC BY-SA 4.0), the better voted one first.

``{"qid": 1001, "question": "How do I …?", "date": "2020/01/02", "metadata": ["https://SITE/questions/1001",
"https://SITE", "https://SITE/users/1/"], "response_j": "the better answer", "response_k": "the worse"}``:
several rows per question. The licence asks for address, date and author, so a pair keeps them.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from workflow.lib.datasets.raw import Row, Skipped, Source
from workflow.lib.records import GivenPair, group_id, problem_id


def pair(row: Row, source: Source) -> Iterator[GivenPair | Skipped]:
    """Yield the pair of one row, or the reason why nothing can be learned from it."""
    question = row.text("question")
    chosen, rejected = row.text_or_empty("response_j"), row.text_or_empty("response_k")
    credits = [credit for credit in row.texts("metadata") if credit]
    reason = _reason(question, chosen, rejected, source) if credits else "without attribution"
    if reason:
        yield Skipped(row.where, reason)
        return
    site = urlsplit(credits[0]).netloc
    yield GivenPair(
        problem_id=problem_id(source.dataset, question, chosen, rejected),
        group_id=group_id(source.dataset, site, str(row.whole("qid"))),  # each site counts its own questions
        dataset=source.dataset,
        category="preference",
        rule=site,
        question=question,
        chosen=chosen,
        rejected=rejected,
        attribution=", ".join([*credits, row.text("date")]),
        source=row.where,
    )


def _reason(question: str, chosen: str, rejected: str, source: Source) -> str:
    if not chosen or not rejected:
        return "an answer is empty"
    if chosen == rejected:
        return "both answers are the same"
    asked, better, worse = (len(source.encode(text)) for text in (question, chosen, rejected))
    return "longer than max_tokens" if asked + max(better, worse) > source.options["max_tokens"] else ""

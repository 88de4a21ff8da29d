"""docs/reasons.md is the documented list of reasons: complete, and in the words of the code."""

from pathlib import Path

from paritygate.lifecycle.reasons import meanings

DOCUMENT = Path(__file__).parents[2] / "docs" / "reasons.md"


def table() -> str:
    rows = [f"| `{reason}` | {meaning} |" for reason, meaning in sorted(meanings().items())]
    return "\n".join(["| reason | meaning |", "| --- | --- |", *rows])


def test_every_reason_is_documented_in_the_words_of_the_code() -> None:
    wanted = table()
    assert wanted in DOCUMENT.read_text(), f"put this table into {DOCUMENT.name}:\n{wanted}"

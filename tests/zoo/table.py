"""The exhibits as a table of docs/zoo.md."""

from collections.abc import Sequence

from .entry import Exhibit, Kind

BEGIN, END = "<!-- exhibits -->", "<!-- end of exhibits -->"

_TITLES = {
    Kind.DAMAGE: ("Damage: the candidate must fail, by this gate", "must be caught by"),
    Kind.HONEST: ("Honest compression: the candidate must pass", "must be proved"),
    Kind.INCONCLUSIVE: ("Undecided: nobody may say Passed or Failed", "what stays open"),
}


def render(exhibits: Sequence[Exhibit]) -> str:
    """One table a kind."""
    parts = []
    for kind, (title, column) in _TITLES.items():
        rows = [
            f"| `{exhibit.name}` | {exhibit.gate.replace('|', chr(92) + '|')} | {exhibit.shows} |"
            for exhibit in exhibits
            if exhibit.kind is kind
        ]
        parts.append(
            "\n".join([f"### {title}", "", f"| exhibit | {column} | what it shows |", "| --- | --- | --- |", *rows])
        )
    return "\n\n".join(parts)


def inserted(page: str, tables: str) -> str:
    """The page with the tables between its marks. Raises ValueError when a mark is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN!r} followed by {END!r}")
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"

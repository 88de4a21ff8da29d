"""Verdicts as rows, rows as tables."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from .adapters.outcomes import ERROR, FAIL, PASS, UNDECIDED
from .scenarios import PEEK_EVERY, Scenario, Truth

Row = dict[str, Any]
REFUSED = "refused by its plan before anything is run"


def row(peer: str, version: str, scenario: Scenario, cell: dict[str, Any]) -> Row:
    """One peer on one scenario at one size: shares of the data sets, and the median of the items it used.

    `falsePass` where a pass is wrong, `pass` where it is right. Raises ValueError for a letter that is no verdict, or
    when verdicts and items are not one a data set.
    """
    verdicts, items = cell["verdicts"], cell["items"]
    if not verdicts or len(verdicts) != len(items) or set(verdicts) - {PASS, FAIL, UNDECIDED, ERROR}:
        raise ValueError(f"{peer}, {scenario.name}: {len(verdicts)} verdicts {set(verdicts)} on {len(items)} data sets")
    shares = {letter: verdicts.count(letter) / len(verdicts) for letter in (PASS, FAIL, UNDECIDED, ERROR)}
    return {
        "peer": peer,
        "version": version,
        "scenario": scenario.name,
        "candidate": scenario.candidate,
        "truth": scenario.truth.value,
        "trueLoss": float(scenario.urn.loss),
        "flipRate": float(scenario.urn.flips),
        "n": cell["n"],
        "everyItems": PEEK_EVERY if scenario.peeked else None,
        "paths": len(verdicts),
        "pass" if scenario.truth is Truth.WITHIN else "falsePass": shares[PASS],
        "fail": shares[FAIL],
        "undecided": shares[UNDECIDED],
        "error": shares[ERROR],
        "itemsMedian": median(items),
        "note": _note(cell),
    }


def _note(cell: dict[str, Any]) -> str:
    said = []
    if cell["n"] and not any(cell["items"]):
        said.append(REFUSED)
    if cell.get("error"):
        said.append(cell["error"])
    if cell.get("checked"):
        said.append(
            f"{cell['calls']} calls, equal counts of flips judged once; {cell['differed']} of {cell['checked']} judged "
            "again differed"
        )
    return "; ".join(said)


def missing(peer: str, why: str) -> Row:
    """The row of a peer that wasn't asked."""
    return {"peer": peer, "version": "", "scenario": "", "n": 0, "paths": 0, "note": why}


def render(rows: Sequence[Row]) -> str:
    """All tables as Markdown."""
    asked = [found for found in rows if found["paths"]]
    once = [found for found in asked if not found["everyItems"]]
    peeked = [found for found in asked if found["everyItems"]]
    parts = [
        _head("At the margin: a pass is a false one (share of data sets passed, %)"),
        _pivot(_of(once, Truth.BOUNDARY), lambda found: _percent(found["falsePass"])),
        _head("Equal, or as good as equal: passed, % (undecided, %; median items)"),
        _pivot(_of(once, Truth.WITHIN), lambda found: _known(found, found["pass"], found["undecided"])),
        _head("Broken: passed, % (found broken, %; median items)"),
        _pivot(_of(once, Truth.BROKEN), lambda found: _known(found, found["falsePass"], found["fail"])),
        _head("Looked at every 100 items until it passes: passed, % (undecided, %; median items)"),
        _pivot(peeked, lambda found: _known(found, found.get("pass", found.get("falsePass")), found["undecided"])),
        _head("Too little to know anything"),
        _without_evidence(_of(once, Truth.UNKNOWN)),
    ]
    parts += [f"\nNot asked: {found['peer']}: {found['note']}" for found in rows if not found["paths"]]
    return "\n".join(parts).strip()


def _of(rows: Sequence[Row], truth: Truth) -> list[Row]:
    return [found for found in rows if found["truth"] == truth]


def _head(text: str) -> str:
    return f"\n**{text}**\n"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _known(found: Row, passed: float, beside: float) -> str:
    return f"{_percent(passed)} ({100 * beside:.0f}; {found['itemsMedian']:,.0f})"


def _pivot(rows: Sequence[Row], cell: Callable[[Row], str]) -> str:
    """A line a candidate and peer, a column a number of items; the last says how many data sets each cell rests on."""
    sizes = sorted({found["n"] for found in rows})
    lines = _header(["candidate", "judge", *(f"n = {n:,}" for n in sizes), "data sets"])
    for candidate, peer in _ordered((found["candidate"], found["peer"]) for found in rows):
        at = {found["n"]: found for found in rows if (found["candidate"], found["peer"]) == (candidate, peer)}
        shown = [("refused" if REFUSED in at[n]["note"] else cell(at[n])) if n in at else "" for n in sizes]
        paths = _ordered(f"{found['paths']:,}" for found in at.values())
        lines.append(_line([candidate, peer, *shown, " / ".join(paths)]))
    return "\n".join(lines)


def _without_evidence(rows: Sequence[Row]) -> str:
    lines = _header(["judge", *_ordered(found["scenario"] for found in rows)])
    for peer in _ordered(found["peer"] for found in rows):
        lines.append(_line([peer, *(_word(found) for found in rows if found["peer"] == peer)]))
    return "\n".join(lines)


def _word(found: Row) -> str:
    if found["error"]:
        return f"refused: {found['note']}"
    if REFUSED in found["note"]:
        return "refused"
    return "**PASS**" if found["falsePass"] else "FAIL" if found["fail"] else "undecided"


def _header(names: Sequence[str]) -> list[str]:
    return [_line(names), _line(["---"] * len(names))]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ordered(names: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(names))


BEGIN, END = "<!-- tables: written by python -m tests.peers --docs -->", "<!-- end of tables -->"


def insert(page: str, tables: str) -> str:
    """The page with the tables between its marks. Raises ValueError when a mark is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN!r} followed by {END!r}")
    return f"{before}{BEGIN}\n{tables}\n\n{END}{after}"

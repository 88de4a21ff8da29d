"""`paritygate simulate`: how often a policy would be wrong, and what it would cost, before anyone trusts it."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence

from rich.markup import escape

from paritygate.simulation import Candidate, Ending, Kind, Row, Setting, candidates, evaluate, summarize

from .power import beyond_the_labels, power_plan
from .show import new_console, new_table
from .workers import cores, spread

SECONDS = 20.0
"""Of simulating, where nobody says how many paths: with reading and planning it stays within half a minute."""

MOST_PATHS = 2000
_FIRST_ROUND = 4
_LONGEST_ROUND = 100

Part = tuple[int, range]
"""A candidate's place, and the numbers of its paths."""


def simulate(options: argparse.Namespace) -> int:
    """Print how often each candidate passed, failed and was left open, and after how many items; always 0."""
    power = power_plan(options)
    setting = Setting(power.evaluation, power.gates, power.items)
    made = candidates(setting)
    tell = _silent if options.quiet else _progress
    rows = _rows(setting, made, options.seed, 1 if setting.refused else options.paths, tell)
    if options.json:
        print(json.dumps(_document(setting, rows, options.seed), indent=2))
    else:
        _show(setting, rows, options.seed)
    sys.stdout.flush()
    return 0


def _rows(
    setting: Setting, made: tuple[Candidate, ...], seed: int, paths: int | None, tell: Callable[[str], None]
) -> list[Row]:
    endings: list[list[Ending]] = [[] for _ in made]
    started, done, step = time.monotonic(), 0, _FIRST_ROUND
    limit = paths or MOST_PATHS

    def work(part: Part) -> tuple[int, list[Ending]]:
        place, numbers = part
        return place, [evaluate(setting, made[place], (seed, place, number)) for number in numbers]

    with spread(work, 1 if setting.refused else cores()) as run:
        while done < limit:
            step = min(step, limit - done)
            parts = [(place, range(done, done + step)) for place in range(len(made))]
            # The slowest first: nobody waits for it at the end of a round.
            for place, part in run(sorted(parts, key=lambda part: -sum(e.items for e in endings[part[0]]))):
                endings[place] += part
            done += step
            spent = time.monotonic() - started
            tell(f"{done:,} paths of each of {len(made)} candidates, {spent:.0f} s")
            if paths is None:
                # Every candidate gets the same paths, so a round is never begun that would not end in time.
                step = int(min(2 * step, _LONGEST_ROUND, (SECONDS - spent) / (spent / done)))
                if step < 1:
                    break
        tell("")
    return [summarize(candidate, found) for candidate, found in zip(made, endings, strict=True)]


def _progress(said: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{said}", end="", file=sys.stderr, flush=True)
    elif said:
        print(said, file=sys.stderr, flush=True)


def _silent(_said: str) -> None:
    pass


def _document(setting: Setting, rows: Sequence[Row], seed: int) -> dict[str, object]:
    return {
        "alpha": setting.alpha,
        "flipRate": setting.flips,
        "paths": rows[0].passed.paths,
        "seed": seed,
        "refused": [gate.name for gate in setting.refused],
        "notSimulated": list(setting.left_out),
        "candidates": [row.dump() for row in rows],
    }


def _show(setting: Setting, rows: Sequence[Row], seed: int) -> None:
    console = new_console()
    if setting.refused:
        console.print(escape(_refusal(setting)), soft_wrap=True)
        return
    table = new_table("candidate", "Passed", "Failed", "Inconclusive", "items", "90 %", "Passed, promised", folding=1)
    for row in rows:
        shares = [f"{100 * s.value:.1f} ±{100 * s.error:.1f}" for s in (row.passed, row.failed, row.inconclusive)]
        items = [f"{row.median_items:,}", f"{row.most_items:,}"]
        table.add_row(*map(escape, [row.candidate.name, *shares, *items, _promise(row)]))
    console.print(table)
    console.print()
    for line in [_what(rows, seed), *_read(setting, rows), *_left_out(setting)]:
        console.print(escape(line), soft_wrap=True)


def _promise(row: Row) -> str:
    if row.candidate.promised is None:
        return "nothing" if row.candidate.kind is Kind.EXCLUDED else "-"
    return f"at most {_percent(row.candidate.promised)}"


def _refusal(setting: Setting) -> str:
    names = ", ".join(gate.name for gate in setting.refused[:5])
    more = f" and {len(setting.refused) - 5} more" if len(setting.refused) > 5 else ""
    return (
        f"Every candidate ends Inconclusive before anything is run: the pack can't prove {names}{more}. `paritygate "
        "plan` says how many items each needs. Add items, widen the margin, set evaluation.inference: LockedSet, or "
        "underpowered: HarmOnly on the gate, then simulate again"
    )


def _what(rows: Sequence[Row], seed: int) -> str:
    return (
        f"In per cent, ± one standard error, of {rows[0].passed.paths:,} simulated evaluations of each candidate (seed "
        f"{seed}; --paths N for more). items: judged until the verdict, the median and the 90th percentile."
    )


def _read(setting: Setting, rows: Sequence[Row]) -> list[str]:
    """The table in words, a line a kind of candidate."""
    lines = []
    for row in rows:
        match row.candidate.kind:
            case Kind.EQUAL:
                lines.append(_equal(setting, row))
            case Kind.BROKEN:
                lines.append(
                    f"broken: half of the time it is known after {row.median_items:,} items, and costs no more."
                )
            case Kind.EXCLUDED if row.candidate.gate:
                lines.append(
                    f"not promised: {row.candidate.gate.name} has too few items to be proved. A candidate that loses "
                    f"twice its margin there passed in {row.passed.value:.0%}; only more items change that."
                )
        if row.kept is False:
            lines.append(f"PROMISE BROKEN: {row.candidate.name}: more passes than chance allows; please report this.")
    return lines[:1] + _margins(setting, rows) + lines[1:]


def _equal(setting: Setting, row: Row) -> str:
    usual = float(setting.plan.flip_rate)
    fewer = f" (the technique's usual {usual:.0%} would alone reach a limit on flips)" if setting.flips < usual else ""
    return (
        f"equal: loses nothing; on {setting.flips:.1%} of the items only one of the models is right{fewer}. It passed "
        f"in {row.passed.value:.1%}, half of the time with {row.median_items:,} of {len(setting.items.ids):,} items or "
        "fewer."
    )


def _margins(setting: Setting, rows: Sequence[Row]) -> list[str]:
    found = [row for row in rows if row.candidate.kind is Kind.AT_MARGIN]
    if not found:
        return []
    worst = max(found, key=lambda row: row.passed.value)
    return [
        "at the margin: truly loses all that this gate forbids, so Passed is a wrong promotion: promised to be at most "
        f"{_percent(setting.alpha)}, the policy's alpha; the most seen was {worst.passed.value:.1%}. Inconclusive "
        "promotes nothing."
    ]


def _left_out(setting: Setting) -> list[str]:
    lines = [f"Not simulated, taken as kept: {', '.join(setting.left_out)}."] if setting.left_out else []
    return [*lines, *beyond_the_labels(setting.items)]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"

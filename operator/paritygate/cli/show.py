"""What a person sees: a line while it works, then the verdict, worst gate first."""

import sys
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from paritygate.api import (
    OF_ITEMS,
    Claim,
    Decision,
    Enforcement,
    EvaluationPlan,
    EvaluationResult,
    GateRecord,
    Metric,
    Outcome,
    Progress,
)
from paritygate.judge import Gate, Verdict

_COLOURS = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.INCONCLUSIVE: "yellow", Outcome.ERROR: "magenta"}
_WORST_FLIPS = 3


class ProgressLine:
    """A live line on stderr, on a terminal only."""

    def __init__(self, quiet: bool) -> None:
        self._console = Console(stderr=True)
        self._quiet = quiet
        self._status: Status | None = None
        if not quiet and sys.stderr.isatty():
            self._status = self._console.status("Fetching models and packs")

    def __enter__(self) -> "ProgressLine":
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()

    def tell(self, progress: Progress) -> None:
        """Show one progress line."""
        if self._status:
            items = f"{progress.items:,} items, about {progress.planned:,} planned" if progress.items else ""
            parts = [progress.stage, items, progress.message]
            self._status.update(escape("  ".join(part for part in parts if part)[:300]))


def show_verdict(plan: EvaluationPlan, result: EvaluationResult, verdict: Verdict) -> None:
    """Print the verdict on stdout."""
    console = _console()
    colour = _COLOURS[verdict.outcome]
    console.print(f"[bold {colour}]{verdict.outcome.upper()}[/]  {escape(verdict.reason)}")
    console.print(escape(verdict.message), soft_wrap=True)
    claims = {claim.name: claim for claim in plan.claims}
    if result.gates:
        console.print()
        console.print(_gates(claims, sorted(result.gates, key=lambda record: _badness(claims[record.claim], record))))
    if result.control and result.control.state != "Quiet":
        console.print(escape(f"Latency was not judged: {result.control.message}"), soft_wrap=True)
    if result.items:
        console.print(
            f"{result.items:,} items judged: {result.harmful_flips:,} newly wrong, {result.beneficial_flips:,} newly "
            f"right, {result.neutral_flips:,} wrong in another way"
        )
    for flip in result.worst[:_WORST_FLIPS]:
        where = "".join(f", {column} {value}" for column, value in flip.slices.items())
        said = f"  {flip.id}{where}: label {flip.label}, baseline {flip.baseline}, candidate {flip.candidate}"
        console.print(escape(f"{said} ({flip.confidence:.0%} sure)"))


def show_power(plan: EvaluationPlan, gates: Sequence[Gate]) -> None:
    """Print what each gate needs and has."""
    table = _table("gate", "margin", "items", "needed", "power", "smallest margin", "then")
    for gate in gates:
        power = gate.power
        if power is None:
            continue
        smallest = _points(power.smallest_margin) if power.smallest_margin else "-"
        then = "refused" if gate.refused else "can only fail the candidate" if gate.excluded else "can be proved"
        if not gate.hard:
            then = "reports only"
        row = [gate.name, _points(float(gate.claim.margin or 0)), f"{power.have:,}", f"{power.needed:,}"]
        table.add_row(*map(escape, [*row, f"{power.power:.0%}", smallest, then]))
    console = _console()
    console.print(table)
    console.print(
        "needed: items with which an equal candidate passes nine times in ten, at "
        f"{float(plan.flip_rate):.0%} flips and alpha {float(plan.alpha):.1%}; "
        "power: how often it passes with the items there are",
        soft_wrap=True,
    )


def _gates(claims: dict[str, Claim], records: Sequence[GateRecord]) -> Table:
    table = _table("gate", "measured", "allowed", "interval", "n", "decision")
    for record in records:
        claim = claims[record.claim]
        decision = _decision(claim, record)
        colour = {"Harm": "red", "Proved": "green"}.get(record.decision, "yellow")
        cells = [record.name, _measured(claim, record), _allowed(claim), _interval(claim, record), f"{record.n:,}"]
        table.add_row(*map(escape, cells), f"[{colour}]{escape(decision)}[/]")
    return table


def _badness(claim: Claim, record: GateRecord) -> tuple[int, float]:
    """Sort key: what decides against the candidate first."""
    hard = claim.enforcement is Enforcement.HARD
    rank = {Decision.HARM: 0, Decision.OPEN: 2, Decision.NOT_PROVEN: 4, Decision.PROVED: 6}[record.decision]
    return rank + (0 if hard else 1), -(record.log_e_harm or 0.0)


def _decision(claim: Claim, record: GateRecord) -> str:
    words = {
        Decision.HARM: "WORSE than allowed",
        Decision.PROVED: "not worse: proved",
        Decision.OPEN: "open" if record.n else "not measured",
        Decision.NOT_PROVEN: "not proven: too few items",
    }
    return words[record.decision] + ("" if claim.enforcement is Enforcement.HARD else f" ({claim.enforcement})")


def _measured(claim: Claim, record: GateRecord) -> str:
    if record.estimate is None:
        return "-"
    if claim.metric in OF_ITEMS:
        return f"{_points(record.estimate)} {'lost' if claim.metric is Metric.ACCURACY else 'newly wrong'}"
    return f"{record.estimate:.3f} x"


def _allowed(claim: Claim) -> str:
    return _points(float(claim.margin or 0)) if claim.metric in OF_ITEMS else f"{float(claim.limit or 0):.2f} x"


def _interval(claim: Claim, record: GateRecord) -> str:
    if record.interval is None:
        return "-"
    low, high = record.interval
    return f"{low * 100:.2f} to {high * 100:.2f}" if claim.metric in OF_ITEMS else f"{low:.3f} to {high:.3f}"


def _points(share: float) -> str:
    return f"{share * 100:.2f} pt"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number in (0, len(columns) - 1) else "right", no_wrap=True)
    return table


def _console() -> Console:
    # A file or a pipe has no width: rows must not be folded or cut to a guessed one.
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False)

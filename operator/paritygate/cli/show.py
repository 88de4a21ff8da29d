"""What a person sees: a line while it works, then the verdict, worst gate first."""

import sys
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from paritygate.api import (
    TRAITS,
    Check,
    Claim,
    Decision,
    Enforcement,
    EvaluationPlan,
    EvaluationResult,
    Evidence,
    GateRecord,
    Outcome,
    Progress,
)
from paritygate.judge import Verdict, overall_claim
from paritygate.judge.wording import noun

from .units import amount, span, threshold

_COLOURS = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.INCONCLUSIVE: "yellow", Outcome.ERROR: "magenta"}
_WORST_FLIPS = 3
_MOST_CULPRITS = 5
_MOST_SUSPECTS = 5
_WIDTH = 110
"""Of a table that goes to a file or a pipe, which have no width of their own."""


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
    console = new_console()
    colour = _COLOURS[verdict.outcome]
    console.print(f"[bold {colour}]{verdict.outcome.upper()}[/]  {escape(verdict.reason)}", soft_wrap=True)
    console.print(escape(plain(verdict.message)), soft_wrap=True)
    claims = {claim.name: claim for claim in plan.claims}
    if result.gates:
        console.print()
        console.print(_gates(claims, sorted(result.gates, key=lambda record: _badness(claims[record.claim], record))))
    for line in [*_beside(plan, result), *_items(plan, result)]:
        console.print(escape(plain(line)), soft_wrap=True)


def plain(said: str) -> str:
    """One line, of which nothing moves a cursor or turns the direction of writing: a record may be anybody's."""
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "?" for letter in said)


def _beside(plan: EvaluationPlan, result: EvaluationResult) -> list[str]:
    """What the table has no row for, a line each."""
    lines = []
    if result.control and result.control.state != "Quiet":
        lines.append(f"Latency was not judged: {result.control.message}")
    if result.culprits:
        more = len(result.culprits) - _MOST_CULPRITS
        named = ", ".join(culprit.gate for culprit in result.culprits[:_MOST_CULPRITS])
        said = f"{named} and {more} more" if more > 0 else named
        lines.append(f"Named as the cause, at most {float(plan.alpha_fail):.0%} to name any wrongly: {said}")
    lines += _worth_a_look(plan, result)
    lines += [f"Finite: {check.message}" for check in result.checks if check.name is Check.FINITE and check.items]
    repeat = result.repeat
    if repeat and (repeat.baseline or repeat.candidate):
        lines.append(
            f"Asked again, {repeat.items:,} items: answered differently by the baseline {repeat.baseline:,}, by the "
            f"candidate {repeat.candidate:,}; that part of the flips is chance, not compression"
        )
    return lines


def _worth_a_look(plan: EvaluationPlan, result: EvaluationResult) -> list[str]:
    """Slices without a hard gate that seem to have lost more than the whole may."""
    claim = overall_claim(plan)
    if not result.exploratory or claim is None:
        return []
    wrongly = f"of those named at most {float(plan.alpha_fail):.0%} on average don't"
    lines = [
        f"Worth a look, not a verdict: no hard gate is about them, and they seem to lose more than {threshold(claim)}",
        f"  ({result.exploratory_family:,} such slices were looked at; {wrongly})",
    ]
    for suspect in result.exploratory[:_MOST_SUSPECTS]:
        lost = amount(claim, (suspect.n10 - suspect.n01) / suspect.n)
        lines.append(f"  {suspect.column} {suspect.value}: {lost} lost (n={suspect.n:,})")
    more = len(result.exploratory) - _MOST_SUSPECTS
    return [*lines, f"  and {more} more, in the record"] if more > 0 else lines


def _items(plan: EvaluationPlan, result: EvaluationResult) -> list[str]:
    if not result.items:
        return []
    labelled = not plan.packs[0].unlabelled
    lines = []
    if result.repeated_items:
        lines.append(
            f"{result.repeated_items:,} items have the inputs of another, byte for byte: no new evidence, left out of "
            "all gates but those about these very items"
        )
    moved = f"{result.neutral_flips:,} answered differently; nobody said what is right"
    if labelled:
        moved = f"{result.harmful_flips:,} newly wrong, {result.beneficial_flips:,} newly right, "
        moved += f"{result.neutral_flips:,} wrong in another way"
    lines.append(f"{result.items:,} items judged: {moved}")
    for flip in result.worst[:_WORST_FLIPS]:
        where = "".join(f", {column} {value}" for column, value in flip.slices.items())
        label = f"label {flip.label}, " if labelled else ""
        said = f"  {flip.id}{where}: {label}baseline {flip.baseline}, candidate {flip.candidate}"
        lines.append(f"{said} ({flip.confidence:.0%} sure)")
    used = [f"{told}, {where}" for where in ("baseline", "candidate") if (told := _used(result, where))]
    return [*lines, f"Utilisation, as context: {'; '.join(used)}"] if used else lines


def _used(result: EvaluationResult, role: str) -> str:
    told = {part: result.environment.get(f"{role}{part}Utilisation") for part in ("Cpu", "Gpu")}
    return ", ".join(f"{part.upper()} {share}" for part, share in told.items() if share)


def _gates(claims: dict[str, Claim], records: Sequence[GateRecord]) -> Table:
    table = new_table("gate", "what", "measured", "allowed", "interval", "n", "decision", folding=2)
    for record in records:
        claim = claims[record.claim]
        colour = {"Harm": "red", "Proved": "green"}.get(record.decision, "yellow")
        cells = [
            record.name,
            noun(claim),
            amount(claim, record.estimate),
            threshold(claim),
            span(claim, record),
            f"{record.n:,}",
        ]
        table.add_row(*(escape(plain(cell)) for cell in cells), f"[{colour}]{escape(_decision(claim, record))}[/]")
    return table


def _badness(claim: Claim, record: GateRecord) -> tuple[int, float]:
    """Sort key: what decides against the candidate first."""
    hard = claim.enforcement is Enforcement.HARD
    rank = {Decision.HARM: 0, Decision.OPEN: 2, Decision.NOT_PROVEN: 4, Decision.PROVED: 6}[record.decision]
    return rank + (0 if hard else 1), -(record.log_e_harm or 0.0)


def _decision(claim: Claim, record: GateRecord) -> str:
    """One figure a model is no proof of anything: it is within its limit or not."""
    figure = TRAITS[claim.metric].evidence in (Evidence.WEIGHT, Evidence.FIGURE)
    words = {
        Decision.HARM: "TOO MUCH" if figure else "WORSE: proved",
        Decision.PROVED: "within" if figure else "not worse: proved",
        Decision.OPEN: "open" if record.n else "not measured",
        Decision.NOT_PROVEN: "too few items",
    }
    return words[record.decision] + ("" if claim.enforcement is Enforcement.HARD else f" ({claim.enforcement})")


def new_table(*columns: str, folding: int = 0) -> Table:
    """A table without a frame; its first and last columns are words. The first `folding` may be folded to fit."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        words = number in (0, len(columns) - 1) or number < folding
        fold = number < folding
        table.add_column(column, justify="left" if words else "right", no_wrap=not fold, overflow="fold")
    return table


def new_console() -> Console:
    """Stdout, as wide as the terminal; where there is none, wide enough for every table."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)

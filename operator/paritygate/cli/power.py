"""`paritygate plan`: what a pack can prove, before any model is run."""

import argparse
import json
from dataclasses import dataclass

from paritygate_evaluator.ending import EvaluatorError
from paritygate_evaluator.referee.labels import Labels, read_label_file, together
from paritygate_evaluator.referee.planning import gates_of, known_items
from paritygate_evaluator.referee.slices import derived_columns
from rich.markup import escape

from paritygate.api import EXIT_CODES, OF_ITEMS, Claim, EvaluationPlan, Outcome, Subject
from paritygate.judge import Gate, Items, build_plan, check_blocks, underpowered
from paritygate.judge.wording import noun

from .show import new_console, new_table
from .subjects import local_path, planned_packs, policy
from .units import amount, threshold
from .usage import UsageError


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """An evaluation's gates over the labels, before there is a model."""

    evaluation: EvaluationPlan
    items: Items
    gates: tuple[Gate, ...]

    @property
    def counted(self) -> tuple[Gate, ...]:
        """The gates that items prove."""
        return tuple(gate for gate in self.gates if gate.power is not None)

    @property
    def later(self) -> dict[Claim, str]:
        """Claims about slices that only the inputs, or the baseline's answers, tell of."""
        derived = derived_columns(self.evaluation.packs)
        waiting = {c: derived[c.slice_by] for c in self.evaluation.claims if c.slice_by in derived and c.slice_by}
        cut = {gate.claim.name for gate in self.gates}
        return {
            claim: "planned when the baseline has answered"
            if column.source == "BaselineConfidence"
            else "planned when the inputs are read"
            for claim, column in waiting.items()
            if claim.name not in cut
        }

    @property
    def measured(self) -> tuple[str, ...]:
        """Claims that no number of items proves: speed, size, and what only warns."""
        return tuple(claim.name for claim in self.evaluation.claims if claim.metric not in OF_ITEMS)


def plan(options: argparse.Namespace) -> int:
    """Print the power table; 3 when a hard gate can't be proved and may not be left out."""
    power = power_plan(options)
    if options.json:
        print(json.dumps([*map(_dump, power.counted), *map(_dump_later, power.later.items())], indent=2))
    else:
        show_power(power)
    return EXIT_CODES[Outcome.INCONCLUSIVE if any(gate.refused for gate in power.counted) else Outcome.PASSED]


def power_plan(options: argparse.Namespace) -> PowerPlan:
    """The gates of `--pack`, `--policy`, `--technique` and `--purpose`. Raises UsageError, ManifestError, PlanError."""
    evaluation = build_plan(
        baseline=Subject(uri="baseline"),
        candidate=Subject(uri="candidate"),
        technique=options.technique,
        purpose=options.purpose,
        packs=planned_packs(options.pack),
        policy=policy(options.policy),
    )
    check_blocks(evaluation)
    try:
        items = known_items(evaluation, _labels(evaluation, options.command))
        return PowerPlan(evaluation, items, gates_of(evaluation, items))
    except EvaluatorError as error:
        raise UsageError(error.message) from error


def show_power(power: PowerPlan) -> None:
    """Print what each gate needs and has."""
    table = new_table("gate", "what", "margin", "items", "needed", "power", "smallest margin", "then", folding=2)
    for gate in power.counted:
        planned = gate.power
        if planned is None:
            continue
        then = "refused" if gate.refused else "can only fail" if gate.excluded else "can be proved"
        if not gate.hard:
            then = "reports only"
        have = f"{planned.have:,}{'' if planned.items is None else ' clusters'}"
        row = [gate.name, noun(gate.claim), threshold(gate.claim), have, f"{planned.needed:,}"]
        table.add_row(*map(escape, [*row, f"{planned.power:.0%}", amount(gate.claim, planned.smallest_margin), then]))
    for claim in power.later:
        row = [claim.name, noun(claim), threshold(claim), "-", "-", "-", "-", "later"]
        table.add_row(*map(escape, row))
    console = new_console()
    console.print(table)
    for line in _explained(power):
        console.print(escape(line), soft_wrap=True)


def _explained(power: PowerPlan) -> list[str]:
    plan = power.evaluation
    lines = [
        "needed: items with which an equal candidate passes nine times in ten, at "
        f"{float(plan.flip_rate):.0%} flips and alpha {float(plan.alpha):.1%}; "
        "power: how often it passes with the items there are"
    ]
    if plan.max_items is not None:
        lines.append(
            f"evaluation.maxItems: at most {plan.max_items:,} items are judged in all; power is that of a gate to "
            "which all of them go, `paritygate simulate` shows what they do for all gates together"
        )
    if any(gate.excluded for gate in power.counted):
        lines.append(
            "can only fail: too few items to prove it (HarmOnly); left out of the promise, and the report says so"
        )
    by_time: dict[str, list[str]] = {}
    for claim, when in power.later.items():
        by_time.setdefault(when, []).append(claim.name)
    lines += [f"later: {', '.join(names)}: {when}" for when, names in by_time.items()]
    lines += [f"refused: {underpowered(g.name, g.claim, g.power)}" for g in power.counted if g.refused and g.power]
    if power.measured:
        lines.append(f"measured, not counted by items: {', '.join(power.measured)}")
    return [*lines, *beyond_the_labels(power.items)]


def beyond_the_labels(items: Items) -> list[str]:
    """What is assumed of how the items depend on each other, a line each."""
    together = "clusters: the items of one are taken to do all alike, which is the worst that can be"
    alike = "inputs are not read here: in an evaluation, items with the inputs of another are left out"
    return [together, alike] if items.clusters is not None else [alike]


def _dump(gate: Gate) -> dict[str, object]:
    return {
        "gate": gate.name,
        "metric": gate.claim.metric,
        "margin": gate.claim.margin,
        "enforcement": gate.claim.enforcement,
        "power": gate.power.dump() if gate.power else None,
        "refused": gate.refused,
        "excluded": gate.excluded,
    }


def _dump_later(later: tuple[Claim, str]) -> dict[str, object]:
    claim, when = later
    return {
        "gate": claim.name,
        "metric": claim.metric,
        "margin": claim.margin,
        "enforcement": claim.enforcement,
        "power": None,
        "refused": False,
        "excluded": False,
        "later": when,
    }


def _labels(evaluation: EvaluationPlan, command: str) -> Labels:
    read = []
    for pack in evaluation.packs:
        path = local_path(pack.labels.uri)
        if path is None:
            raise UsageError(f"{pack.name}: {pack.labels.uri} is remote; `{command}` reads labels on this machine only")
        labels = read_label_file(path, pack.name, pack.slices, pack.cluster, labelled=not pack.unlabelled)
        read.append((pack.name, labels))
    return together(read)

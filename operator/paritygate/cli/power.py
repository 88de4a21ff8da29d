"""`paritygate plan`: what a pack can prove, before any model is run."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass

from paritygate_evaluator.ending import EvaluatorError
from paritygate_evaluator.referee.labels import Labels, read_label_file, together
from paritygate_evaluator.referee.planning import gates_of, known_items

from paritygate.api import EvaluationPlan, Outcome, Subject
from paritygate.api.base import EXIT_CODES
from paritygate.judge import Gate, build_plan

from .show import show_power
from .subjects import local_path, planned_packs, policy
from .usage import UsageError


@dataclass(frozen=True, slots=True)
class PlannedGate:
    """One row of the table."""

    gate: Gate

    def dump(self) -> dict[str, object]:
        """As JSON."""
        power = self.gate.power
        return {
            "gate": self.gate.name,
            "margin": self.gate.claim.margin,
            "enforcement": self.gate.claim.enforcement,
            "power": power.dump() if power else None,
            "refused": self.gate.refused,
            "excluded": self.gate.excluded,
        }


def plan(options: argparse.Namespace) -> int:
    """Print the power table; 3 when a hard gate can't be proved and may not be left out."""
    packs = planned_packs(options.pack)
    evaluation = build_plan(
        baseline=Subject(uri="baseline"),
        candidate=Subject(uri="candidate"),
        technique=options.technique,
        purpose=options.purpose,
        packs=packs,
        policy=policy(options.policy),
    )
    labels = _labels(evaluation)
    gates = [gate for gate in _gates(evaluation, labels) if gate.power]
    if options.json:
        print(json.dumps([PlannedGate(gate).dump() for gate in gates], indent=2))
    else:
        show_power(evaluation, gates)
    return EXIT_CODES[Outcome.INCONCLUSIVE if any(gate.refused for gate in gates) else Outcome.PASSED]


def _gates(evaluation: EvaluationPlan, labels: Labels) -> Sequence[Gate]:
    try:
        return gates_of(evaluation, known_items(evaluation, labels))
    except EvaluatorError as error:
        raise UsageError(error.message) from error


def _labels(evaluation: EvaluationPlan) -> Labels:
    read = []
    for pack in evaluation.packs:
        path = local_path(pack.labels.uri)
        if path is None:
            raise UsageError(f"{pack.name}: {pack.labels.uri} is remote; `plan` reads labels on this machine only")
        try:
            read.append((pack.name, read_label_file(path, pack.name, pack.slices)))
        except EvaluatorError as error:
            raise UsageError(error.message) from error
    return together(read)

"""One evaluation from its plan to its result: plan power, check, judge items, time, weigh; stop when it is decided."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from paritygate.api import (
    OF_ITEMS,
    SOFT_ONLY,
    Check,
    CheckRecord,
    Culprit,
    Decision,
    EvaluationPlan,
    EvaluationResult,
    GateRecord,
    LayerRecord,
    Outcome,
    Progress,
    Reason,
    RepeatRecord,
    SliceSource,
)
from paritygate.judge import (
    Gate,
    Items,
    column_of,
    conclude,
    culprits,
    explained,
    hard_gates,
    most_moved,
    of_these_items,
    plan_digest,
    underpowered,
)

from ..ending import EvaluatorError
from .cache import kept_answers
from .cache_room import DEFAULT_BYTES
from .client import Description, Ints, ModelFailedError, Runner
from .evidence import REPEATED, Evidence, NotFiniteError
from .extent import Extent
from .figures import Figures
from .items import ItemGates, judge_items
from .labels import Labels
from .latency import Latency
from .layers import departures
from .loading import load_both
from .measures import measured, weighed
from .planning import gates_of, known_items, repeats_in
from .scoring import scorer_for
from .slices import check_derivable, derived_columns, of_confidence, of_statistics
from .surroundings import environment, now

_TELL_SECONDS = 0.25

Refusal = tuple[Reason, str]
"""Why nothing is judged, and what to do."""


@dataclass(frozen=True, slots=True)
class Artefacts:
    """What fetch found of the two models."""

    baseline_digest: str
    candidate_digest: str
    baseline_bytes: int
    candidate_bytes: int


@dataclass(slots=True)
class Evaluation:
    """One evaluation. `run` may be called once."""

    plan: EvaluationPlan
    labels: Labels
    artefacts: Artefacts
    connect: Callable[[], Runner]
    """Reach the runner. Called only when power is there: nothing is loaded for a test that can't be passed."""
    tell: Callable[[Progress], None]
    attempt: int = 1
    cache: Path | None = None
    """A folder in which the baseline's answers are kept for the next candidate."""
    cache_bytes: int = DEFAULT_BYTES
    """What all that is kept there may take."""
    _checks: list[CheckRecord] = field(default_factory=list)
    _environment: dict[str, str] = field(default_factory=dict)
    _known: Items | None = None
    _gates: tuple[Gate, ...] = ()
    _evidence: Evidence | None = None
    _items: ItemGates | None = None
    _latency: Latency | None = None
    _measured: list[GateRecord] = field(default_factory=list)
    _repeat: RepeatRecord | None = None
    _layers: tuple[LayerRecord, ...] = ()
    _told: float = 0.0
    _started: str = field(default_factory=lambda: now())

    def run(self) -> EvaluationResult:
        """The result, whatever it is. Raises EvaluatorError when there is no evidence to judge."""
        self._known = known_items(self.plan, self.labels)
        # What the labels alone tell is planned first: nothing is reached for a test that can't be passed.
        self._take_gates()
        refusal = self._plan_power()
        if refusal:
            return self._result(Outcome.INCONCLUSIVE, Reason.UNDERPOWERED, refusal)
        runner, refused = self.connect(), None
        try:
            refused = self._measure(runner)
        except ModelFailedError as error:
            self._failed_model(error)
        except NotFiniteError as error:
            self._not_finite(error)
        finally:
            runner.shutdown()
        if refused:
            return self._result(Outcome.INCONCLUSIVE, *refused)
        control = self._latency.control if self._latency else None
        verdict = conclude(self.plan, self._records(), self._checks, control)
        return self._result(verdict.outcome, verdict.reason, explained(verdict, self._layers).message)

    def _plan_power(self) -> str:
        """Tell what the items can prove; the reason to refuse, if a gate that may not be left out can't be proved."""
        weak = [gate for gate in self._gates if gate.underpowered and gate.hard]
        said = [f"{_shortage(gate)}: {'refused' if gate.refused else 'can only fail the candidate'}" for gate in weak]
        repeats = self._known.repeats if self._known else 0
        told = f"{repeats:,} items have the inputs of another and are no new evidence. " if repeats else ""
        provable = "every hard gate can be proved with the items there are"
        self._progress("Planned", 0, (told + ("; ".join(said) or provable))[:1024])
        refused = [gate for gate in weak if gate.refused]
        if not refused:
            return ""
        return (
            f"{told}{'; '.join(_shortage(gate) for gate in refused[:5])}. Nothing was judged. Add items, widen the "
            "margin, "
            "set evaluation.inference: LockedSet (a claim about these items only), or underpowered: HarmOnly on the "
            "gate (it can then fail the candidate but is left out of the promise)"
        )

    def _measure(self, runner: Runner) -> Refusal | None:
        """Everything that needs the models; why it is refused, if it is."""
        seen = self._seen_in_calibration(runner)
        if seen:
            return Reason.CALIBRATION_OVERLAP, seen
        self._progress("Loading", 0)
        loaded = load_both(runner, self.plan, self.labels)
        self._checks += loaded.checks
        self._environment |= loaded.environment
        if any(not check.ok for check in self._checks):
            return None
        refusal = self._without_repeats(runner)
        if refusal:
            return Reason.UNDERPOWERED, refusal
        evidence = self._evidence = self._new_evidence(runner, loaded.baseline)
        self._environment["batch"] = str(evidence.tune())
        refusal = self._derive(runner, evidence)
        if refusal:
            self._evidence = None
            return Reason.UNDERPOWERED, refusal
        assert self._known is not None
        assert self._known.order is not None
        order = self._known.order
        items = self._judge_items(evidence)
        self._run_again(evidence, order)
        self._tell_of_run(runner, evidence, loaded.baseline.provider)
        if not self._checks[-1].ok:
            return None  # times of a candidate that can't be judged decide nothing
        if items.failed():
            self._layers = departures(runner, evidence.lost())
            return None
        self._weigh(runner, evidence, order)
        return None

    def _judge_items(self, evidence: Evidence) -> ItemGates:
        """All that the gates want, until they are decided."""
        assert self._known is not None
        assert self._items is not None
        evidence.prepare()
        while judge_items(self._items, evidence):
            self._progress("Evaluating", evidence.judged)
        clean = Extent(self.plan, self._gates, self._known, evidence).clean()
        self._checks += [CheckRecord(name=Check.OUTPUT_SHAPE, ok=True), clean]
        return self._items

    def _tell_of_run(self, runner: Runner, evidence: Evidence, provider: str) -> None:
        """What the record tells of the run as context."""
        for role in ("baseline", "candidate"):
            self._environment |= runner.utilisation(role).told(role, evidence.threads, provider)
        if self.cache:
            self._environment["baselineAnswersFromCache"] = str(evidence.cached)
        if evidence.forged:
            self._environment["answerCache"] = "what was kept is not what the baseline answers; it was thrown away"

    def _weigh(self, runner: Runner, evidence: Evidence, order: Ints) -> None:
        """Speed and size, of a candidate whose answers have not failed."""
        sizes = self.artefacts.baseline_bytes, self.artefacts.candidate_bytes
        # Before latency, which ends the processes that answered for all items.
        self._measured += weighed(self._gates, runner, sizes)
        self._latency = Latency(self.plan, self._gates, runner, order)
        self._latency.measure(
            lambda blocks, what: self._progress("Measuring", evidence.judged, f"{what}: {blocks} blocks")
        )
        self._measured += measured(self._gates, runner, evidence)

    def _seen_in_calibration(self, runner: Runner) -> str:
        """Why the packs can't judge this candidate: it has seen some of their items."""
        if self.plan.calibration is None:
            return ""
        found = runner.overlap()
        if not len(found):
            return ""
        named = ", ".join(repr(self.labels.ids[index]) for index in found[:3].tolist())
        return (
            f"{len(found):,} items of the packs are in the candidate's calibration set too, such as {named}: what it "
            "was tuned on can't judge it. Calibrate on other data, or take these items out of the pack"
        )

    def _without_repeats(self, runner: Runner) -> str:
        """Leave items out that repeat another's inputs, and plan with what remains; the reason to refuse."""
        assert self._known is not None
        if all(claim.metric not in OF_ITEMS or of_these_items(self.plan, claim) for claim in self.plan.claims):
            return ""
        repeated = repeats_in(self._known, runner.repeats())
        if not repeated.any():
            return ""
        self._known = replace(self._known, repeated=repeated)
        self._take_gates()
        return self._plan_power()

    def _new_evidence(self, runner: Runner, baseline: Description) -> Evidence:
        columns = {gate.column for gate in self._gates if gate.power is not None}
        columns |= {
            column_of(claim) for claim in self.plan.claims if claim.slice_by in derived_columns(self.plan.packs)
        }
        asked = {column.perturbation for column in columns}
        perturbations = [p for p in self.plan.packs[0].perturbations if p.name in asked]
        scorer = scorer_for(self.plan.packs, baseline.outputs, self.labels, columns)
        soft = {claim.metric for claim in self.plan.claims if claim.metric in SOFT_ONLY}
        figures = Figures(scorer, soft, self.labels)
        runtime = {"runtime": baseline.runtime, "provider": baseline.provider, "threads": self._environment["threads"]}
        kept = kept_answers(
            self.cache, self.cache_bytes, self.plan, self.artefacts.baseline_digest, runtime, len(self.labels)
        )
        threads = int(self._environment["threads"])
        return Evidence(runner, scorer, self.labels, columns, perturbations, kept, figures, threads)

    def _derive(self, runner: Runner, evidence: Evidence) -> str:
        """Slices that inputs and baseline tell of: their gates, with their power; the reason to refuse."""
        assert self._known is not None
        wanted = {claim.slice_by for claim in self.plan.claims}
        lacking = {
            name: column
            for name, column in derived_columns(self.plan.packs).items()
            if name in wanted and name not in self._known.columns
        }
        if not lacking:
            return ""
        found, statistics = dict(self._known.columns), None
        for name, column in lacking.items():
            if column.source is SliceSource.BASELINE_CONFIDENCE:
                everything = np.arange(len(self.labels), dtype=np.int64)
                found[name] = of_confidence(column, evidence.baseline_confidence(everything))
            else:
                statistics = statistics or runner.statistics()
                check_derivable(self.plan, column, statistics)
                found[name] = of_statistics(column, statistics)
        self._known = replace(self._known, columns=found)
        self._take_gates()
        return self._plan_power()

    def _take_gates(self) -> None:
        assert self._known is not None
        self._gates = gates_of(self.plan, self._known)
        self._items = ItemGates.of(self.plan, self._gates, self._known.judged_order)

    def _run_again(self, evidence: Evidence, order: Ints) -> None:
        """The A/A run: a candidate that answers the same item in two ways can't be judged by asking once."""
        judged = order[evidence.plain.revealed[order]][:REPEATED]
        self._repeat = repeat = evidence.repeat(judged)
        allowed = most_moved(repeat)
        ok = repeat.candidate <= allowed
        said = (
            f"candidate: {repeat.candidate} of {repeat.items} items were answered differently when asked again (the "
            f"baseline: {repeat.baseline}); at most {allowed} may be. Remove what is random in it, or fix its seed"
        )
        self._checks.append(CheckRecord(name=Check.DETERMINISTIC, ok=ok, message="" if ok else said))

    def _failed_model(self, error: ModelFailedError) -> None:
        """One model failed: the candidate's failure is a verdict, the baseline's is not about the candidate."""
        if error.kind == "Lost":
            raise EvaluatorError(Reason.RUNNER_LOST, str(error)) from error
        if error.role != "candidate":
            raise EvaluatorError(Reason.BASELINE_UNLOADABLE, f"{error}; the baseline must load and run") from error
        name = Check.OUTPUT_SHAPE if error.kind == "OutputShape" else Check.LOADABLE
        self._replace_check(CheckRecord(name=name, ok=False, message=str(error)[:1000]))

    def _not_finite(self, error: NotFiniteError) -> None:
        if error.role != "candidate":
            raise EvaluatorError(Reason.BASELINE_UNLOADABLE, f"{error}; the baseline itself is broken") from error
        self._replace_check(CheckRecord(name=Check.FINITE, ok=False, message=str(error)[:1000]))

    def _replace_check(self, record: CheckRecord) -> None:
        self._checks = [check for check in self._checks if check.name != record.name] + [record]

    def _records(self) -> tuple[GateRecord, ...]:
        """Every gate of the plan, in its order, measured or not."""
        known = {tally.gate.name: tally.record() for tally in self._items.tallies} if self._items else {}
        known |= {
            record.name: record for record in [*(self._latency.records() if self._latency else []), *self._measured]
        }
        unknown = {claim.name for claim in self.plan.claims} - {gate.claim.name for gate in self._gates}
        return (
            *(
                known.get(gate.name) or GateRecord(name=gate.name, claim=gate.claim.name, decision=Decision.OPEN)
                for gate in self._gates
            ),
            *(GateRecord(name=name, claim=name, decision=Decision.OPEN) for name in sorted(unknown)),
        )

    def _extent(self) -> dict[str, Any]:
        if self._evidence is None or self._known is None:
            return {}
        return Extent(self.plan, self._gates, self._known, self._evidence).told(self.labels)

    def _culprits(self) -> tuple[Culprit, ...]:
        return culprits(self.plan, self._items.tallies, hard_gates(self._gates)) if self._items else ()

    def _result(self, outcome: Outcome, reason: Reason, message: str) -> EvaluationResult:
        harmful, beneficial, neutral = self._evidence.flips() if self._evidence else (0, 0, 0)
        blocks, control_blocks = self._latency.encoded() if self._latency else ("", "")
        return EvaluationResult(
            input_digest=plan_digest(self.plan),
            attempt=self.attempt,
            outcome=outcome,
            reason=reason,
            message=message[:2048],
            gates=self._records(),
            checks=tuple(self._checks),
            control=self._latency.control if self._latency else None,
            items=self._evidence.judged if self._evidence else 0,
            repeated_items=self._known.repeats if self._known else 0,
            harmful_flips=harmful,
            beneficial_flips=beneficial,
            neutral_flips=neutral,
            worst=self._evidence.worst() if self._evidence else (),
            repeat=self._repeat,
            culprits=self._culprits(),
            **self._extent(),
            layers=self._layers,
            latency_blocks=blocks,
            control_blocks=control_blocks,
            baseline_digest=self.artefacts.baseline_digest,
            candidate_digest=self.artefacts.candidate_digest,
            environment=environment() | self._environment,
            started_at=self._started,
            finished_at=now(),
        )

    def _progress(self, stage: str, items: int, message: str = "") -> None:
        """Tell, but a stage that goes on only now and then."""
        now = time.monotonic()
        if stage in ("Evaluating", "Measuring") and now - self._told < _TELL_SECONDS:
            return
        self._told = now
        needed = [gate.power.needed for gate in self._gates if gate.power and gate.hard and not gate.excluded]
        planned = min(max(needed, default=len(self.labels)), len(self.labels))
        self.tell(
            Progress.model_validate(
                {"stage": stage, "items": items, "planned": max(planned, items), "message": message[:1024]}
            )
        )


def error_result(plan: EvaluationPlan, attempt: int, error: EvaluatorError) -> EvaluationResult:
    """The result that says why there is no evidence."""
    return EvaluationResult(
        input_digest=plan_digest(plan),
        attempt=attempt,
        outcome=Outcome.ERROR,
        reason=error.reason,
        message=error.message,
        environment=environment(),
        finished_at=now(),
    )


def _shortage(gate: Gate) -> str:
    if gate.power is None:
        return gate.name
    return underpowered(gate.name, gate.claim, gate.power)

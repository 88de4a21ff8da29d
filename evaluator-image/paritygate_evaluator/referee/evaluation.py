"""One evaluation from its plan to its result: plan power, check, judge items, time, weigh; stop when it is decided."""

import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

from paritygate.api import (
    Check,
    CheckRecord,
    Decision,
    EvaluationPlan,
    EvaluationResult,
    GateRecord,
    Metric,
    Outcome,
    Progress,
    Reason,
)
from paritygate.judge import (
    MOST_ITEMS,
    Gate,
    PlanError,
    conclude,
    expand,
    order_seed,
    plan_digest,
    ratio_record,
    underpowered,
)
from paritygate.stats.order import item_order

from ..ending import EvaluatorError
from .client import Description, ModelFailedError, Runner
from .interface import check_interface, check_items, check_provider
from .items import Evidence, ItemGates, NotFiniteError, judge_items
from .labels import Labels
from .latency import Latency
from .scoring import ClassificationScorer

MOST_GATES = 512
_TELL_SECONDS = 0.25


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
    _checks: list[CheckRecord] = field(default_factory=list)
    _environment: dict[str, str] = field(default_factory=dict)
    _evidence: Evidence | None = None
    _gates: tuple[Gate, ...] = ()
    _items: ItemGates | None = None
    _latency: Latency | None = None
    _ratios: list[GateRecord] = field(default_factory=list)
    _told: float = 0.0
    _started: str = field(default_factory=lambda: _now())

    def run(self) -> EvaluationResult:
        """The result, whatever it is. Raises EvaluatorError when there is no evidence to judge."""
        self._gates = self._expanded()
        self._items = ItemGates.of(self.plan, self._gates)
        refusal = self._plan_power()
        if refusal:
            return self._result(Outcome.INCONCLUSIVE, Reason.UNDERPOWERED, refusal)
        runner = self.connect()
        try:
            self._measure(runner, self._items)
        except ModelFailedError as error:
            self._failed_model(error)
        except NotFiniteError as error:
            self._not_finite(error)
        finally:
            runner.shutdown()
        control = self._latency.control if self._latency else None
        verdict = conclude(self.plan, self._records(), self._checks, control)
        return self._result(verdict.outcome, verdict.reason, verdict.message)

    def _expanded(self) -> tuple[Gate, ...]:
        if len(self.labels.ids) > MOST_ITEMS:
            said = f"the packs hold {len(self.labels.ids):,} items together: at most {MOST_ITEMS:,} are judged"
            raise EvaluatorError(Reason.PACK_INVALID, f"{said}; draw a sample of them")
        try:
            gates = expand(self.plan, self.labels.ids, self.labels.columns)
        except PlanError as error:
            raise EvaluatorError(Reason.PACK_INVALID, str(error)) from error
        if len(gates) > MOST_GATES:
            largest = max(self.labels.columns, key=lambda c: len(set(self.labels.columns[c])))
            raise EvaluatorError(
                Reason.PACK_INVALID,
                f"slice column {largest!r} has {len(set(self.labels.columns[largest])):,} values: at most {MOST_GATES} "
                "gates are judged; group its values, or take it out of the pack's slices",
            )
        return gates

    def _plan_power(self) -> str:
        """Tell what the items can prove; the reason to refuse, if a gate that may not be left out can't be proved."""
        weak = [gate for gate in self._gates if gate.underpowered and gate.hard]
        said = [f"{_shortage(gate)}: {'refused' if gate.refused else 'can only fail the candidate'}" for gate in weak]
        self._progress("Planned", 0, "; ".join(said) or "every hard gate can be proved with the items there are")
        refused = [gate for gate in weak if gate.refused]
        if not refused:
            return ""
        return (
            f"{'; '.join(_shortage(gate) for gate in refused[:5])}. Nothing was run. Add items, widen the margin, or "
            "set underpowered: HarmOnly on the gate (it can then fail the candidate but is left out of the promise)"
        )

    def _measure(self, runner: Runner, items: ItemGates) -> None:
        baseline = self._load(runner)
        if any(not check.ok for check in self._checks):
            return
        pack = self._pack_names()
        scorer = ClassificationScorer(pack, baseline.outputs, self.labels.labels)
        evidence = self._evidence = Evidence(runner, scorer, self.labels)
        self._environment["batch"] = str(evidence.tune())
        while judge_items(items, evidence):
            self._progress("Evaluating", evidence.judged)
        self._checks += [CheckRecord(name=Check.OUTPUT_SHAPE, ok=True), CheckRecord(name=Check.FINITE, ok=True)]
        if items.failed():
            return
        order = item_order(order_seed(self.plan), self.labels.ids)
        self._latency = Latency(self.plan, self._gates, runner, order)
        self._latency.measure(
            lambda blocks, what: self._progress("Measuring", evidence.judged, f"{what}: {blocks} blocks")
        )
        self._weigh(runner)

    def _load(self, runner: Runner) -> Description:
        """Load both and check that they and the packs fit together; the baseline's description."""
        self._progress("Loading", 0)
        inputs = runner.inputs()
        have = tuple(self.labels.counts)
        if inputs.counts != have:
            raise EvaluatorError(
                Reason.PACK_INVALID,
                f"{self._pack_names()}: inputs hold {_counted(inputs.counts)} items, labels {_counted(have)}; "
                "every item needs one row in each, in the same order",
            )
        baseline = runner.load("baseline")
        check_items(self._pack_names(), inputs, baseline)
        asked = self.plan.execution_providers[0]
        if baseline.provider != asked:
            raise EvaluatorError(
                Reason.BASELINE_UNLOADABLE,
                f"baseline: asked for {asked}, runs on {baseline.provider}; choose a pool that runs it",
            )
        candidate = runner.load("candidate")
        self._checks += [
            CheckRecord(name=Check.LOADABLE, ok=True),
            check_interface(baseline, candidate),
            check_provider(asked, candidate),
        ]
        self._environment |= {
            "runtime": candidate.runtime,
            "provider": candidate.provider,
            "threads": str(inputs.threads),
            "latencyThreads": "1",
        }
        return baseline

    def _weigh(self, runner: Runner) -> None:
        memory = runner.memory()
        values = {
            Metric.SIZE_RATIO: (self.artefacts.baseline_bytes, self.artefacts.candidate_bytes),
            Metric.PEAK_MEMORY_RATIO: (memory["baseline"], memory["candidate"]),
        }
        for gate in self._gates:
            if gate.claim.metric in values:
                first, second = values[gate.claim.metric]
                if first <= 0 or second <= 0:
                    raise EvaluatorError(Reason.RUNNER_LOST, f"{gate.name}: measured {second} / {first} bytes")
                self._ratios.append(ratio_record(gate, first, second))

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
            record.name: record for record in [*(self._latency.records() if self._latency else []), *self._ratios]
        }
        return tuple(
            known.get(gate.name) or GateRecord(name=gate.name, claim=gate.claim.name, decision=Decision.OPEN)
            for gate in self._gates
        )

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
            harmful_flips=harmful,
            beneficial_flips=beneficial,
            neutral_flips=neutral,
            worst=self._evidence.worst() if self._evidence else (),
            latency_blocks=blocks,
            control_blocks=control_blocks,
            baseline_digest=self.artefacts.baseline_digest,
            candidate_digest=self.artefacts.candidate_digest,
            environment=environment() | self._environment,
            started_at=self._started,
            finished_at=_now(),
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

    def _pack_names(self) -> str:
        return ", ".join(pack.name for pack in self.plan.packs)


def environment() -> dict[str, str]:
    """What this evaluator runs on."""
    return {
        "paritygate": version("paritygate"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
    }


def error_result(plan: EvaluationPlan, attempt: int, error: EvaluatorError) -> EvaluationResult:
    """The result that says why there is no evidence."""
    return EvaluationResult(
        input_digest=plan_digest(plan),
        attempt=attempt,
        outcome=Outcome.ERROR,
        reason=error.reason,
        message=error.message,
        environment=environment(),
        finished_at=_now(),
    )


def _shortage(gate: Gate) -> str:
    if gate.power is None:
        return gate.name
    return underpowered(gate.name, gate.claim, gate.power.needed, gate.power.have, gate.power.smallest_margin)


def _counted(counts: Iterable[int]) -> str:
    return " + ".join(f"{count:,}" for count in counts)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            names = [line.partition(":")[2].strip() for line in stream if line.startswith("model name")]
    except OSError:
        names = []
    return (names[0] if names else platform.processor() or platform.machine())[:128]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

"""Latency ratios: the processes behind a LatencyRatio gate and the A/A control that must come first."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from paritygate.api import ControlRecord, Decision, Enforcement, EvaluationPlan, GateRecord, Metric
from paritygate.api.policy import MOST_BLOCKS
from paritygate.stats import latency
from paritygate.stats.order import coins
from paritygate.stats.wealth import harm_threshold, pass_threshold

from .budget import alpha_of
from .gates import Gate
from .packs import PlanError
from .plan import order_seed

Blocks = npt.NDArray[np.int64]
"""Times in ns, shape (blocks, 4): two calls of the first model, two of the second, in whatever order they were made."""

TICK = 1.0
"""The timer's tick in ns: `perf_counter_ns` on Linux."""

INTERVAL_SLACK = 1.002
"""The ends of an interval are found to a thousandth: another machine may find the next one."""

LEAST_CONTROL = 1.05
"""The A/A control asks for at least this much slack: two identical models can't prove a ratio of 1."""


def check_blocks(plan: EvaluationPlan) -> None:
    """That a hard latency gate could pass with the blocks that the plan allows. Raises PlanError.

    Apart from `build_plan`: which claims decide, and the alpha of this candidate, may be settled after it.
    """
    hard = [c.name for c in plan.claims if c.metric is Metric.LATENCY_RATIO and c.enforcement is Enforcement.HARD]
    fewest = latency.fewest_blocks(pass_threshold(alpha_of(plan)))
    if hard and plan.latency_blocks < fewest:
        said = (
            f"{plan.latency_blocks:,} blocks can't prove {hard[0]}, whatever they show: at alpha {alpha_of(plan):.3g}"
        )
        mend = f"write {fewest:,} or more" if fewest <= MOST_BLOCKS else f"{MOST_BLOCKS:,} are the most: raise alpha"
        raise PlanError("evaluation.latencyBlocks", f"{said} it takes {fewest:,}; {mend}, or make the gate Soft")


def round_of(plan: EvaluationPlan, start: int) -> int:
    """Blocks of the round that begins after `start` blocks; 0 when the plan allows no more."""
    return next((end - start for end in latency.rounds(plan.latency_blocks) if end > start), 0)


def block_orders(plan: EvaluationPlan, start: int, count: int) -> npt.NDArray[np.bool_]:
    """Preregistered coins of blocks `start` to `start + count`: False = ABBA, True = BAAB."""
    return coins(order_seed(plan), "blocks", start + count)[start:]


def encode_blocks(blocks: Blocks) -> str:
    """Blocks as text for the record."""
    return base64.b64encode(np.ascontiguousarray(blocks, "<i8").tobytes()).decode()


def decode_blocks(text: str) -> Blocks:
    """Inverse of `encode_blocks`. Raises ValueError when the text is not whole blocks."""
    raw = base64.b64decode(text, validate=True)
    if len(raw) % 32:
        raise ValueError(f"latency blocks: {len(raw)} bytes are not whole blocks of 32")
    return np.frombuffer(raw, "<i8").reshape(-1, 4).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Look:
    """Log wealth for "not slower than r" and for "slower", after `n` blocks."""

    n: int
    log_e: float
    log_e_harm: float


class RatioProcess:
    """`q_p(second) <= r q_p(first)`, looked at where a round of blocks ends; the plan allows `most` blocks.

    `harm_ratio` is the ratio whose excess the other side proves: the same r, or 1 in the A/A control.
    """

    def __init__(self, quantile: float, ratio: float, harm_ratio: float, most: int, seed: bytes) -> None:
        self._p, self._r, self._harm_r, self._seed = quantile, ratio, harm_ratio, seed
        self._ends = latency.rounds(most)
        self._looked = 0

    def due(self, blocks: Blocks) -> list[int]:
        """The block counts at which one may look at these blocks: a look elsewhere would be a choice."""
        return [n for n in self._ends if n <= len(blocks)]

    def looks(self, blocks: Blocks) -> Iterator[Look]:
        """The looks that have come due since the last time."""
        for n in self.due(blocks):
            if n > self._looked:
                self._looked = n
                yield self.at(blocks, n)

    def at(self, blocks: Blocks, n: int) -> Look:
        """Both sides after the first `n` blocks."""
        first = latency.dither(blocks[:n, :2], TICK, self._seed, "baseline")
        second = latency.dither(blocks[:n, 2:], TICK, self._seed, "candidate")
        return Look(
            n,
            latency.log_e(first, second, self._p, self._r),
            latency.log_harm(first, second, self._p, self._harm_r),
        )


class LatencyTally:
    """The two processes of one LatencyRatio gate."""

    def __init__(self, gate: Gate, plan: EvaluationPlan, hard: int) -> None:
        self.gate = gate
        self._p, self._alpha, limit = float(gate.claim.quantile or 0), alpha_of(plan), float(gate.claim.limit or 0)
        self._limit = limit
        self._process = RatioProcess(self._p, limit, limit, plan.latency_blocks, order_seed(plan))
        self._thresholds = pass_threshold(self._alpha), harm_threshold(hard, float(plan.alpha_fail))
        self._blocks: Blocks = np.zeros((0, 4), np.int64)
        self._last = Look(0, 0.0, 0.0)
        self._pass_at: int | None = None
        self._harm_at: int | None = None

    @property
    def decision(self) -> Decision:
        """What is known."""
        if self._harm_at is not None:
            return Decision.HARM
        return Decision.PROVED if self._pass_at is not None else Decision.OPEN

    def add(self, blocks: Blocks) -> None:
        """Count further blocks (k, 4): one round of fresh processes, or several."""
        self._blocks = np.concatenate([self._blocks, blocks])
        for look in self._process.looks(self._blocks):
            self._last = look
            if self._pass_at is None and look.log_e >= self._thresholds[0]:
                self._pass_at = look.n
            if self._harm_at is None and look.log_e_harm >= self._thresholds[1]:
                self._harm_at = look.n

    def confirms(self, pass_at: int | None, harm_at: int | None, blocks: Blocks) -> bool:
        """Whether these blocks close the sides where a record says so, and no other; adopts them if they do."""
        scheduled = self._process.due(blocks)
        if any(n is not None and n not in scheduled for n in (pass_at, harm_at)):
            return False
        if pass_at is not None and self._process.at(blocks, pass_at).log_e < self._thresholds[0]:
            return False
        if harm_at is not None and self._process.at(blocks, harm_at).log_e_harm < self._thresholds[1]:
            return False
        if harm_at is None and self._harmed(blocks, scheduled):
            return False
        self._blocks, self._pass_at, self._harm_at = blocks, pass_at, harm_at
        return True

    def supports(self, interval: tuple[float, float]) -> bool:
        """Whether the blocks exclude what an interval leaves out: cheaper than to search for its ends again."""
        first, second, threshold = self._blocks[:, :2], self._blocks[:, 2:], pass_threshold(self._alpha)
        low, high = interval[0] / INTERVAL_SLACK, interval[1] * INTERVAL_SLACK
        if not 0 <= low <= high or latency.log_e(first, second, self._p, high) < threshold:
            return False
        # 0: the search ended before it found what is excluded below, so nothing is claimed to be.
        return low == 0 or latency.log_harm(first, second, self._p, low) >= threshold

    def figures(self) -> GateRecord:
        """The evidence so far but for its interval and wealth, which cost a search."""
        name, claim = self.gate.name, self.gate.claim.name
        if not len(self._blocks):
            return GateRecord(name=name, claim=claim, decision=self.decision)
        first, second = self._blocks[:, :2], self._blocks[:, 2:]
        return GateRecord(
            name=name,
            claim=claim,
            decision=self.decision,
            n=len(self._blocks),
            baseline_value=float(np.quantile(first, self._p, method="inverted_cdf")),
            candidate_value=float(np.quantile(second, self._p, method="inverted_cdf")),
            estimate=latency.ratio_estimate(first, second, self._p),
            bet=f"quantile/2 p={self._p:g} r={self._limit:g} tick={TICK:g}ns",
            pass_at=self._pass_at,
            harm_at=self._harm_at,
        )

    def record(self) -> GateRecord:
        """The evidence so far."""
        figures = self.figures()
        if not len(self._blocks):
            return figures
        interval = latency.ratio_interval(self._blocks[:, :2], self._blocks[:, 2:], self._p, self._alpha)
        wealth = {"log_e": self._last.log_e, "log_e_harm": self._last.log_e_harm}
        return figures.model_copy(update={"interval": _finite(interval), **wealth})

    def _harmed(self, blocks: Blocks, scheduled: Sequence[int]) -> bool:
        return any(self._process.at(blocks, n).log_e_harm >= self._thresholds[1] for n in scheduled)


class ControlTally:
    """The A/A control: the baseline in both places, judged at the strictest latency claim.

    Quiet when both directions prove "not slower" with the claim's slack (at least 5 %); Biased when one place is proved
    slower than the other; Noisy while neither, and then a real gate could not tell either.
    """

    def __init__(self, plan: EvaluationPlan) -> None:
        claims = [c for c in plan.claims if c.metric is Metric.LATENCY_RATIO]
        if not claims:
            raise ValueError("a control is for a plan with a LatencyRatio claim")
        strictest = min(claims, key=lambda c: (c.enforcement != "Hard", float(c.limit or 0), -float(c.quantile or 0)))
        self._p = float(strictest.quantile or 0)
        self._limit = max(float(strictest.limit or 0), LEAST_CONTROL)
        seed = order_seed(plan)
        self._ways = [RatioProcess(self._p, self._limit, 1.0, plan.latency_blocks, seed) for _ in range(2)]
        self._best, self._worst = [0.0, 0.0], 0.0
        self._alpha, self._most = alpha_of(plan), plan.latency_blocks
        self._thresholds = pass_threshold(self._alpha), harm_threshold(2, float(plan.alpha_fail))
        self._blocks: Blocks = np.zeros((0, 4), np.int64)

    @property
    def state(self) -> str:
        """Quiet, Noisy or Biased."""
        if self._worst >= self._thresholds[1]:
            return "Biased"
        return "Quiet" if min(self._best) >= self._thresholds[0] else "Noisy"

    def add(self, blocks: Blocks) -> None:
        """Count further blocks (k, 4) of the baseline against itself."""
        self._blocks = np.concatenate([self._blocks, blocks])
        for way, (process, ordered) in enumerate(
            zip(self._ways, (self._blocks, self._blocks[:, [2, 3, 0, 1]]), strict=True)
        ):
            for look in process.looks(ordered):
                self._best[way] = max(self._best[way], look.log_e)
                self._worst = max(self._worst, look.log_e_harm)

    def record(self) -> ControlRecord:
        """The outcome so far."""
        ratio = latency.ratio_estimate(self._blocks[:, :2], self._blocks[:, 2:], self._p) if len(self._blocks) else 1.0
        fewest = latency.fewest_blocks(self._thresholds[0])
        messages = {
            "Quiet": "the baseline against itself shows no difference",
            "Noisy": (
                f"the baseline against itself can't be told equal within {self._limit:.2f} at p{self._p * 100:.0f}: "
                "the node is too noisy for this limit; use a quieter node, a wider limit or a lower quantile"
            )
            if self._most >= fewest
            else (
                f"evaluation.latencyBlocks allows {self._most:,} blocks, and nothing is proved at alpha "
                f"{self._alpha:g} with fewer than {fewest:,}: raise it"
            ),
            "Biased": "the baseline is proved slower than itself: the harness is biased, no latency can be believed",
        }
        return ControlRecord.model_validate(
            {
                "state": self.state,
                "ratio": ratio,
                "blocks": len(self._blocks),
                "limit": self._limit,
                "message": messages[self.state],
            }
        )


def _finite(interval: tuple[float, float]) -> tuple[float, float] | None:
    """None where a side is unbounded: JSON has no infinity."""
    return interval if bool(np.isfinite(interval).all()) else None

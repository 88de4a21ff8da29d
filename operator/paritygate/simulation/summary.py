"""Many endings of one candidate in one row."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paritygate.api import Outcome

from .candidates import Candidate
from .paths import Ending


@dataclass(frozen=True, slots=True)
class Share:
    """How often something happened."""

    count: int
    paths: int

    @property
    def value(self) -> float:
        """The share itself."""
        return self.count / self.paths

    @property
    def error(self) -> float:
        """Its standard error; as if half a path more had gone either way, so that none of 50 is not "0, for sure"."""
        near = (self.count + 0.5) / (self.paths + 1)
        return math.sqrt(near * (1 - near) / self.paths)


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate: how its evaluations ended, and what they took."""

    candidate: Candidate
    passed: Share
    failed: Share
    inconclusive: Share
    median_items: int
    most_items: int
    """90th percentile."""

    @property
    def kept(self) -> bool | None:
        """Whether it passed no more often than promised, within three standard errors; None without a promise."""
        promised = self.candidate.promised
        return None if promised is None else self.passed.value <= promised + 3 * self.passed.error

    def dump(self) -> dict[str, object]:
        """As JSON."""
        shares = {"passed": self.passed, "failed": self.failed, "inconclusive": self.inconclusive}
        return {
            "candidate": self.candidate.name,
            "kind": self.candidate.kind.value,
            "gate": self.candidate.gate.name if self.candidate.gate else None,
            "paths": self.passed.paths,
            **{name: {"share": share.value, "standardError": share.error} for name, share in shares.items()},
            "items": {"median": self.median_items, "p90": self.most_items},
            "promisedAtMost": self.candidate.promised,
        }


def summarize(candidate: Candidate, endings: Sequence[Ending]) -> Row:
    """The row of a candidate's endings. Raises ValueError when there is none."""
    if not endings:
        raise ValueError(f"{candidate.name}: no path was run")

    def share(outcome: Outcome) -> Share:
        return Share(sum(ending.outcome is outcome for ending in endings), len(endings))

    median, most = np.quantile([ending.items for ending in endings], (0.5, 0.9), method="inverted_cdf")
    return Row(
        candidate,
        share(Outcome.PASSED),
        share(Outcome.FAILED),
        share(Outcome.INCONCLUSIVE),
        int(median),
        int(most),
    )

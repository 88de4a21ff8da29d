"""Who is compared: what each is made for, where it comes from, how it is asked."""

from dataclasses import dataclass
from typing import Any

from .scenarios import PEEK_EVERY, Scenario, Truth


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of asking a peer."""

    key: str
    """The adapter's name of it."""
    name: str
    """The table's."""
    paths: tuple[tuple[int, int], ...]
    """(items, data sets): up to so many items, so many data sets; what the time allows."""
    peekable: bool = True
    """Whether a look at what there is so far is one more call; False: it looks by itself."""
    only_without_evidence: bool = False

    def cells(self, scenario: Scenario) -> list[dict[str, Any]]:
        """What is asked of the adapter."""
        if self.only_without_evidence and scenario.truth is not Truth.UNKNOWN:
            return []
        return [self._cell(scenario, n) for n in scenario.sizes]

    def _cell(self, scenario: Scenario, n: int) -> dict[str, Any]:
        looks = list(range(PEEK_EVERY, n + 1, PEEK_EVERY)) if scenario.peeked and self.peekable else None
        paths = next(paths for most, paths in self.paths if n <= most)
        if looks:
            paths = self.paths[0][1] // 4
        if scenario.truth is Truth.UNKNOWN:
            paths = 1
        return {"variant": self.key, "n": n, "paths": paths, "looks": looks}


@dataclass(frozen=True, slots=True)
class Peer:
    """A package, its environment and its adapter. Without requirements it is ourselves, in the environment at hand."""

    key: str
    adapter: str
    variants: tuple[Variant, ...]
    python: str = "3.11"
    requirements: tuple[str, ...] = ()


OURS, FAST = ((5000, 4000),), ((5000, 2000),)
FAIR = ((600, 1000), (2000, 200), (5000, 100))
SLOW = ((600, 500), (2000, 150), (5000, 80))
SLOWER = ((600, 400), (2000, 100), (5000, 30))
SLOWEST = ((600, 100), (2000, 30), (5000, 10))

PARITYGATE = Peer(
    key="paritygate",
    adapter="tests.peers.ours",
    variants=(
        Variant("planned", "ParityGate", OURS, peekable=False),
        Variant("unplanned", "ParityGate, planner's refusal ignored", FAST, peekable=False),
    ),
)

NEMO = Peer(
    key="nemo",
    adapter="adapters.nemo_gate",
    variants=(
        Variant("gate", "NeMo Evaluator gate", FAIR),
        Variant("gate, default policy", "NeMo Evaluator gate, default policy", FAIR, only_without_evidence=True),
    ),
    python="3.12",
    requirements=("nemo-evaluator[stats]==0.3.0", "numpy==2.5.5", "scipy==1.18.1"),
)

ILLATE = Peer(
    key="illate",
    adapter="adapters.illate_gate",
    variants=(Variant("check", "illate-parity check", SLOW),),
    requirements=("illate-parity==0.1.0", "numpy==2.4.6"),
)

EVALSIG = Peer(
    key="evalsig",
    adapter="adapters.evalsig_gates",
    variants=(
        Variant("gate", "evalsig gate (is it better?)", FAIR),
        Variant("sequential", "evalsig sequential, shifted by the margin", SLOWER, peekable=False),
        Variant("sequential, bounded", "evalsig sequential, shifted, sigma bound 1", SLOWEST, peekable=False),
    ),
    requirements=("evalsig==0.1.2", "numpy==2.4.6", "scipy==1.17.1"),
)

MLFLOW = Peer(
    key="mlflow",
    adapter="adapters.mlflow_gate",
    variants=(
        Variant("threshold", "point threshold (MLflow; Olive's goal)", FAST),
        Variant("change", "MLflow min_absolute_change (is it better?)", FAST),
    ),
    requirements=("mlflow-skinny==3.17.2", "numpy==2.4.6"),
)

PEERS = (PARITYGATE, NEMO, ILLATE, EVALSIG, MLFLOW)

NOT_RUN = {
    "Olive 0.13.0": "`import olive` ends with ModuleNotFoundError: No module named 'torch', whose wheels bring CUDA; "
    "its max-degradation goal, metric >= baseline - goal, is the comparison of the point threshold's row",
}

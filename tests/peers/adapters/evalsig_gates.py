"""evalsig: `gate` (evalsig/compare/gate.py) as it is meant, `sequential_gate` (evalsig/inference/sequential.py) too.

`gate` asks whether the candidate is better. The sequential test has no margin either, but takes any stream of
differences: shifted by the margin it asks our question.
"""

from evalsig import ItemResult, RunFrame, gate, sequential_gate

from .batch import Variant, correct, run
from .outcomes import FAIL, PASS, UNDECIDED

VERDICTS = {"ALLOW": PASS, "REJECT": FAIL, "INCONCLUSIVE": UNDECIDED}
MIN_DELTA = 0.005
"""As in evalsig's own quick start."""


def variants(margin, alpha):
    """The gate, and the sequential test with and without the bound on the spread that its guarantee asks for."""
    bounded = "evalsig.sequential_gate(candidate - baseline + margin, sigma_bound=1)"
    return {
        "gate": Variant("evalsig.gate, min_delta 0.005", lambda o: _gate(o, alpha), by_counts=True),
        "sequential": Variant(
            "evalsig.sequential_gate(candidate - baseline + margin)", lambda o: _sequential(o, margin, alpha, None)
        ),
        "sequential, bounded": Variant(bounded, lambda o: _sequential(o, margin, alpha, 1.0)),
    }


def _gate(outcomes, alpha):
    frames = [_frame(name, right) for name, right in zip("ab", correct(outcomes), strict=True)]
    return VERDICTS[gate(*frames, min_delta=MIN_DELTA, alpha=alpha).verdict.value], len(outcomes)


def _frame(name, right):
    items = [ItemResult(f"{index:06d}", score) for index, score in enumerate(right.tolist())]
    return RunFrame(name, name, "pack", "accuracy", items)


def _sequential(outcomes, margin, alpha, sigma_bound):
    baseline, candidate = correct(outcomes)
    stream = candidate - baseline + margin
    end = sequential_gate(stream, alpha=alpha, alternative="two-sided", sigma_bound=sigma_bound)
    if not end.stopped:
        return UNDECIDED, end.n_pairs
    return (PASS if end.ci[0] > 0 else FAIL), end.n_pairs


if __name__ == "__main__":
    run("evalsig", variants)

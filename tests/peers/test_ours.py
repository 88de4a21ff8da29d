"""ParityGate beside its peers: judged by the product's judge, and never passed for lack of evidence."""

import numpy as np
import pytest
from paritygate.judge import expand

from tests.peers.adapters.batch import judged
from tests.peers.adapters.outcomes import BOTH_RIGHT, FAIL, LOST, PASS, UNDECIDED, WON
from tests.peers.ours import accuracy_plan, pack, variants

BOTH = ("planned", "unplanned")


def items(n: int, lost: int = 0, won: int = 0) -> np.ndarray:
    """`n` items, of which the flips are spread evenly."""
    outcomes = np.full(n, BOTH_RIGHT, np.int8)
    at = np.linspace(0, n - 1, lost + won).astype(int)
    outcomes[at] = np.random.default_rng(0).permutation([LOST] * lost + [WON] * won)
    return outcomes


def asked(variant: str, outcomes: np.ndarray) -> tuple[str, int]:
    return variants(0.01, 0.05)[variant].judge(outcomes)


@pytest.mark.parametrize("variant", BOTH)
@pytest.mark.parametrize("n", [0, 1, 7, 8, 10, 100, 298])
def test_too_few_items_never_pass_however_clean(variant, n):
    assert asked(variant, items(n))[0] == UNDECIDED


@pytest.mark.parametrize(
    ("variant", "outcomes", "verdict"),
    [
        pytest.param("planned", items(600), (UNDECIDED, 0), id="refused-by-the-plan-before-anything-is-run"),
        pytest.param("unplanned", items(600), (PASS, 480), id="clean-items-pass-at-480"),
        pytest.param("planned", items(5000), (PASS, 480), id="a-larger-pack-passes-at-480-too"),
        pytest.param("planned", items(5000, lost=50), (UNDECIDED, 5000), id="a-loss-of-the-margin-is-not-passed"),
    ],
)
def test_verdicts_are_the_products(variant, outcomes, verdict):
    assert asked(variant, outcomes) == verdict


def test_a_broken_candidate_fails_before_all_items_are_used():
    verdict, used = asked("planned", items(5000, lost=500))
    assert verdict == FAIL
    assert used < 500


def test_what_comes_after_the_verdict_has_no_say():
    (gate,) = expand(accuracy_plan(0.01, 0.05), pack(5000), with_margins=False)
    outcomes = items(5000)
    outcomes[gate.sequence[480:]] = LOST
    assert asked("planned", outcomes) == (PASS, 480)


def test_a_cell_holds_one_verdict_a_data_set():
    data = np.stack([items(5000), items(5000, lost=500)])
    cell = judged(variants(0.01, 0.05)["planned"], data, {"n": 2000, "paths": 2, "looks": None})
    assert cell["verdicts"] == PASS + FAIL
    assert len(cell["items"]) == 2

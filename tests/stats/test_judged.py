import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.stats import bounded
from paritygate.stats.flip import FlipBet
from paritygate.stats.judged import corrected_losses, largest_loss
from paritygate.stats.wealth import pass_threshold

MARGIN, FLIPS = 0.02, 0.04
scores = st.floats(-1, 1)


@pytest.mark.parametrize(("share", "largest"), [(1.0, 1), (0.5, 3), (0.2, 9)])
def test_the_largest_loss(share: float, largest: float) -> None:
    assert largest_loss(share) == pytest.approx(largest)
    assert corrected_losses([-1, 1, 1, 0], [1, -1, 0, 0.5], [1, 1, 0, 0], share) == pytest.approx(
        [1, -1, 1 / largest, 0]
    )


@given(scores, scores, st.floats(0.01, 1))
def test_in_the_mean_the_judge_does_not_matter(judge: float, human: float, share: float) -> None:
    looked, trusted = corrected_losses([judge, judge], [human, human], [True, False], share)
    assert abs(looked) <= 1
    mean = share * looked + (1 - share) * trusted
    assert mean * largest_loss(share) == pytest.approx(human, abs=1e-9)


def test_what_a_human_says_unasked_does_not_count() -> None:
    assert corrected_losses([0.2], [1.0], [False], 0.5) == corrected_losses([0.2], [math.nan], [False], 0.5)


def passed(share: float, loss: float, items: int, runs: int) -> tuple[float, float]:
    """(of runs with a judge blind to 40 % of the harms, by the judge alone), share that passed."""
    draw, shape = np.random.default_rng(60), (runs, items)
    human = draw.choice([1, -1, 0], shape, p=[(FLIPS + loss) / 2, (FLIPS - loss) / 2, 1 - FLIPS])
    judge = np.where((human == 1) & (draw.random(shape) < 0.4), 0, human)
    largest = largest_loss(share)
    losses = corrected_losses(judge, human, draw.random(shape) < share, share)
    wealth = bounded.gains(bounded.to_units(losses), MARGIN / largest, FlipBet(v0=0.05 / largest**2)).path()
    alone = bounded.gains(bounded.to_units(judge), MARGIN, FlipBet(v0=FLIPS)).path()
    return tuple(float((path >= pass_threshold(0.05)).any(-1).mean()) for path in (wealth, alone))


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_at_the_boundary_a_blind_judge_passes_and_a_corrected_one_does_not(share: float) -> None:
    corrected, alone = passed(share, MARGIN, 1600, 500)
    assert corrected <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 500)
    assert alone > 0.4


def test_equal_models_pass() -> None:
    assert passed(0.5, 0.0, 3200, 100)[0] > 0.9


@pytest.mark.parametrize(
    ("judge", "human", "reviewed", "share", "message"),
    [
        ([0], [0], [True], 0.0, "share that humans review"),
        ([0], [0], [True], math.nan, "share that humans review"),
        ([0], [math.nan], [True], 0.5, "score of the human must lie between -1 and 1, got nan"),
        ([1.5], [0], [False], 0.5, "score of the judge must lie between -1 and 1, got 1.5"),
        ([0, 0], [0], [True], 0.5, "of one shape"),
    ],
)
def test_a_broken_review_is_refused(
    judge: list[float], human: list[float], reviewed: list[bool], share: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        corrected_losses(judge, human, reviewed, share)

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.stats import flip
from paritygate.stats.flip import FlipBet
from paritygate.stats.locked import (
    LOCKED_1,
    allowed_loss,
    gains,
    harm_gains,
)
from paritygate.stats.wealth import Wealth, harm_threshold, pass_threshold

ALPHA, MARGIN = 0.05, 0.01
START = Wealth(pass_threshold(ALPHA))
HARM_START = Wealth(harm_threshold(1))
CLEAN, LOST, WON = [0, 0, 8, 0], [8, 0, 0, 0], [0, 8, 0, 0]
items = st.lists(st.sampled_from([(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]), min_size=1, max_size=120)


def cut(outcomes: list[tuple[int, ...]], size: int = 8) -> np.ndarray:
    return np.array([np.sum(outcomes[i : i + size], axis=0) for i in range(0, len(outcomes), size)])


def shuffled(sets: int, n10: int, n01: int, n0: int, batch: int = 8) -> np.ndarray:
    """Batches (sets, k, 4) of one whole set in as many random orders; its size must be a multiple of `batch`."""
    whole = np.repeat([1, -1, 0], [n10, n01, n0])
    order = np.random.default_rng(3).permuted(np.tile(whole, (sets, 1)), axis=1).reshape(sets, -1, batch)
    lost, won = (order == 1).sum(-1), (order == -1).sum(-1)
    return np.stack((lost, won, batch - lost - won, np.zeros_like(lost)), -1)


@pytest.mark.parametrize(
    ("population", "margin", "expected"),
    [(2000, 0.01, 20), (100, 0.07, 7), (1010, 0.01, 11), (3, 0.01, 1), (1, 0.5, 1)],
)
def test_the_allowed_loss_is_exact_in_decimals(population: int, margin: float, expected: int) -> None:
    assert allowed_loss(population, margin) == expected


def test_the_first_bet_is_that_of_flip_and_the_next_follows_what_the_rest_must_lose() -> None:
    batches = [CLEAN, [1, 2, 5, 0], CLEAN]
    rest = [10 / 1000, 10 / 992, (10 + 1) / 984]
    rates = [4 / 200, 4 / 208, 7 / 216]
    bets = flip.growth_optimal_bet(rates, rest)
    paid = [(1 + bet * m) ** 8 for bet, m in zip(bets, rest, strict=True)]
    paid[1] = (1 - bets[1] * (1 - rest[1])) * (1 + bets[1] * (1 + rest[1])) ** 2 * (1 + bets[1] * rest[1]) ** 5
    assert gains(batches, 1000, MARGIN).path() == pytest.approx(np.cumsum(np.log(paid)), rel=1e-12)


def test_harm_by_hand() -> None:
    # The full set would pass with 9 net losses in 1,000; after one loss the rest may lose 8 in 992.
    wealth = np.ones(24)
    for seen, rest in (([1, 0, 7], 9 / 1000), ([2, 1, 5], 8 / 992)):
        stake = np.geomspace(0.02, 0.999, 24) / (1 + rest)
        wealth *= (
            (1 + stake * (1 - rest)) ** seen[0] * (1 - stake * (1 + rest)) ** seen[1] * (1 - stake * rest) ** seen[2]
        )
    path = harm_gains([[1, 0, 7, 0], [2, 1, 0, 5]], 1000, MARGIN).path()
    assert path[1] == pytest.approx(math.log(wealth.mean()), rel=1e-10)


def test_a_pass_is_certain_when_even_the_loss_of_all_the_rest_is_allowed() -> None:
    # 32 items, margin 50 %: 16 net losses fail. With 8 won, only the loss of all 24 others fails.
    batches = [WON, [7, 0, 1, 0], LOST, LOST]
    path = gains(batches, 32, 0.5).path()
    assert path[0] < path[1] == path[3] == math.inf
    state = START.after(gains(batches, 32, 0.5))
    assert (state.log_e, state.sup_log_e, state.sums) == (math.inf, math.inf, (15, 31))
    assert gains([WON, LOST, LOST, LOST], 32, 0.5).path()[3] < math.inf


def test_a_failure_is_certain_when_even_winning_all_the_rest_does_not_help() -> None:
    assert harm_gains([LOST, CLEAN], 16, 0.5).path()[0] < math.inf
    assert HARM_START.after(harm_gains([LOST, CLEAN], 16, 0.5)).log_e == math.inf


def test_a_loss_beyond_the_allowed_must_be_won_back_before_a_bet_is_placed() -> None:
    paid = np.diff(gains([LOST, CLEAN, WON, CLEAN], 200, MARGIN).path(), prepend=0)
    assert (paid != 0).tolist() == [True, False, False, True]


@given(items, st.floats(0.005, 0.6))
def test_after_the_last_item_exactly_one_of_pass_and_failure_is_certain(
    outcomes: list[tuple[int, ...]], margin: float
) -> None:
    batches, population = cut(outcomes), len(outcomes)
    loss = int((batches[:, 0] - batches[:, 1]).sum())
    passed = START.after(gains(batches, population, margin)).log_e == math.inf
    failed = HARM_START.after(harm_gains(batches, population, margin)).log_e == math.inf
    assert passed is not failed
    assert passed is (loss < allowed_loss(population, margin))


def populations(size: int) -> Iterator[tuple[int, int]]:
    return ((n10, n01) for n10, n01 in product(range(size + 1), repeat=2) if n10 + n01 <= size)


def chances(n10: int, n01: int, n0: int, batch: int) -> Iterator[tuple[list[int], float]]:
    """Every batch that can be drawn from the rest, and its chance."""
    for a, b in product(range(min(n10, batch) + 1), range(min(n01, batch) + 1)):
        if 0 <= (c := batch - a - b) <= n0:
            ways = math.comb(n10, a) * math.comb(n01, b) * math.comb(n0, c)
            yield [a, b, c, 0], ways / math.comb(n10 + n01 + n0, batch)


@pytest.mark.parametrize(("size", "batch", "margin"), [(9, 4, 0.2), (10, 3, 0.05), (8, 4, 0.5)])
def test_no_batch_is_expected_to_pay_whatever_the_full_set_and_the_past(size: int, batch: int, margin: float) -> None:
    bet, allowed, most = FlipBet(batch=batch, cap=0.95), allowed_loss(size, margin), 0.0
    for n10, n01 in populations(size):
        fails = n10 - n01 >= allowed
        for first, _ in chances(n10, n01, size - n10 - n01, batch):
            rest = (n10 - first[0], n01 - first[1], size - n10 - n01 - first[2])
            seconds, odds = zip(*chances(*rest, batch), strict=True)
            runs = np.array([[first, second] for second in seconds])
            path = gains(runs, size, margin, bet).path() if fails else harm_gains(runs, size, margin, batch).path()
            assert np.isfinite(path).all(), "what holds of the full set can never look impossible"
            most = max(most, float(np.dot(odds, np.exp(path[:, 1] - path[:, 0]))))
        starts, odds = zip(*chances(n10, n01, size - n10 - n01, batch), strict=True)
        runs = np.array(starts)[:, None]
        path = gains(runs, size, margin, bet).path() if fails else harm_gains(runs, size, margin, batch).path()
        most = max(most, float(np.dot(odds, np.exp(path[:, 0]))))
    assert 0.99 < most <= 1 + 1e-12


def test_a_failure_shown_by_the_full_set_follows_a_pass_that_came_too_early() -> None:
    batches = [*[CLEAN] * 90, *[LOST] * 10]
    passed, failed = START.after(gains(batches, 800, MARGIN)), HARM_START.after(harm_gains(batches, 800, MARGIN))
    assert passed.latched
    assert failed.latched


@pytest.mark.parametrize(
    ("batches", "population", "message"),
    [
        ([CLEAN], 0, "population must be at least 1 item, got 0"),
        ([CLEAN, CLEAN], 15, "the locked set holds 15 items, got 16"),
    ],
)
def test_a_set_of_another_size_is_refused(batches: list[object], population: int, message: str) -> None:
    for judge in (
        lambda: START.after(gains(batches, population, MARGIN)),
        lambda: HARM_START.after(harm_gains(batches, population, MARGIN)),
    ):
        with pytest.raises(ValueError, match=message):
            judge()


def test_a_set_cannot_grow_while_it_is_judged() -> None:
    seen = START.after(gains([CLEAN] * 10, 80, MARGIN))
    with pytest.raises(ValueError, match="the locked set holds 80 items, got 88"):
        seen.after(gains([CLEAN], 80, MARGIN, state=seen))


@pytest.mark.parametrize(("n10", "n01"), [(20, 10), (60, 50)])
def test_at_the_margin_a_pass_before_the_end_is_rare(n10: int, n01: int) -> None:
    sets, population = 2000, 1000
    runs = shuffled(sets, n10, n01, population - n10 - n01)
    passed = (gains(runs, population, MARGIN).path() >= pass_threshold(ALPHA)).any(-1).mean()
    assert passed <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / sets)
    assert passed > ALPHA / 3, "a rule that hardly ever errs at the boundary wastes items"


def test_one_loss_below_the_margin_a_false_alarm_is_rare_and_the_end_passes() -> None:
    sets, population = 1000, 1000
    runs = shuffled(sets, 29, 20, population - 49)
    alarmed = (harm_gains(runs, population, MARGIN).path() >= harm_threshold(1)).any(-1).mean()
    assert 0 < alarmed <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / sets)
    assert (gains(runs, population, MARGIN).path()[:, -1] == math.inf).all()


def test_the_full_set_is_shown_to_pass_before_it_is_all_seen() -> None:
    reached = gains(shuffled(500, 10, 10, 1980), 2000, MARGIN, LOCKED_1).path() >= pass_threshold(ALPHA)
    assert np.median(reached.argmax(-1) + 1) * 8 <= 620

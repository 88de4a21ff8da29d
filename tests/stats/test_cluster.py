import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.stats.bounded import SCALE, UNIT
from paritygate.stats.cluster import CLUSTER_1, ClusterState, advance, log_wealth_path
from paritygate.stats.flip import FLIP_1, predicted_bets
from paritygate.stats.wealth import harm_threshold, pass_threshold

ALPHA, MARGIN, LARGEST = 0.05, 0.02, 5
START, HARM_START = ClusterState(pass_threshold(ALPHA)), ClusterState(harm_threshold(1))
a_cluster = st.integers(1, LARGEST).flatmap(
    lambda items: st.tuples(st.integers(-items * SCALE, items * SCALE), st.just(items))
)
runs = st.lists(a_cluster, min_size=1, max_size=60).map(lambda run: np.array(run))


def alike_inside(loss: float, flips: float, runs: int, clusters: int, seed: int = 50) -> np.ndarray:
    """Clusters of 1 to 5 items, four in five of which do as the cluster's first; large ones lose, small ones gain."""
    draw, shape = np.random.default_rng(seed), (runs, clusters)
    items, net = draw.integers(1, LARGEST, shape, endpoint=True), np.zeros(shape, np.int64)
    lean = loss + (items - 11 / 3) * 0.005  # 11/3: the mean size around a random ITEM

    def drawn() -> np.ndarray:
        u = draw.random(shape)
        return np.where(u < (flips + lean) / 2, 1, np.where(u < flips, -1, 0))

    first = drawn()
    for place in range(LARGEST):
        net += np.where(place < items, np.where(draw.random(shape) < 0.8, first, drawn()), 0)
    return np.stack((net * SCALE, items), -1)


def share_proved(clusters: np.ndarray, harm: bool = False) -> float:
    paths = [log_wealth_path(part, MARGIN, LARGEST, harm=harm) for part in np.array_split(clusters, 10)]
    return float(np.mean(np.concatenate([(path >= pass_threshold(ALPHA)).any(-1) for path in paths])))


def test_two_clusters_by_hand() -> None:
    # Before the first, all are believed to be of the largest size: lambda = 0.04/(h + sqrt(h^2 + 0.0016 * 0.9996)) with
    # v = 0.01, h = 0.0092. After 2 losses of 4 items: v = (0.4^2 + 50 * 0.01)/51 and a size of (4/5 + 8)/9.
    m2 = MARGIN * (0.8 + 8) / 9
    h1, h2 = 0.01 - 0.0008, 0.66 / 51 - 2 * m2**2
    bets = (
        0.04 / (h1 + math.sqrt(h1**2 + 0.0016 * 0.9996)),
        2 * m2 / (h2 + math.sqrt(h2**2 + 4 * m2**2 * (1 - m2**2))),
    )
    gains = (math.log(1 + bets[0] * (0.08 - 2) / 5), math.log(1 + bets[1] * (0.02 + 0.5) / 5))
    state = advance(START, [[2 * SCALE, 4], [-SCALE // 2, 1]], MARGIN, LARGEST)
    assert state.log_e == pytest.approx(sum(gains), rel=1e-12)
    assert (state.items, state.members) == (2, 5)


def test_clusters_of_one_item_are_items() -> None:
    d = np.random.default_rng(1).choice([1, -1, 0], 300, p=[0.02, 0.02, 0.96])
    counts = np.stack([d == 1, d == -1, d == 0, d == 2], -1).astype(np.int64)
    bets = predicted_bets(counts.sum(-1), counts[:, 0] + counts[:, 1], MARGIN, type(FLIP_1)(batch=1))
    ours = log_wealth_path(np.stack((d * SCALE, d * 0 + 1), -1), MARGIN, 1, type(FLIP_1)(batch=1))
    assert ours == pytest.approx(np.cumsum(np.log1p(bets * (MARGIN - d))))


@given(runs, st.lists(st.integers(0, 60), max_size=4))
def test_cutting_a_run_into_pieces_changes_no_bit(clusters: np.ndarray, cuts: list[int]) -> None:
    for begun, harm in ((START, False), (HARM_START, True)):
        state, at = begun, 0
        for cut in [*sorted(min(c, len(clusters)) for c in cuts), len(clusters)]:
            state, at = advance(state, clusters[at:cut], MARGIN, LARGEST, harm=harm), cut
        assert state == advance(begun, clusters, MARGIN, LARGEST, harm=harm)
        assert state.log_e == pytest.approx(log_wealth_path(clusters, MARGIN, LARGEST, harm=harm)[-1], abs=1e-9)


@given(runs, st.data())
def test_a_later_cluster_never_changes_an_earlier_gain(clusters: np.ndarray, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(clusters) - 1))
    changed = np.concatenate((clusters[:at], [data.draw(a_cluster)], clusters[at + 1 :]))
    assert (log_wealth_path(clusters, MARGIN, LARGEST)[:at] == log_wealth_path(changed, MARGIN, LARGEST)[:at]).all()


@given(runs, st.floats(1e-6, 0.999), st.floats(1e-4, 0.999))
def test_wealth_is_always_a_number(clusters: np.ndarray, margin: float, v0: float) -> None:
    assert np.isfinite(log_wealth_path(clusters, margin, LARGEST, type(CLUSTER_1)(c=50, v0=v0))).all()
    assert np.isfinite(log_wealth_path(clusters, margin, LARGEST, harm=True)).all()


def test_at_the_boundary_neither_side_errs_beyond_alpha() -> None:
    clusters = alike_inside(MARGIN, 0.05, 2000, 1000)
    allowed = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 2000)
    assert ALPHA / 5 < share_proved(clusters) <= allowed
    assert 0 < share_proved(clusters, harm=True) <= allowed


def test_equal_models_pass_and_a_broken_one_is_caught() -> None:
    assert share_proved(alike_inside(0.0, 0.05, 200, 2500)) > 0.95
    assert share_proved(alike_inside(0.07, 0.1, 200, 2500), harm=True) > 0.95


def test_rounding_up_never_blames() -> None:
    margin = 327.01 * UNIT  # lost by every item, and recorded as 328 units
    recorded = np.tile([5 * 328, 5], (150_000, 1))
    assert log_wealth_path(recorded, margin, LARGEST, harm=True).max() < 0


def test_nothing_judged_is_no_evidence() -> None:
    assert advance(START, [], MARGIN, LARGEST) == START
    assert not advance(START, [[0, 1]] * 10, MARGIN, LARGEST).latched


@pytest.mark.parametrize(
    ("clusters", "margin", "message"),
    [
        ([[0, 1]], 1.0, "margin must lie"),
        ([[0, 1]], math.nan, "margin must lie"),
        ([[0, 0]], MARGIN, "a cluster must hold 1 to 5 items, got 0"),
        ([[0, 6]], MARGIN, "a cluster must hold 1 to 5 items, got 6"),
        ([[SCALE + 1, 1]], MARGIN, "1 items can not have lost 16385 units"),
        ([[0.5, 1]], MARGIN, "whole"),
        ([[0, 1, 1]], MARGIN, "whole"),
    ],
)
def test_a_broken_record_is_refused(clusters: list[list[float]], margin: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        advance(START, clusters, margin, LARGEST)

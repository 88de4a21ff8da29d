"""Scenarios: what is called the true loss is the true loss."""

from fractions import Fraction

import numpy as np
import pytest

from tests.peers.adapters.outcomes import LOST, WON
from tests.peers.peers import PARITYGATE, PEERS
from tests.peers.scenarios import MARGIN, Scenario, Truth, Urn, scenarios, urn_of


@pytest.mark.parametrize(
    ("loss", "flips", "urn"),
    [
        ("0.01", "0.01", Urn(100, 0, 8900, 1000)),
        ("0.01", "0.05", Urn(300, 200, 8700, 800)),
        ("0", "0", Urn(0, 0, 9000, 1000)),
        ("0", "0.02", Urn(100, 100, 8900, 900)),
        ("0.10", "0.12", Urn(1100, 100, 7900, 900)),
    ],
)
def test_an_urn_has_exactly_the_loss_and_the_flips_that_were_asked_for(loss, flips, urn):
    assert urn_of(loss, flips) == urn
    assert (urn.loss, urn.flips, urn.balls) == (Fraction(loss), Fraction(flips), 10_000)


@pytest.mark.parametrize(
    ("loss", "flips"), [("0.02", "0.01"), ("0.0001", "0"), ("0.01", "0.0101"), ("0.00005", "0.00005")]
)
def test_an_urn_that_does_not_exist_is_refused(loss, flips):
    with pytest.raises(ValueError, match="no urn"):
        urn_of(loss, flips)


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.name)
def test_a_candidate_is_what_its_scenario_says(scenario: Scenario):
    margin = Fraction(str(MARGIN))
    right = {
        Truth.BOUNDARY: scenario.urn.loss == margin,
        Truth.WITHIN: scenario.urn.loss < margin,
        Truth.BROKEN: scenario.urn.loss > margin,
        Truth.UNKNOWN: max(scenario.sizes) <= 10,
    }
    assert right[scenario.truth]


def test_draws_lose_what_the_urn_loses():
    urn = urn_of("0.01", "0.05")
    drawn = Scenario("test", Truth.BOUNDARY, urn).draw(paths=200, items=5000)
    lost, won = (drawn == LOST).mean(), (drawn == WON).mean()
    error = np.sqrt(float(urn.flips) / drawn.size)
    assert abs((lost - won) - 0.01) < 4 * error
    assert abs((lost + won) - 0.05) < 4 * error


def test_the_same_scenario_is_drawn_alike_and_another_is_not():
    urn = urn_of("0", "0.05")
    first, again, other = (Scenario(n, Truth.WITHIN, urn).draw(10, 500) for n in ("one", "one", "other"))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_names_differ_since_rows_and_draws_are_found_by_them():
    every = [scenario.name for scenario in scenarios()]
    variants = [variant.name for peer in PEERS for variant in peer.variants]
    assert len(set(every)) == len(every)
    assert len(set(variants)) == len(variants)


def test_every_peer_but_ourselves_has_an_environment_with_pinned_packages():
    for peer in PEERS:
        assert (peer == PARITYGATE) == (not peer.requirements)
        assert all("==" in requirement for requirement in peer.requirements)


def test_everyone_is_asked_about_the_same_sizes():
    for scenario in scenarios():
        asked = {
            variant.name: tuple(cell["n"] for cell in variant.cells(scenario))
            for peer in PEERS
            for variant in peer.variants
            if not variant.only_without_evidence
        }
        assert set(asked.values()) == {scenario.sizes}

"""Candidates whose true loss is known exactly, as urns from which paired outcomes are drawn."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from .adapters.outcomes import BOTH_RIGHT, BOTH_WRONG, LOST, WON

MARGIN, ALPHA = 0.01, 0.05
MOST_ITEMS, PATHS = 5000, 4000
SIZES = (100, 300, 600, 2000, 5000)
BROKEN_SIZES = (100, 300, 600, 2000)
PEEKED, PEEK_EVERY = 2000, 100

Outcomes = npt.NDArray[np.int8]


class Truth(StrEnum):
    """What the candidate really is, hence what a right verdict is."""

    BOUNDARY = "Boundary"
    """Loses exactly the margin: every pass is a false one."""
    WITHIN = "Within"
    """Loses less than the margin: it should pass, in as few items as may be."""
    BROKEN = "Broken"
    """Loses more than the margin: it must never pass, and should be known early."""
    UNKNOWN = "Unknown"
    """Too little was seen for any verdict: a pass is a false one."""


@dataclass(frozen=True, slots=True)
class Urn:
    """Kinds of item by number of balls; one ball is drawn, looked at and put back for each item of a data set."""

    lost: int
    """Baseline right, candidate wrong."""
    won: int
    both_right: int
    both_wrong: int

    @property
    def balls(self) -> int:
        """All of them; at least 1."""
        return self.lost + self.won + self.both_right + self.both_wrong

    @property
    def loss(self) -> Fraction:
        """Accuracy truly lost, exactly."""
        return Fraction(self.lost - self.won, self.balls)

    @property
    def flips(self) -> Fraction:
        """Share of items on which exactly one of the two is right."""
        return Fraction(self.lost + self.won, self.balls)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One candidate, the data set sizes it is judged at, and whether peers may look again and again."""

    candidate: str
    truth: Truth
    urn: Urn
    sizes: tuple[int, ...] = SIZES
    peeked: bool = False

    @property
    def name(self) -> str:
        """The candidate's, and how it is looked at when that is not once."""
        return f"{self.candidate}, looked at every {PEEK_EVERY} items" if self.peeked else self.candidate

    @property
    def key(self) -> str:
        """A file name, and what the draws are seeded with."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:12]

    def draw(self, paths: int = PATHS, items: int = MOST_ITEMS) -> Outcomes:
        """Outcomes (paths, items), one data set a row; the same on every machine, whatever else is drawn."""
        seed = np.random.default_rng(int(self.key, 16))
        balls = seed.integers(self.urn.balls, size=(paths, items))
        edges = np.cumsum([self.urn.lost, self.urn.won, self.urn.both_right])
        kinds = np.array([LOST, WON, BOTH_RIGHT, BOTH_WRONG], np.int8)
        return kinds[np.searchsorted(edges, balls, side="right")]


def urn_of(loss: str, flips: str, baseline: str = "0.90") -> Urn:
    """The urn of 10,000 balls with this loss, flip rate and accuracy of the baseline.

    Raises ValueError when no such urn exists: more loss than flips, or figures finer than a ball.
    """
    lost, won = (_balls(flips) + _balls(loss)) / 2, (_balls(flips) - _balls(loss)) / 2
    both_right = _balls(baseline) - lost
    counts = (lost, won, both_right, 10_000 - lost - won - both_right)
    if any(count < 0 or count.denominator != 1 for count in counts):
        raise ValueError(f"no urn of 10,000 has loss {loss}, flips {flips} and baseline accuracy {baseline}")
    return Urn(*(int(count) for count in counts))


def _balls(share: str) -> Fraction:
    return Fraction(share) * 10_000


def scenarios() -> tuple[Scenario, ...]:
    """All candidates, in the order of the tables."""
    return (*_at_the_margin(), *_equal(), *_broken(), *_peeked(), *_without_evidence())


def _at_the_margin() -> list[Scenario]:
    named = {"0.01": "flips 1 %, all harmful", "0.02": "flips 2 %", "0.05": "flips 5 %"}
    return [Scenario(f"loses 1 point, {said}", Truth.BOUNDARY, urn_of("0.01", f)) for f, said in named.items()]


def _equal() -> list[Scenario]:
    rates = ("0.00", "0.01", "0.02", "0.05")
    return [Scenario(f"equal, flips {int(rate[2:])} %", Truth.WITHIN, urn_of("0", rate)) for rate in rates]


def _broken() -> list[Scenario]:
    losses = {"0.03": "0.05", "0.05": "0.07", "0.10": "0.12"}
    return [
        Scenario(f"loses {int(loss[2:])} points", Truth.BROKEN, urn_of(loss, flips), BROKEN_SIZES)
        for loss, flips in losses.items()
    ]


def _peeked() -> list[Scenario]:
    chosen = [
        ("loses 1 point, flips 1 %, all harmful", Truth.BOUNDARY, urn_of("0.01", "0.01")),
        ("loses 1 point, flips 2 %", Truth.BOUNDARY, urn_of("0.01", "0.02")),
        ("equal, flips 2 %", Truth.WITHIN, urn_of("0", "0.02")),
    ]
    return [Scenario(name, truth, urn, (PEEKED,), peeked=True) for name, truth, urn in chosen]


def _without_evidence() -> list[Scenario]:
    right = Urn(0, 0, 1, 0)
    return [
        Scenario("ten items, no flip", Truth.UNKNOWN, right, (10,)),
        Scenario("no items at all", Truth.UNKNOWN, right, (0,)),
    ]

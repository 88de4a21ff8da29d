"""Of candidates exactly at a margin at most alpha pass, whichever gate it is: whole evaluations by the real judge."""

from collections.abc import Callable
from functools import partial

import pytest
from paritygate.api import Task, Technique
from paritygate.simulation import Kind, Row, Setting, candidates, evaluate, summarize

from .settings import a_setting

pytestmark = pytest.mark.whole

ACCURACY = {"name": "accuracy", "metric": "Accuracy", "margin": "0.02"}
LOOSE = {"name": "accuracy", "metric": "Accuracy", "margin": "0.10"}


def simulated(setting: Setting, kind: Kind, paths: int) -> list[Row]:
    return [
        summarize(candidate, [evaluate(setting, candidate, (7, place, path)) for path in range(paths)])
        for place, candidate in enumerate(candidates(setting))
        if candidate.kind is kind
    ]


SETTINGS = [
    ("accuracy", 400, partial(a_setting, ACCURACY, only=["accuracy"], items=1600)),
    ("all flips harmful", 400, partial(a_setting, ACCURACY, only=["accuracy"], items=1600, technique=Technique.FP16)),
    ("locked set", 400, partial(a_setting, ACCURACY, only=["accuracy"], items=1000, locked=True)),
    (
        "a slice",
        400,
        partial(
            a_setting,
            {"name": "s", "metric": "Accuracy", "margin": "0.05", "sliceBy": "scanner"},
            only=["s"],
            rare=0.15,
        ),
    ),
    ("recall", 300, partial(a_setting, {"name": "r", "metric": "Recall", "margin": "0.05"}, only=["r"])),
    (
        "harmful flips",
        400,
        partial(a_setting, {"name": "h", "metric": "HarmfulFlipRate", "margin": "0.04"}, only=["h"]),
    ),
    (
        "differing answers",
        400,
        partial(a_setting, {"name": "d", "metric": "DisagreementRate", "margin": "0.04"}, only=["d"]),
    ),
    (
        "abstention",
        200,
        partial(
            a_setting,
            LOOSE,
            {"name": "a", "metric": "AbstentionRate", "margin": "0.02", "confidence": "0.8"},
            only=["accuracy", "a"],
            items=1600,
        ),
    ),
    ("Brier", 200, partial(a_setting, {"name": "b", "metric": "Brier", "margin": "0.01"}, only=["b"], items=1500)),
    (
        "regression",
        200,
        partial(
            a_setting,
            {"name": "e", "metric": "AbsoluteError", "margin": "0.01", "cap": "5"},
            only=["e"],
            task=Task.REGRESSION,
            items=1500,
        ),
    ),
    (
        "precision",
        40,
        partial(
            a_setting, {"name": "p", "metric": "Precision", "margin": "0.05", "value": "1"}, only=["p"], items=4000
        ),
    ),
    (
        "the gap",
        25,
        partial(
            a_setting,
            LOOSE,
            {"name": "g", "metric": "FairnessGap", "margin": "0.05", "sliceBy": "scanner"},
            only=["accuracy", "g"],
            items=4000,
            rare=0.4,
        ),
    ),
    ("documents", 300, partial(a_setting, ACCURACY, only=["accuracy"], items=8000, document=5)),
    (
        "harmful flips in documents",
        300,
        partial(
            a_setting, {"name": "h", "metric": "HarmfulFlipRate", "margin": "0.04"}, only=["h"], items=8000, document=4
        ),
    ),
    (
        "a slice that cuts documents",
        200,
        partial(
            a_setting,
            {"name": "s", "metric": "Accuracy", "margin": "0.05", "sliceBy": "scanner"},
            only=["s"],
            items=8000,
            rare=0.3001,
            document=5,
        ),
    ),
    (
        "precision with an item a document",
        20,
        partial(
            a_setting,
            {"name": "p", "metric": "Precision", "margin": "0.05", "value": "1"},
            only=["p"],
            items=8000,
            document=2,
        ),
    ),
    ("beside must-pass items", 300, partial(a_setting, ACCURACY, only=["accuracy", "must-pass-chosen"], must_pass=400)),
]


@pytest.mark.parametrize(("paths", "made"), [s[1:] for s in SETTINGS], ids=[s[0] for s in SETTINGS])
def test_at_the_margin_at_most_alpha_pass_and_equal_candidates_do(paths: int, made: Callable[[], Setting]) -> None:
    setting = made()
    rows = simulated(setting, Kind.AT_MARGIN, paths)
    assert rows
    for row in rows:
        assert row.candidate.promised == setting.alpha == 0.05
        assert row.passed.value <= setting.alpha + 3 * row.passed.error, row
        assert row.kept
    (equal,) = simulated(setting, Kind.EQUAL, 30)
    assert equal.passed.value >= 0.7
    assert equal.candidate.promised is None


def test_what_is_worse_than_the_margin_fails_and_sooner_the_worse_it_is() -> None:
    setting = a_setting(ACCURACY, only=["accuracy"])
    (at,), (twice,), (broken,), (better,) = (
        simulated(setting, kind, 40) for kind in (Kind.AT_MARGIN, Kind.TWICE, Kind.BROKEN, Kind.BETTER)
    )
    assert better.passed.value > 0.95
    assert twice.failed.value > 0.9
    assert broken.failed.value == 1.0
    assert at.median_items == 3000
    assert broken.median_items < twice.median_items < at.median_items
    assert broken.passed.count == twice.passed.count == 0


def test_one_lost_must_pass_item_never_passes() -> None:
    setting = a_setting(ACCURACY, only=["accuracy", "must-pass-chosen"], must_pass=300)
    (row,) = simulated(setting, Kind.REGRESSION, 40)
    assert row.candidate.promised == 0.0
    assert row.failed.value == 1.0


def test_a_slice_too_small_to_be_proved_is_shown_to_be_outside_the_promise() -> None:
    setting = a_setting(ACCURACY, rare=0.01, tier="Standard", only=["accuracy", "by-scanner"])
    (row,) = simulated(setting, Kind.EXCLUDED, 30)
    assert row.candidate.gate is not None
    assert row.candidate.gate.name == "by-scanner/B"
    assert row.candidate.promised is None
    assert row.passed.value > 0.5


def test_a_refused_gate_ends_every_evaluation_before_it_starts() -> None:
    setting = a_setting({"name": "accuracy", "metric": "Accuracy", "margin": "0.001"}, only=["accuracy"], items=500)
    for kind in (Kind.EQUAL, Kind.BROKEN):
        (row,) = simulated(setting, kind, 2)
        assert (row.inconclusive.value, row.most_items) == (1.0, 0)


def test_the_same_seed_gives_the_same_endings_and_another_seed_others() -> None:
    setting = a_setting(ACCURACY, only=["accuracy"])
    equal = candidates(setting)[0]
    runs = [[evaluate(setting, equal, (seed, 0, path)) for path in range(10)] for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]

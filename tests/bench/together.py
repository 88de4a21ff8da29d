"""The promise where items belong together: documents of like items, and contents that repeat, by the judge itself.

The gates are the plan's (`expand`), the items those that the runner and the referee leave in, the counts those of
`ItemTally`: nothing is worked out again here. A candidate that truly loses the margin is wrong on whole documents.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from paritygate.api import DataFile, EvaluationPlan, PlannedPack, Purpose, Subject, Task, Technique
from paritygate.api.policy import GateSpec, PolicySpec
from paritygate.judge import BOTH_RIGHT, LOST, WON, Gate, Items, ItemTally, build_plan, expand
from paritygate_evaluator.referee.labels import Column, Labels
from paritygate_evaluator.referee.planning import known_items, repeats_in
from paritygate_evaluator.runner.overlap import first_alike

from .dependence import PATHS, row, wrong

SIZE = 5
"""Items of a document."""


def parts() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Measurements, each of which gives some rows."""
    for alike in (1.0, 0.5):
        yield partial(_documents_at_the_margin, alike)
    yield _contents_at_the_margin
    yield _hits_at_the_limit
    yield _losses_at_the_margin
    yield _power_of_clusters


def a_plan(metric: str, margin: str, clusters: bool, **claim: str) -> EvaluationPlan:
    """One hard gate over one pack, planned for 10 % flips."""
    pack = PlannedPack(
        name="core",
        version="1",
        task=Task.REGRESSION if metric == "AbsoluteError" else Task.CLASSIFICATION,
        inputs=DataFile(uri="core.npz"),
        labels=DataFile(uri="core.csv"),
        cluster="document" if clusters else None,
    )
    gate = {"name": "gate", "metric": metric, "margin": margin, "underpowered": "HarmOnly", **claim}
    overall = {"name": "overall", "metric": metric if metric == "AbsoluteError" else "Accuracy", "margin": "0.5"}
    if metric == "AbsoluteError":
        overall["cap"] = claim["cap"]
    plan = build_plan(
        baseline=Subject(uri="a"),
        candidate=Subject(uri="b"),
        technique=Technique.FINE_TUNED,
        purpose=Purpose.MEMORY,
        packs=[pack],
        policy=PolicySpec(gates=(GateSpec.model_validate(gate), GateSpec.model_validate(overall))),
    )
    return plan.model_copy(update={"claims": tuple(claim for claim in plan.claims if claim.name == "gate")})


def documents(plan: EvaluationPlan, count: int) -> Gate:
    """The gate over `count` documents, the items of one after the other in the pack."""
    items = count * SIZE
    clusters = Column([f"d{k}" for k in range(count)], np.repeat(np.arange(count), SIZE).astype(np.int32))
    labels = Labels(
        [f"i{k}" for k in range(items)],
        Column(("0", "1"), (np.arange(items) % 2).astype(np.int32)),
        {},
        (items,),
        (clusters if plan.packs[0].cluster else None,),
    )
    return expand(plan, known_items(plan, labels), with_margins=False)[0]


def repeats(plan: EvaluationPlan, contents: int, times: int, left_out: bool = True) -> Gate:
    """The gate over contents that come several times; the k-th item has the content k % contents."""
    items = contents * times
    found = {"x": np.tile(np.random.default_rng(0).standard_normal((contents, 3)).astype(np.float32), (times, 1))}
    labels = Labels([f"i{k}" for k in range(items)], Column(("0",), np.zeros(items, np.int32)), {}, (items,))
    known = known_items(plan, labels)
    if left_out:
        known = Items(known.ids, known.columns, order=known.order, repeated=repeats_in(known, first_alike(found)))
    return expand(plan, known, with_margins=False)[0]


def passes(gate: Gate, plan: EvaluationPlan, values: Callable[[np.random.Generator], np.ndarray], paths: int) -> float:
    """The share of paths in which the gate latches for the candidate, whatever happens after it."""
    passed = 0
    for path in range(paths):
        seen, tally = values(np.random.default_rng([path, 31])), ItemTally(gate, plan, 1)
        tally.count(seen.__getitem__)
        passed += tally.figures().pass_at is not None
    return passed / paths


def outcomes(lost: float, won: float, count: int, alike: float) -> Callable[[np.random.Generator], np.ndarray]:
    """Of `count` documents: each item does as its document with a chance that makes two of them correlate so."""

    def drawn(draw: np.random.Generator) -> np.ndarray:
        shares = [lost, won, 1 - lost - won]
        document = np.repeat(draw.choice([LOST, WON, BOTH_RIGHT], count, p=shares), SIZE)
        if alike == 1:
            return document
        own = draw.choice([LOST, WON, BOTH_RIGHT], count * SIZE, p=shares)
        return np.where(draw.random(count * SIZE) < math.sqrt(alike), document, own)

    return drawn


def at_the_margin(alike: float, paths: int, margin: float = 0.05, count: int = 1000, clusters: bool = True) -> float:
    """Wrong passes of a candidate that loses the margin and flips twice as often, on documents of five items."""
    plan = a_plan("Accuracy", str(margin), clusters)
    return passes(documents(plan, count), plan, outcomes(1.5 * margin, 0.5 * margin, count, alike), paths)


def repeats_at_the_margin(paths: int, margin: float = 0.1, left_out: bool = True) -> float:
    """Wrong passes of a candidate that loses the margin on 300 contents, each of which comes ten times."""
    plan = a_plan("Accuracy", str(margin), clusters=False)
    shares = [1.5 * margin, 0.5 * margin, 1 - 2 * margin]
    return passes(
        repeats(plan, 300, 10, left_out),
        plan,
        lambda draw: np.tile(draw.choice([LOST, WON, BOTH_RIGHT], 300, p=shares), 10),
        paths,
    )


def _documents_at_the_margin(alike: float) -> list[dict[str, Any]]:
    name = f"documents of {SIZE} items that correlate by {alike:g}, margin 5%"
    few = f"400 documents of {SIZE} items that correlate by {alike:g}, margin 3%"
    return wrong(name, at_the_margin(alike, PATHS)) + wrong(few, at_the_margin(alike, PATHS, 0.03, 400))


def _contents_at_the_margin() -> list[dict[str, Any]]:
    return [
        measured
        for margin in (0.10, 0.05)
        for measured in wrong(f"300 contents ten times each, margin {margin:.0%}", repeats_at_the_margin(PATHS, margin))
    ]


def _hits_at_the_limit() -> list[dict[str, Any]]:
    plan = a_plan("HarmfulFlipRate", "0.05", clusters=True)
    return wrong(
        f"harmful flips of documents of {SIZE} that correlate by 0.5, limit 5%",
        passes(documents(plan, 1000), plan, outcomes(0.05, 0.02, 1000, 0.5), PATHS),
    )


def _losses_at_the_margin() -> list[dict[str, Any]]:
    plan = a_plan("AbsoluteError", "0.03", clusters=True, cap="1")

    def drawn(draw: np.random.Generator) -> np.ndarray:
        lost = np.repeat(draw.choice([0.33, -0.27, 0.03], 800, p=[0.05, 0.05, 0.9]), SIZE)
        return np.floor(lost * 16384 + draw.random(lost.size)).astype(np.int64)

    return wrong(
        f"losses of documents of {SIZE} like items, margin 3%", passes(documents(plan, 800), plan, drawn, PATHS)
    )


def power(metric: str, margin: str, lost: float, won: float, alike: float, paths: int) -> tuple[int, float]:
    """The clusters that are planned for nine passes in ten, and how often as many pass."""
    plan = a_plan(metric, margin, clusters=True)
    planned = documents(plan, 50).power
    assert planned is not None
    count = planned.needed
    return count, passes(documents(plan, count), plan, outcomes(lost, won, count, alike), paths)


def _power_of_clusters() -> list[dict[str, Any]]:
    rows = []
    for metric, margin, lost, won, alike in (
        ("Accuracy", "0.05", 0.05, 0.05, 1.0),
        ("Accuracy", "0.05", 0.05, 0.05, 0.3),
        ("HarmfulFlipRate", "0.05", 0.05 / 3, 0.02, 1.0),
    ):
        count, share = power(metric, margin, lost, won, alike, PATHS // 4)
        name = f"power when 90% is planned, {metric} of {count} documents that correlate by {alike:g}"
        rows.append(row(name, share, "share", 0.87, better="higher"))
    return rows


__all__ = ["at_the_margin", "parts", "power", "repeats_at_the_margin"]

"""What a record tells beside its verdict, again: how far the run went, its bound on NaN, slices worth a look."""

import math
from typing import Any

from . import bets

Json = dict[str, Any]


def check(plan: Json, result: Json) -> None:
    """Raises ValueError where the record says what does not follow from its counts."""
    _extent(plan, result)
    for one in result["checks"]:
        if one["name"] == "Finite" and "items" in one and not _same(one["shareBelow"], bound(plan, result)):
            raise ValueError(f"of what was not seen at most {bound(plan, result)} are left, not {one['shareBelow']}")
    again = listed(plan, result)
    said = [(one["column"], one["value"], one["logE"], one["adjusted"]) for one in result["exploratory"]]
    if len(said) != len(again) or not all(
        one[:2] == two[:2] and _same(one[2], two[2]) and _same(one[3], two[3])
        for one, two in zip(said, again, strict=True)
    ):
        raise ValueError(f"worth a look: {said} said, {again} by the counts")


def bound(plan: Json, result: Json) -> float:
    """The share p with (1 - p)^n = alpha, after n items in order without the event: by bisection."""
    items, alpha = result["itemsInOrder"], float(plan["alpha"])
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        rare = middle >= 1 or items * math.log1p(-middle) < math.log(alpha)
        low, high = (low, middle) if items and rare else (middle, high)
    return high


def listed(plan: Json, result: Json) -> list[tuple[str, str, float, float]]:
    """e-BH (section 4): the k* largest, k* = max k with e_(k) >= G/(k q); each with the least q that lists it."""
    if not result["exploratory"]:
        return []
    overall = next(
        claim
        for claim in plan["claims"]
        if claim["metric"] == "Accuracy"
        and claim["enforcement"] == "Hard"
        and not {"sliceBy", "perturbation", "value"} & set(claim)
    )
    family, level, found = result["exploratoryFamily"], float(plan["alphaFail"]), []
    for one in result["exploratory"]:
        counts = [(1.0, one["n10"]), (-1.0, one["n01"]), (0.0, one["n"] - one["n10"] - one["n01"])]
        (wealth,) = bets.grid([counts], float(overall["margin"]))
        found.append((wealth, one["column"], one["value"]))
    found.sort(key=lambda one: (-one[0], one[1:]))
    reached = [family / (k * math.exp(wealth)) for k, (wealth, _, _) in enumerate(found, 1)]
    last = max((k for k, share in enumerate(reached, 1) if share <= level), default=0)
    return [(column, value, wealth, min(1.0, *reached[k:])) for k, (wealth, column, value) in enumerate(found[:last])]


def _extent(plan: Json, result: Json) -> None:
    cap = plan.get("maxItems", math.inf)
    if max(result["judged"], result["items"]) > cap:
        raise ValueError(f"{result['judged']} items judged, {cap} allowed")
    if result["itemsInOrder"] > result["items"]:
        raise ValueError("more items in order than items")
    if plan.get("everyItem") and result["outcome"] in ("Passed", "Inconclusive"):
        there = max((gate["planned"]["have"] for gate in result["gates"] if "planned" in gate), default=0)
        if result["items"] < there:
            raise ValueError(f"{result['items']} of {there} items run")


def _same(one: float, two: float) -> bool:
    return math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-12)

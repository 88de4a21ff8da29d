"""The reference of metrics says what the code does: every row is compared with the table that the product goes by."""

import re
from pathlib import Path

import pytest
import yaml
from paritygate.api import (
    NEEDS_SCORES,
    PER_CLASS,
    TRAITS,
    Check,
    Enforcement,
    GateSpec,
    Metric,
    PerturbationKind,
    PlannedPack,
    Purpose,
    Scores,
    SliceColumn,
    Task,
    Technique,
    Tier,
)
from paritygate.api.pack import DataFile
from paritygate.judge.defaults import FLIP_RATES, TIERS, default_claims, with_derived

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()


def cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


ROWS = {
    Metric(row[0].strip("`")): row
    for row in (cells(line) for line in PAGE.splitlines() if line.startswith("| `"))
    if len(row) == 8
}


def test_every_metric_has_one_row() -> None:
    assert set(ROWS) == set(TRAITS)
    assert len([line for line in PAGE.splitlines() if line.startswith("| `") and len(cells(line)) == 8]) == len(ROWS)


@pytest.mark.parametrize("metric", TRAITS)
def test_a_row_is_what_the_table_says(metric: Metric) -> None:
    traits, (_, _, evidence, hard, threshold, tasks, needs, _) = TRAITS[metric], ROWS[metric]
    assert evidence == traits.evidence
    assert hard == ("warns" if traits.soft_only else "yes")
    assert threshold.partition(":")[0] == (traits.threshold or "none")
    assert tasks.split(", ") == [task.value for task in Task if task in traits.tasks]
    assert ("`scores`" in needs) == (metric in NEEDS_SCORES)
    assert ("a gate a class" in needs) == (metric in PER_CLASS)


@pytest.mark.parametrize("metric", TRAITS)
def test_its_line_can_be_pasted_into_a_policy(metric: Metric) -> None:
    gate = GateSpec.model_validate(yaml.safe_load(ROWS[metric][7].strip("`")))
    assert gate.metric is metric
    for field in ("cap", "confidence", "quantile", "slice_by"):
        named = {"slice_by": "sliceBy"}.get(field, field)
        needed = re.search(rf"`{named}`(?!, default)", ROWS[metric][6]) is not None
        assert (getattr(gate, field) is not None) == needed or metric is Metric.MUST_PASS


def test_checks_perturbations_and_sources_are_all_told() -> None:
    firsts = {row[0].strip("`") for row in map(cells, (li for li in PAGE.splitlines() if li.startswith("| `")))}
    assert {check.value for check in Check} <= firsts
    assert {kind.value for kind in PerturbationKind} <= firsts
    columns = [row[0] for row in map(cells, (li for li in PAGE.splitlines() if li.startswith("| `{column"))) if row]
    parsed = [SliceColumn.model_validate(yaml.safe_load(column.strip("`"))) for column in columns]
    assert len({column.source for column in parsed}) == 4
    assert any(column.cross for column in parsed)


def table(name: str) -> list[str]:
    found = re.search(rf"<!-- table: {name} -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert found
    return found.group(1).splitlines()


def of_tiers() -> list[str]:
    """The tiers' table as the code has it."""

    def row(title: str, of_tier: "dict[Tier, str]") -> str:
        return f"| {title} | {' | '.join(of_tier[tier] for tier in Tier)} |"

    def each(field: str) -> "dict[Tier, str]":
        return {tier: str(getattr(TIERS[tier], field) or "-") for tier in Tier}

    faster = {tier: ", ".join(f"p{float(q) * 100:.0f} 1.00" for q in TIERS[tier].faster) for tier in Tier}
    others = {tier: ", ".join(f"p{float(q) * 100:.0f} {r}" for q, r in TIERS[tier].not_slower) for tier in Tier}
    slices = {
        tier: f"{TIERS[tier].slice_margin}, {TIERS[tier].slices}, {TIERS[tier].slice_underpowered}" for tier in Tier
    }
    return [
        f"| | {' | '.join(Tier)} |",
        "| --- | --- | --- | --- | --- |",
        row("alpha", each("alpha")),
        row("`accuracy`: margin", each("accuracy_margin")),
        row("`by-COLUMN`: margin, enforcement, underpowered", slices),
        row("`critical-CLASS`: margin of recall", each("critical_margin")),
        row("`must-pass-PACK`", dict.fromkeys(Tier, "none lost")),
        row("`harmful-flips`: margin", each("harmful_flips")),
        row("`brier`: margin", each("brier")),
        row("`fairness-COLUMN`: margin; as `by-COLUMN`", each("fairness")),
        row("latency, when it is the purpose: limit", faster),
        row("latency, for another purpose: limit", others),
        row("every item is run", {tier: "yes" if TIERS[tier].every_item else "-" for tier in Tier}),
    ]


def of_techniques() -> list[str]:
    """The techniques' table as the code has it, by what it brings to a classifier with scores."""
    lines = ["| technique | flip rate | slices | gates |", "| --- | --- | --- | --- |"]
    data = DataFile(uri="x")
    bare = PlannedPack(
        name="p", version="1", task=Task.CLASSIFICATION, inputs=data, labels=data, scores=Scores.PROBABILITIES
    )
    for technique in Technique:
        (pack,) = with_derived(technique, [bare])
        slices = ", ".join(f"`{column.column}` ({column.source})" for column in pack.derived)
        brought = [
            claim
            for claim in default_claims(Tier.STANDARD, technique, Purpose.MEMORY, [pack], ())
            if claim.origin == "Technique"
        ]
        gates = ", ".join(
            f"`{claim.name}` ({claim.metric}"
            + (f", limit {claim.limit}" if claim.limit else "")
            + (f", margin {claim.margin}" if claim.margin and claim.enforcement is Enforcement.SOFT else "")
            + (", Soft)" if claim.enforcement is Enforcement.SOFT else ", by the tier's margin of slices)")
            for claim in brought
        )
        lines.append(f"| {technique} | {FLIP_RATES[technique]} | {slices or '-'} | {gates or '-'} |")
    return lines


def test_the_defaults_of_tiers_are_those_of_the_code() -> None:
    assert table("tiers") == of_tiers()


def test_the_defaults_of_techniques_are_those_of_the_code() -> None:
    assert table("techniques") == of_techniques()

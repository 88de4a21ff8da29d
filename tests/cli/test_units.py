"""Every figure in the unit of its metric, in the table as in the verdict's sentence."""

import pytest
from paritygate.api import (
    TRAITS,
    Claim,
    Culprit,
    Decision,
    Enforcement,
    EvaluationResult,
    GateRecord,
    Metric,
    Outcome,
    Reason,
    RepeatRecord,
    Suspect,
    Underpowered,
)
from paritygate.cli.show import show_verdict
from paritygate.cli.units import amount, span, threshold
from paritygate.judge import Verdict, describe, finite_record, plan_digest
from paritygate.judge.wording import noun

from tests.evaluator.case import Case


def claim(metric: Metric, enforcement: Enforcement = Enforcement.HARD) -> Claim:
    given = {"margin": {"margin": "0.0150"}, "limit": {"limit": "1.20"}, "": {}}[TRAITS[metric].threshold]
    return Claim(
        name=metric.lower(),
        metric=metric,
        quantile="0.95" if metric is Metric.LATENCY_RATIO else None,
        enforcement=enforcement,
        underpowered=Underpowered.REFUSE,
        **given,
    )


SHOWN = [
    (Metric.ACCURACY, "accuracy lost", 0.0123, "1.23 pt", "1.50 pt"),
    (Metric.RECALL, "recall lost", -0.01, "-1.00 pt", "1.50 pt"),
    (Metric.PRECISION, "precision lost", 0.02, "2.00 pt", "1.50 pt"),
    (Metric.FAIRNESS_GAP, "gap grown by up to", 0.02, "2.00 pt", "1.50 pt"),
    (Metric.HARMFUL_FLIP_RATE, "harmful flips", 0.02, "2.00 pt", "1.50 pt"),
    (Metric.BRIER, "Brier score lost", 0.0123, "0.0123", "0.0150"),
    (Metric.ABSOLUTE_ERROR, "error added, of the cap", 0.0123, "0.0123", "0.0150"),
    (Metric.AUROC, "AUROC lost", 0.0123, "0.0123", "0.0150"),
    (Metric.LATENCY_RATIO, "p95 latency ratio", 0.8764, "0.876 x", "1.20 x"),
    (Metric.SIZE_RATIO, "size ratio", 0.25, "0.250 x", "1.20 x"),
    (Metric.LOAD_TIME_RATIO, "load time ratio", 1.3, "1.300 x", "1.20 x"),
    (Metric.POPULATION_STABILITY, "population stability index", 0.03, "0.030", "1.20"),
    (Metric.SATURATION, "saturated share of a tensor", 0.03, "0.030", "1.20"),
    (Metric.MUST_PASS, "regressions", 3.0, "3", "0"),
    (Metric.MUST_PASS, "regressions", None, "-", "0"),
]


@pytest.mark.parametrize(("metric", "what", "value", "shown", "allowed"), SHOWN)
def test_units(metric: Metric, what: str, value: float | None, shown: str, allowed: str) -> None:
    assert (noun(claim(metric)), amount(claim(metric), value), threshold(claim(metric))) == (what, shown, allowed)


@pytest.mark.parametrize("metric", [m for m in Metric if m is not Metric.MUST_PASS])
def test_the_table_and_the_sentence_speak_in_the_same_unit(metric: Metric) -> None:
    record = GateRecord(name="g", claim="g", decision=Decision.OPEN, n=9, estimate=0.0456, interval=(-0.01, 0.05))
    said, asked = describe(claim(metric), record), claim(metric)
    assert noun(asked) in said
    for figure in (amount(asked, record.estimate), threshold(asked)):
        assert figure.replace(" pt", " points").removesuffix(" x") in said
    assert span(asked, record).replace(" to ", ", ") in said


def test_the_table_fits_a_page_and_every_cause_has_its_line(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    plan = case.plan()
    claims = tuple(claim(m, Enforcement.SOFT if TRAITS[m].soft_only else Enforcement.HARD) for m in Metric)
    plan = plan.model_copy(update={"claims": claims})
    records = tuple(
        GateRecord(
            name=f"{c.name}/a rather long value of a column",
            claim=c.name,
            decision=Decision.HARM,
            n=1_234_567,
            estimate=-0.1234,
            interval=(-0.1234, 0.1234),
        )
        for c in claims
    )
    result = EvaluationResult(
        input_digest=plan_digest(plan),
        outcome=Outcome.FAILED,
        reason=Reason.HARM_PROVED,
        message="worse",
        gates=records,
        checks=(finite_record(plan, 576, 10_000, 576),),
        culprits=tuple(Culprit(gate=f"gate-{k}", adjusted=0.01) for k in range(7)),
        exploratory=tuple(
            Suspect(column="site", value=f"s{k}", n=200, n10=9, n01=1, log_e=6.0, adjusted=0.01) for k in range(6)
        ),
        exploratory_family=40,
        repeat=RepeatRecord(items=256, baseline=0, candidate=2),
    )
    show_verdict(plan, result, Verdict(result.outcome, result.reason, result.message))
    shown = capsys.readouterr().out.splitlines()
    assert max(map(len, shown)) <= 135
    table = shown[3 : next(k for k, line in enumerate(shown) if line.startswith("Named"))]
    assert max(len(line.rstrip()) for line in table) <= 110
    assert len(table) > len(claims)
    joined = "\n".join(shown)
    assert (
        "Named as the cause, at most 5% to name any wrongly: gate-0, gate-1, gate-2, gate-3, gate-4 and 2 more"
        in joined
    )
    assert "  site s4: 4.00 pt lost (n=200)\n  and 1 more, in the record" in joined
    assert "(40 such slices were looked at; of those named at most 5% on average don't)" in joined
    assert (
        "Finite: no NaN or infinity in 576 of 10,000 items: with 95 % confidence fewer than 0.52 % give one" in joined
    )
    assert "Asked again, 256 items: answered differently by the baseline 0, by the candidate 2" in joined


def test_nothing_differed_and_nobody_is_to_blame_is_not_worth_a_line(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    result = EvaluationResult(
        input_digest=plan_digest(case.plan()),
        outcome=Outcome.PASSED,
        reason=Reason.ALL_GATES_PROVED,
        message="proved",
        repeat=RepeatRecord(items=256, baseline=0, candidate=0),
    )
    show_verdict(case.plan(), result, Verdict(result.outcome, result.reason, result.message))
    assert capsys.readouterr().out == "PASSED  AllGatesProved\nproved\n"

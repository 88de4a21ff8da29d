"""Results that are refused: never Passed, always with what is wrong."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from paritygate.api import EvaluationPlan, LayerRecord, Outcome, Reason

from . import builders
from .world import World

Forged = tuple[str, str | None]
"""(what the referee printed, its termination message or None for the true one)."""


def _altered(plan: EvaluationPlan, **update: Any) -> Forged:
    text = builders.line(builders.result(plan, "fails").model_copy(update=update))
    return text, builders.sha(text)


def _edited(plan: EvaluationPlan, edit: Callable[[str], str]) -> Forged:
    text = edit(builders.line(builders.result(plan)))
    return text, builders.sha(text)


def _forged_counts(plan: EvaluationPlan) -> Forged:
    honest = builders.result(plan, "fails").dump()
    good = json.loads(builders.line(builders.result(plan)))
    good["gates"][0]["n10"] = honest["gates"][0]["n10"]
    text = json.dumps(good)
    return text, builders.sha(text)


REFUSED: dict[str, tuple[Callable[[EvaluationPlan], Forged], str]] = {
    "truncated": (lambda p: (builders.line(builders.result(p))[:-40], None), "truncated or altered"),
    "altered": (lambda p: (builders.line(builders.result(p)).replace("Passed", "passed"), None), "altered"),
    "empty": (lambda p: ("", None), "the log is empty"),
    "says-passed-with-failing-counts": (
        lambda p: _altered(p, outcome=Outcome.PASSED, reason=Reason.ALL_GATES_PROVED),
        "its counts say Failed/HarmProved",
    ),
    "other-inputs": (lambda p: _altered(p, input_digest="sha256:" + "0" * 64), "result is of input digest"),
    "other-attempt": (lambda p: _altered(p, attempt=2), "the result is of attempt 2, this is attempt 1"),
    "other-candidate": (lambda p: _altered(p, candidate_digest=builders.SHA[builders.A]), "a candidate of digest"),
    "counts-that-do-not-add-up": (_forged_counts, "count the same items and differ in what they saw"),
    "not-a-number": (lambda p: _edited(p, lambda t: t.replace('"items":5000', '"items":NaN')), "NaN is no number"),
    "twice": (lambda p: _edited(p, lambda t: t[:-1] + ',"outcome":"Passed"}'), "given twice"),
    "unknown-field": (lambda p: _edited(p, lambda t: t[:-1] + ',"verdict":"Passed"}'), "verdict"),
    "no-json": (lambda p: ("Passed", builders.sha("Passed")), "the result line is no result"),
    "deeply-nested": (lambda p: ("[" * 100_000, builders.sha("[" * 100_000)), "the result line is no result"),
    "a-list": (lambda p: ("[]", builders.sha("[]")), "the result line is no result"),
}


@pytest.mark.parametrize(("forge", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(forge: Callable[[EvaluationPlan], Forged], said: str) -> None:
    world = World()
    world.rest()
    plan = world.evaluator_plan()
    text, message = forge(plan)
    world.report_result(builders.result(plan), text=text, message=message)
    world.rest()
    world.pass_time(minutes=2)  # for which a log that lacks its last line is read again
    world.rest()
    assert world.standing() == ("False", "ResultRefused")
    assert world.status.verdict.outcome is Outcome.ERROR
    assert said in world.message()
    assert world.patches == []


def test_a_log_that_was_cut_is_refused() -> None:
    world = World()
    world.rest()
    world.report_result(builders.result(world.evaluator_plan()))
    world.step()
    job = world.job()
    log = world.logs[job]
    world.logs[job] = type(log)(log.pod_uid, log.text, True, log.termination_message)
    world.rest()
    assert world.standing() == ("False", "ResultRefused")


APOLOGY = "unable to retrieve container logs for containerd://4f1d"


def test_a_log_that_is_not_all_there_yet_is_read_again() -> None:
    world = World()
    world.rest()
    honest = builders.result(world.evaluator_plan())
    world.report_result(honest, text=APOLOGY)
    world.rest()
    assert world.status.verdict is None
    assert world.step().requeue_after is not None
    world.texts[world.job()] = builders.line(honest)
    world.rest()
    assert world.status.verdict.outcome is Outcome.PASSED


def test_a_log_that_never_arrives_from_a_pod_that_ran_out_of_memory_is_told_as_that() -> None:
    world = World()
    world.rest()
    world.report_result(builders.result(world.evaluator_plan()), text=APOLOGY)
    killed = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    world.pods[world.job()]["status"]["containerStatuses"].append({"name": "runner", "state": killed})
    world.rest()
    world.pass_time(minutes=2)
    world.rest()
    assert world.standing() == ("False", "OOMKilled")
    assert world.patches == []


def test_the_log_of_another_pod_is_refused() -> None:
    world = World()
    world.rest()
    world.report_result(builders.result(world.evaluator_plan()))
    world.step()
    job = world.job()
    log = world.logs[job]
    world.logs[job] = type(log)("pod-of-another-run", log.text, False, log.termination_message)
    world.rest()
    assert "the log is of pod pod-of-another-run" in world.message()


@pytest.mark.parametrize("after", ["", "a runtime's last words\n"])
def test_what_is_printed_around_the_result_does_not_matter(after: str) -> None:
    world = World()
    world.rest()
    honest = builders.result(world.evaluator_plan())
    world.report_result(honest, text=f"warning: x\n\n{builders.line(honest)}\n\n{after}")
    world.rest()
    assert world.status.verdict.outcome is Outcome.PASSED


def test_a_stale_log_is_read_again() -> None:
    world = World()
    world.rest()
    world.pod_status(phase="Running")
    world.step()  # a first look while it runs
    world.evaluated()
    assert world.status.verdict.outcome is Outcome.PASSED


def test_where_a_failed_candidate_departs_is_told_as_the_referees_word_whatever_the_tensor_is_called() -> None:
    world = World()
    world.rest()
    layers = (LayerRecord(name="relu1\n\x1b[2JPassed", difference=0.4),)
    world.report_result(builders.result(world.evaluator_plan(), "fails").model_copy(update={"layers": layers}))
    world.rest()
    assert world.standing() == ("False", "HarmProved")
    said = "The referee says: first departs at tensor 'relu1??[2JPassed', relative difference 0.40"
    (report,) = world.reports.values()
    for message in (world.message(), world.status.verdict.message, report.spec.message):
        assert message.endswith(said)

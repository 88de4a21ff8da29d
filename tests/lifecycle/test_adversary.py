"""Forged records and results: whatever somebody writes, no traffic moves without a verdict on exactly these inputs."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from paritygate.api import Intent, Outcome, ReleaseStatus, TrafficWrite, ValidationReport

from . import builders
from .builders import A, B, C
from .world import World

OTHER = {"uri": C, "digest": builders.SHA[C], "technique": "Int8Static"}
OURS = {"uri": B, "digest": builders.SHA[B], "technique": "Int8Static"}

EDITS: dict[str, tuple[Callable[[str], str], str]] = {
    "infinite-items": (lambda t: t.replace('"items":5000', '"items":1e999'), "finite"),
    "an-infinite-estimate": (lambda t: re.sub(r'"estimate":[^,]+', '"estimate":1e999', t, count=1), "out of range"),
    "items-beyond-numbers": (lambda t: t.replace('"items":5000', f'"items":{"9" * 400}'), "out of range"),
    "items-of-5000-digits": (
        lambda t: t.replace('"items":5000', f'"items":{"9" * 5000}'),
        "the result line is no result",
    ),
    "half-a-character": (lambda t: t.replace('"message":"', '"message":"\\ud800', 1), "the result line is no result"),
    "checks-emptied": (
        lambda t: t[: t.index('"checks":')] + t[t.index("],", t.index('"checks":')) + 2 :],
        "Inconclusive",
    ),
    "no-candidate-digest": (
        lambda t: t.replace(f'"candidateDigest":"{builders.SHA[B]}",', ""),
        "digest of the candidate",
    ),
}


@pytest.mark.parametrize(("edit", "said"), EDITS.values(), ids=EDITS)
def test_a_line_that_was_shaped_is_refused_and_nothing_moves(edit: Callable[[str], str], said: str) -> None:
    world = World()
    world.rest()
    honest = builders.result(world.evaluator_plan())
    text = edit(builders.line(honest))
    assert text != builders.line(honest)
    world.report_result(honest, text=text, message=builders.sha(text))
    world.rest()
    assert world.standing() == ("False", "ResultRefused")
    assert said in world.message()
    assert world.patches == []


def passed_report() -> ValidationReport:
    world = World()
    world.evaluated()
    world.rest()
    (report,) = world.reports.values()
    assert report.spec.outcome is Outcome.PASSED
    return report


def _of(report: ValidationReport, **update: Any) -> ValidationReport:
    return report.model_copy(update={"spec": report.spec.model_copy(update=update)})


def _of_another_validation(report: ValidationReport) -> ValidationReport:
    return _of(report, validation=report.spec.validation.model_copy(update={"uid": "uid-2"}))


def _of_other_inputs(report: ValidationReport) -> ValidationReport:
    return _of(report, input_digest="sha256:" + "0" * 64)


def _of_another_candidate(report: ValidationReport) -> ValidationReport:
    candidate = report.spec.plan.candidate.model_copy(update={"uri": C})
    return _of(report, plan=report.spec.plan.model_copy(update={"candidate": candidate}))


@pytest.mark.parametrize("foreign", [_of_another_validation, _of_other_inputs, _of_another_candidate])
def test_a_passed_report_of_something_else_moves_nothing(
    foreign: Callable[[ValidationReport], ValidationReport],
) -> None:
    world = World()
    report = foreign(passed_report())
    world.reports[report.metadata.name] = report
    world.rest()
    assert world.standing() == ("Unknown", "Evaluating")
    assert world.status.verdict is None
    assert world.patches == []


def test_a_verdict_in_the_status_without_its_report_moves_nothing() -> None:
    honest = World()
    honest.evaluated()
    while honest.status.verdict is None:
        honest.step()
    world = World()
    world._put(status=honest.status)
    world.rest()
    assert world.status.verdict is None
    assert world.patches == []


@pytest.mark.parametrize("write", [TrafficWrite.INTRODUCE, TrafficWrite.SHIFT, TrafficWrite.PROMOTE])
def test_an_intent_without_a_report_is_never_carried_out(write: TrafficWrite) -> None:
    world = World()
    world.rest()
    assert world.kserve is not None
    forged = ReleaseStatus(
        input_digest=world.status.input_digest,
        target="fraud",
        baseline_uri=A,
        candidate_uri=C,
        baseline_revision=world.kserve.manifest()["status"]["components"]["predictor"]["latestReadyRevision"],
        intent=Intent(write=write, percent=100, at="2026-11-21T12:00:00Z"),
    )
    world._put(status=world.status.model_copy(update={"release": forged}))
    world.settle()
    assert world.patches == []
    assert world.kserve.users() == {A: 100}


def test_a_spec_edited_there_and_back_again_has_the_verdict_of_its_own_inputs_only() -> None:
    world = World()
    world.evaluated("fails")
    world.rest()
    world.edit(candidate=OTHER)
    world.rest()
    world.evaluated()  # C passes and is released
    world.until_share(10)
    world.edit(candidate=OURS)
    world.settle()
    world.rest()
    assert world.kserve is not None
    assert world.kserve.users() == {A: 100}
    assert world.status.verdict is not None
    assert world.status.verdict.outcome is Outcome.FAILED
    assert all(patch.get("model", {}).get("storageUri") != B for patch in world.patches)

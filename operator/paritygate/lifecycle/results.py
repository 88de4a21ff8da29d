"""From a referee's log to a verdict, believing nothing that can be checked."""

import hashlib
from dataclasses import dataclass

from pydantic import ValidationError

from paritygate.api import EvaluationPlan, EvaluationResult, Progress
from paritygate.judge import ResultRefused, Verdict, recompute, strict_json

from .model import RefereeLog

LAST_LINES = 100
"""Lines among which the result is looked for."""


class LineMissing(ResultRefused):
    """The log does not end with the line that the pod's status tells of: altered, or not all of it is readable yet."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A result whose verdict was derived again from its counts."""

    verdict: Verdict
    result: EvaluationResult
    result_digest: str


def judge(log: RefereeLog, *, pod_uid: str, termination: str, plan: EvaluationPlan, attempt: int) -> Judged:
    """The verdict in a log. Raises ResultRefused saying what is wrong with the log or the result, LineMissing if a
    later look at the log may find what this one did not.

    `termination`: the sha256 that the pod's own status says the referee left.
    """
    if log.pod_uid != pod_uid:
        raise ResultRefused(f"the log is of pod {log.pod_uid}, the attempt ran in pod {pod_uid}")
    if log.truncated:
        raise ResultRefused(f"the log is longer than what is read of it ({len(log.text):,} characters)")
    digest = termination.strip().removeprefix("sha256:")
    result = _result(_line_of(digest, log.text))
    if result.attempt != attempt:
        raise ResultRefused(f"the result is of attempt {result.attempt}, this is attempt {attempt}")
    try:
        verdict = recompute(plan, result)
    except (ArithmeticError, LookupError, ValueError) as error:
        # Whatever a hostile result breaks in the arithmetic is the result's fault; ResultRefused is a ValueError.
        raise ResultRefused(str(error)) from error
    return Judged(verdict, result, f"sha256:{digest}")


def latest_progress(text: str) -> Progress | None:
    """The last progress line of a log; lines that are none are skipped: progress decides nothing."""
    for line in reversed(text.splitlines()[-200:]):
        if '"progress"' in line:
            try:
                return Progress.model_validate(strict_json(line))
            except ValueError:
                continue
    return None


def _line_of(digest: str, text: str) -> str:
    """The result's line. A runtime that writes a warning to stderr while it ends puts it behind the result."""
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        raise LineMissing("the log is empty: the referee printed no result")
    for line in reversed(lines[-LAST_LINES:]):
        if hashlib.sha256(line.encode()).hexdigest() == digest:
            return line
    last = hashlib.sha256(lines[-1].encode()).hexdigest()
    raise LineMissing(
        f"no line of the log has the sha256 of the referee's termination message, {digest[:12]}…, the last one has "
        f"{last[:12]}…: truncated or altered"
    )


def _result(line: str) -> EvaluationResult:
    try:
        return EvaluationResult.model_validate(strict_json(line))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "line"
        raise ResultRefused(f"the result line is no result: {where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise ResultRefused(f"the result line is no result: {error}") from error

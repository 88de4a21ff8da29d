"""From a referee's log to a verdict, believing nothing that can be checked."""

import hashlib
from dataclasses import dataclass

from pydantic import ValidationError

from paritygate.api import EvaluationPlan, EvaluationResult, Progress
from paritygate.judge import ResultRefused, Verdict, recompute, strict_json

from .model import RefereeLog


@dataclass(frozen=True, slots=True)
class Judged:
    """A result whose verdict was derived again from its counts."""

    verdict: Verdict
    result: EvaluationResult
    result_digest: str


def judge(log: RefereeLog, *, pod_uid: str, termination: str, plan: EvaluationPlan, attempt: int) -> Judged:
    """The verdict in a log. Raises ResultRefused saying what is wrong with the log or the result.

    `termination`: the sha256 that the pod's own status says the referee left.
    """
    if log.pod_uid != pod_uid:
        raise ResultRefused(f"the log is of pod {log.pod_uid}, the attempt ran in pod {pod_uid}")
    if log.truncated:
        raise ResultRefused(f"the log is longer than what is read of it ({len(log.text):,} characters)")
    line = _last_line(log.text)
    digest = hashlib.sha256(line.encode()).hexdigest()
    if digest != termination.strip().removeprefix("sha256:"):
        raise ResultRefused(
            f"the result line has sha256 {digest[:12]}…, the referee's termination message says "
            f"{termination.strip().removeprefix('sha256:')[:12]}…: truncated or altered"
        )
    result = _result(line)
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


def _last_line(text: str) -> str:
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines:
        raise ResultRefused("the log is empty: the referee printed no result")
    return lines[-1]


def _result(line: str) -> EvaluationResult:
    try:
        return EvaluationResult.model_validate(strict_json(line))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "line"
        raise ResultRefused(f"the last line is no result: {where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise ResultRefused(f"the last line is no result: {error}") from error

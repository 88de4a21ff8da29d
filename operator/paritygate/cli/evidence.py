"""The record of a check: everything that the verdict rests on, recomputable by a stranger."""

import argparse
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from paritygate.api import EXIT_CODES, EvaluationPlan, EvaluationResult, Outcome
from paritygate.evidence import canonical_json, digest_of
from paritygate.judge import ResultRefused, Verdict, plan_digest, recompute, strict_json

from .show import plain, show_verdict
from .usage import UsageError

SCHEMA = "paritygate.io/evidence/v1"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One document: plan, result, verdict and the digests that tie them together."""

    document: dict[str, object]

    @classmethod
    def of(cls, plan: EvaluationPlan, result: EvaluationResult, verdict: Verdict) -> "Evidence":
        """The evidence of one check."""
        return cls(
            {
                "schema": SCHEMA,
                "tool": f"paritygate {version('paritygate')}",
                "plan": plan.dump(),
                "result": result.dump(),
                "verdict": {"outcome": verdict.outcome, "reason": verdict.reason, "message": verdict.message},
                "digests": {"plan": plan_digest(plan), "result": digest_of(result.dump())},
            }
        )

    def write(self, path: Path) -> None:
        """Write it as canonical JSON, whole or not at all: an older file stays until the new one is complete."""
        try:
            handle, temporary = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}-")
            with os.fdopen(handle, "wb") as stream:
                stream.write(canonical_json(self.document) + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except OSError as error:
            raise UsageError(f"--evidence: {path} can't be written: {error.strerror}") from error


def check_writable(path: Path) -> None:
    """Refuse at once what would only be found out after the work. Raises UsageError."""
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"--evidence: {path} can't be written; name a file in a folder that exists and is yours")


def verify(options: argparse.Namespace) -> int:
    """Recompute the verdict of an evidence file; 4 when it does not follow from what is recorded."""
    try:
        document = strict_json(options.evidence.read_bytes())
        if document.get("schema") != SCHEMA:
            raise UsageError(f"{options.evidence}: not an evidence file: its schema is {document.get('schema')!r}")
        plan = EvaluationPlan.model_validate(document["plan"])
        result = EvaluationResult.model_validate(document["result"])
        stated, digests = document["verdict"], document["digests"]
        if lacking := _lacking(document["plan"], plan, digests):
            return _other_version(document, lacking)
        verdict = recompute(plan, result)
        _holds(plan, document["result"], verdict, stated, digests)
    except OSError as error:
        raise UsageError(f"{options.evidence} can't be read: {error.strerror}") from error
    except ResultRefused as error:
        return _broken(plain(str(error)), document)
    except ValidationError as error:
        return _broken("\n".join(map(plain, str(error).splitlines())), document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"not an evidence file ({error}); give what `paritygate check --evidence FILE` wrote"
        raise UsageError(f"{options.evidence}: {said}") from error
    show_verdict(plan, result, verdict)
    print("\nThe evidence holds: every decision was recomputed from its counts.")
    return EXIT_CODES[verdict.outcome]


def _holds(
    plan: EvaluationPlan,
    result: Mapping[str, Any],
    verdict: Verdict,
    stated: dict[str, str],
    digests: dict[str, str],
) -> None:
    if digests.get("plan") != plan_digest(plan):
        raise ResultRefused(f"the plan has digest {plan_digest(plan)}, the file states {digests.get('plan')}")
    if digests.get("result") != digest_of(result):
        raise ResultRefused("the result was changed after it was written: its digest is another")
    if (stated.get("outcome"), stated.get("reason")) != (verdict.outcome, verdict.reason):
        raise ResultRefused(
            f"the file states {stated.get('outcome')}/{stated.get('reason')}, its counts give "
            f"{verdict.outcome}/{verdict.reason}"
        )


def _lacking(written: Mapping[str, Any], plan: EvaluationPlan, digests: Mapping[str, str]) -> list[str]:
    """What this version's plans tell and that of an untouched file does not."""
    told: Mapping[str, Any] = plan.dump()
    packs = zip(told["packs"], written["packs"], strict=True)
    lacking = {f"packs.{key}" for ours, theirs in packs for key in set(ours) - set(theirs)}
    lacking |= set(told) - set(written)
    return sorted(lacking) if digests.get("plan") == digest_of(written) else []


def _made_by(document: Mapping[str, Any]) -> str:
    tool = document.get("tool")
    return tool if isinstance(tool, str) and re.fullmatch(r"paritygate [\w.+!-]{1,40}", tool) else "an unknown tool"


def _other_version(document: Mapping[str, Any], lacking: Sequence[str]) -> int:
    """A record of older rules is neither true nor false by those of today."""
    ours, told = f"paritygate {version('paritygate')}", ", ".join(lacking)
    print(
        f"This version ({ours}) can't recheck the evidence: it was made by {_made_by(document)} before plans told "
        f"{told}, and its digests are of a plan without. Recheck it with what made it"
    )
    return EXIT_CODES[Outcome.ERROR]


def _broken(why: str, document: Mapping[str, Any]) -> int:
    print(f"The evidence does not hold: {why}")
    ours, made = f"paritygate {version('paritygate')}", _made_by(document)
    if made != ours:
        print(
            f"It was made by {made}, this is {ours}: rules may have changed between them; recheck it with what made it"
        )
    return EXIT_CODES[Outcome.ERROR]

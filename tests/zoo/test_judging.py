"""When an exhibit counts as come out right: the verdict alone is not enough."""

import pytest
from paritygate.api import Check, CheckRecord, Decision, EvaluationResult, GateRecord, Outcome, Reason
from paritygate.judge import Verdict

from .entry import Case, Exhibit, damage, honest, inconclusive
from .judging import wrong_with
from .workshop import Workshop


def exhibit_of(declared: object) -> Exhibit:
    def shown(workshop: Workshop) -> Case:
        raise NotImplementedError

    return declared(shown)  # type: ignore[operator,no-any-return]


HARM = exhibit_of(damage("recall/8", ""))
BROKEN = exhibit_of(damage("check Finite", ""))
GOOD = exhibit_of(honest(""))
DRIFTING = exhibit_of(honest("", warns="drift"))
OPEN = exhibit_of(inconclusive("accuracy", "", Reason.UNDERPOWERED))


def result(outcome: Outcome, decisions: dict[str, Decision], checks: dict[Check, str]) -> EvaluationResult:
    return EvaluationResult(
        input_digest=f"sha256:{'0' * 64}",
        outcome=outcome,
        reason=Reason.HARM_PROVED,
        message="",
        gates=tuple(GateRecord(name=name, claim="gate", decision=decision) for name, decision in decisions.items()),
        checks=tuple(CheckRecord(name=name, ok=not said, message=said) for name, said in checks.items()),
    )


CASES = [
    ("the gate meant, named first", HARM, "Failed", "HarmProved", "recall/8: lost", {"recall/8": "Harm"}, {}, ""),
    ("another gate", HARM, "Failed", "HarmProved", "size: 2", {"recall/8": "Open", "size": "Harm"}, {}, "by size"),
    ("named second", HARM, "Failed", "HarmProved", "size: 2; recall/8: 1", {"recall/8": "Harm"}, {}, "names first"),
    ("passed by mistake", HARM, "Passed", "AllGatesProved", "recall/8: 0", {"recall/8": "Proved"}, {}, "expected Fail"),
    ("for another reason", HARM, "Failed", "CheckFailed", "recall/8: 0", {"recall/8": "Harm"}, {}, "HarmProved"),
    ("the check meant", BROKEN, "Failed", "CheckFailed", "NaN in 7.", {}, {Check.FINITE: "NaN in 7"}, ""),
    ("another check", BROKEN, "Failed", "CheckFailed", "cut off", {}, {Check.LOADABLE: "cut off"}, "expected Finite"),
    ("a check not told", BROKEN, "Failed", "CheckFailed", "broken", {}, {Check.FINITE: "NaN in 7"}, "not told"),
    ("passed and proved", GOOD, "Passed", "AllGatesProved", "all", {"accuracy": "Proved"}, {}, ""),
    ("passed, not proved", GOOD, "Passed", "AllGatesProved", "all", {"accuracy": "NotProven"}, {}, "not proved"),
    (
        "warned unexpectedly",
        GOOD,
        "Passed",
        "AllGatesProved",
        "all; warning, Soft and worse than allowed: drift",
        {"accuracy": "Proved"},
        {},
        "expected 'nothing'",
    ),
    ("not warned", DRIFTING, "Passed", "AllGatesProved", "all", {"accuracy": "Proved"}, {}, "expected 'drift'"),
    ("undecided, named", OPEN, "Inconclusive", "Underpowered", "accuracy: 78 items", {"accuracy": "Open"}, {}, ""),
    ("undecided, not named", OPEN, "Inconclusive", "Underpowered", "too few", {"accuracy": "Open"}, {}, "not named"),
]


@pytest.mark.parametrize(
    ("exhibit", "outcome", "reason", "message", "gates", "checks", "wrong"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_what_is_wrong(
    exhibit: Exhibit,
    outcome: str,
    reason: str,
    message: str,
    gates: dict[str, str],
    checks: dict[Check, str],
    wrong: str,
) -> None:
    verdict = Verdict(Outcome(outcome), Reason(reason), message)
    found = result(Outcome(outcome), {name: Decision(said) for name, said in gates.items()}, checks)
    said = wrong_with(exhibit, verdict, found)
    assert wrong in said
    assert bool(wrong) == bool(said)

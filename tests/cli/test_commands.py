"""The smaller commands."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest
from paritygate.api import ControlRecord, EvaluationResult, Outcome, Reason
from paritygate.cli import main
from paritygate.cli.show import show_verdict
from paritygate.evidence import manifest_digest
from paritygate.judge import Verdict, plan_digest

from tests.evaluator.case import Case


def test_digest_is_what_manifests_want(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.onnx").write_text("m")
    assert main(["digest", str(tmp_path / "m.onnx")]) == 0
    assert capsys.readouterr().out.strip() == manifest_digest(tmp_path / "m.onnx")


def test_digest_of_what_can_have_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["digest", str(tmp_path / "nothing")]) == 2
    (tmp_path / "link").symlink_to(tmp_path)
    assert main(["digest", str(tmp_path / "link" / ".." / "nothing")]) == 2
    assert capsys.readouterr().err.count("paritygate digest: ") == 2


def test_plan_tells_what_the_items_can_prove(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.scanners = ["B" if i < 30 else "A" for i in range(2000)]
    case.gates = (*case.gates, {"name": "by-scanner", "metric": "Accuracy", "sliceBy": "scanner", "margin": "0.03"})
    folder = case.files()
    files = [f"--pack={folder / 'pack.yaml'}", f"--policy={folder / 'policy.yaml'}", "--technique=Int8Static"]
    assert main(["plan", *files, "--json"]) == 0
    gates = {gate["gate"]: gate for gate in json.loads(capsys.readouterr().out)}
    assert gates["by-scanner/B"]["excluded"]
    assert gates["by-scanner/B"]["power"]["have"] == 30
    assert gates["by-scanner/B"]["power"]["smallestMargin"] > 0.03
    assert not gates["accuracy"]["excluded"]
    assert main(["plan", *files]) == 0
    shown = capsys.readouterr().out
    assert "can only fail" in shown
    assert "later: by-input-range: planned when the inputs are read" in shown
    assert "measured, not counted by items: saturation, p95" in shown
    assert (
        gates["by-input-range"] | {"power": None, "later": "planned when the inputs are read"}
        == (gates["by-input-range"])
    )


def test_plan_speaks_in_the_unit_of_each_metric(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.gates = (
        *case.gates,
        {"name": "precision", "metric": "Precision", "value": "1", "margin": "0.05"},
        {"name": "gap", "metric": "FairnessGap", "sliceBy": "scanner", "margin": "0.20"},
    )
    folder = case.files()
    main(["plan", f"--pack={folder / 'pack.yaml'}", f"--policy={folder / 'policy.yaml'}", "--technique=Fp16"])
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert any(row.startswith("precision/1 precision lost 5.00 pt 2,000") for row in rows)
    assert any(row.startswith("gap/A | B gap grown by up to 20.00 pt 2,000") for row in rows)


def test_plan_refuses_what_a_check_would_refuse(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.gates = ({"name": "accuracy", "metric": "Accuracy", "margin": "0.0005"},)
    folder = case.files()
    assert main(["plan", f"--pack={folder / 'pack.yaml'}", f"--policy={folder / 'policy.yaml'}"]) == 3
    assert "refused: accuracy: 2,000 items can't prove 0.05 points; about " in capsys.readouterr().out


def test_a_noisy_node_is_said_even_when_latency_does_not_decide(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    noisy = ControlRecord(state="Noisy", ratio=1.2, blocks=2000, limit=1.05, message="use a quieter [node]")
    result = EvaluationResult(
        input_digest=plan_digest(case.plan()),
        outcome=Outcome.PASSED,
        reason=Reason.ALL_GATES_PROVED,
        message="proved",
        control=noisy,
    )
    show_verdict(case.plan(), result, Verdict(result.outcome, result.reason, result.message))
    assert "Latency was not judged: use a quieter [node]" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": "paritygate.io/evidence/v1"}', "{\x00"])
def test_verify_of_what_is_no_evidence_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (tmp_path / "e.json").write_text(content)
    assert main(["verify", str(tmp_path / "e.json")]) == 2
    assert "not an evidence file" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["check"], ["plan"], ["simulate"], ["verify"], ["digest"]])
def test_help_says_what_a_command_does_and_shows_an_example(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "exit codes" in shown if command in ([], ["check"]) else "paritygate " in shown


@pytest.mark.parametrize("typed", [["--version"], ["check"], ["no-such-command"], []])
def test_version_and_unknown_words(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(typed)
    if typed == ["--version"]:
        assert capsys.readouterr().out == f"paritygate {version('paritygate')}\n"
    assert ended.value.code == (0 if typed == ["--version"] else 2)

"""`paritygate check`: the whole gate on one machine, and every way to use it wrongly."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from paritygate.cli import main

from tests.evaluator.case import Case
from tests.evaluator.models import copying

pytestmark = pytest.mark.whole

OUTCOMES = {0: "Passed", 1: "Failed", 3: "Inconclusive", 4: "Error"}


def arguments(folder: Path, *more: str) -> list[str]:
    return [
        "check",
        f"--baseline={folder / 'fp32.onnx'}",
        f"--candidate={folder / 'int8.onnx'}",
        f"--pack={folder / 'pack.yaml'}",
        f"--policy={folder / 'policy.yaml'}",
        "--technique=Int8Static",
        "--purpose=Memory",
        *more,
    ]


def worse(case: Case) -> None:
    case.lose(lambda i: i % 5 == 0)


def too_few(case: Case) -> None:
    case.gates = ({"name": "accuracy", "metric": "Accuracy", "margin": "0.0005"},)


def unreadable(case: Case) -> None:
    case.candidate = copying(1).SerializeToString()[:100]


def no_labels(case: Case) -> None:
    case.labels = "id,label,scanner\n"


def repeating(case: Case, contents: int) -> None:
    x = case.inputs_of()["x"]
    case.inputs = {"x": x[np.arange(len(x)) % contents]}


def in_documents(case: Case, size: int) -> None:
    case.cluster = "document"
    rows = [f"i{k},{label},{case.scanners[k]},d{k // size}" for k, label in enumerate(case.truth)]
    case.labels = "\n".join(["id,label,scanner,document", *rows]) + "\n"


RUNS: list[tuple[str, Callable[[Case], None], int, str, str]] = [
    ("as good", lambda case: None, 0, "AllGatesProved", "hard gates proved"),
    ("worse", worse, 1, "HarmProved", "accuracy: accuracy lost"),
    ("unreadable", unreadable, 1, "CheckFailed", "candidate: model.onnx"),
    ("too few items", too_few, 3, "Underpowered", "Nothing was judged"),
    ("repeats", lambda c: repeating(c, 1400), 0, "AllGatesProved", "600 items have the inputs of another"),
    ("repeats alone", lambda c: repeating(c, 40), 3, "Underpowered", "1,960 items have the inputs of another"),
    ("documents", lambda case: in_documents(case, 2), 0, "AllGatesProved", " clusters)"),
    ("few documents", lambda case: in_documents(case, 100), 3, "Underpowered", "20 clusters can't prove"),
    ("one document", lambda case: in_documents(case, 2000), 4, "PackInvalid", "core: labels.csv: spec.cluster: "),
    ("no labels", no_labels, 4, "PackInvalid", "core: labels.csv: no items"),
]


@pytest.mark.parametrize(("what", "change", "code", "reason", "said"), RUNS, ids=[r[0] for r in RUNS])
def test_exit_code_table_and_evidence_say_the_same(
    case: Case,
    capfd: pytest.CaptureFixture[str],
    what: str,
    change: Callable[[Case], None],
    code: int,
    reason: str,
    said: str,
) -> None:
    change(case)
    folder = case.files()
    evidence = folder / "evidence.json"
    assert main(arguments(folder, f"--evidence={evidence}")) == code
    shown = capfd.readouterr()
    assert shown.out.startswith(f"{OUTCOMES[code].upper()}  {reason}\n")
    assert said.replace("model.onnx", "int8.onnx") in shown.out
    assert shown.err == ""
    verdict = json.loads(evidence.read_bytes())["verdict"]
    assert (verdict["outcome"], verdict["reason"]) == (OUTCOMES[code], reason)
    assert main(["verify", str(evidence)]) == code


def test_a_digest_that_is_another_is_an_error_before_anything_is_loaded(
    case: Case, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = case.files()
    wrong = "sha256:" + "0" * 64
    assert main(arguments(folder, f"--candidate={folder / 'int8.onnx'}@{wrong}")) == 4
    shown = capfd.readouterr().out
    assert shown.startswith("ERROR  DigestMismatch\ncandidate: ")
    assert f"expected {wrong}" in shown


def test_data_that_changed_after_the_pack_was_written_is_an_error(
    case: Case, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = case.files()
    (folder / "labels.csv").write_text((folder / "labels.csv").read_text().replace("i7,3,", "i7,2,"))
    assert main(arguments(folder)) == 4
    assert "DigestMismatch\nlabels-0: " in capfd.readouterr().out


def test_two_runs_give_the_same_record_but_for_times_and_json_is_all_that_is_printed(
    case: Case, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = case.files()
    evidence, records = folder / "evidence.json", []
    for _ in range(2):
        assert main(arguments(folder, f"--evidence={evidence}", "--json")) == 0
        document, recorded = json.loads(capfd.readouterr().out), json.loads(evidence.read_bytes())
        assert all(document[part] == recorded[part] for part in ("verdict", "plan", "result"))
        records.append([gate for gate in recorded["result"]["gates"] if gate["name"] != "p95"])
    assert records[0] == records[1]
    assert [p.name for p in folder.glob(".evidence*")] == []


def test_the_baselines_answers_are_kept_where_cache_says(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    folder = case.files()
    cache, found = folder / "kept" / "here", []
    for _ in range(2):
        assert main(arguments(folder, f"--cache={cache}", "--json")) == 0
        found.append(json.loads(capfd.readouterr().out)["result"]["environment"]["baselineAnswersFromCache"])
    assert found[0] == "0"
    assert int(found[1]) > 0
    assert len(list(cache.iterdir())) == 1  # the link to it is gone with the check, what was kept is not
    shutil.rmtree(cache)
    assert main(arguments(folder, f"--cache={cache}", "--cache-size=10k", "--json")) == 0
    assert list(cache.iterdir()) == []  # they would take more


def test_a_size_of_the_cache_that_is_none(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments(case.files(), "--cache=kept", "--cache-size=much"))
    assert "--cache-size: much must be a number of bytes, such as 10Gi" in capfd.readouterr().err


def test_items_that_the_candidate_was_calibrated_on_can_not_judge_it(
    case: Case, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = case.files()
    assert main(arguments(folder, f"--calibration={folder / 'inputs.npz'}")) == 3
    assert capfd.readouterr().out.startswith("INCONCLUSIVE  CalibrationOverlap\n")


def test_runtime_and_providers_reach_the_plan(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    providers = ("--provider=OpenVINOExecutionProvider", "--provider=CPUExecutionProvider")
    assert main(arguments(case.files(), *providers, "--json")) in (1, 4)
    plan = json.loads(capfd.readouterr().out)["plan"]
    assert plan["executionProviders"] == ["OpenVINOExecutionProvider", "CPUExecutionProvider"]
    assert plan["runtime"] == "onnxruntime"


TAMPERED: list[tuple[str, Callable[[dict[str, dict[str, object]]], object], str]] = [
    ("verdict", lambda d: d["verdict"].update(outcome="Failed"), "the file states Failed"),
    ("result", lambda d: d["result"].update(startedAt="1999"), "was changed after it was written"),
    ("items", lambda d: d["result"].update(items=1), "1 items judged"),
    ("plan", lambda d: d["plan"].update(alpha="0.5"), "result is of input digest"),
    ("digest", lambda d: d["digests"].update(plan="sha256:1"), "the plan has digest"),
    (
        "counts",
        lambda d: d["result"]["gates"][0].update(n10=0, n01=0),  # type: ignore[index]
        "differ in what they saw",
    ),
    ("field", lambda d: d["result"].update(extra=1), "extra"),
]


def test_evidence_that_was_altered_does_not_hold(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.lose(lambda i: i % 199 == 1)
    folder = case.files()
    evidence = folder / "e.json"
    assert main(arguments(folder, f"--evidence={evidence}")) == 0
    untouched = evidence.read_bytes()
    for what, tamper, said in TAMPERED:
        document = json.loads(untouched)
        tamper(document)
        evidence.write_text(json.dumps(document))
        capsys.readouterr()
        assert main(["verify", str(evidence)]) == 4, what
        shown = capsys.readouterr().out
        assert shown.startswith("The evidence does not hold: "), what
        assert said in shown, what


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return change


def untouched(_: Path) -> None:
    pass


WRONG: list[tuple[str, Callable[[Path], None], str, str]] = [
    ("no candidate", untouched, "--candidate=nowhere.onnx", "--candidate: "),
    ("bad digest", untouched, "--candidate=int8.onnx@sha256:12", "64 hexadecimal digits"),
    ("no pack", untouched, "--pack=nowhere.yaml", "nowhere.yaml: can't be read"),
    ("pack twice", untouched, "--pack=pack.yaml", "two packs are named 'core'"),
    ("pack is a policy", untouched, "--pack=policy.yaml", "holds no ScenarioPack"),
    ("data missing", edit("pack.yaml", "labels.csv", "other.csv"), "", "spec.data.labels.uri: "),
    ("unknown field", edit("pack.yaml", '"slices"', '"slice"'), "", "write slices, not slice"),
    ("unknown metric", edit("policy.yaml", '"Accuracy"', '"Acuracy"'), "", "write Accuracy, not Acuracy"),
    ("number, not text", edit("policy.yaml", '"0.02"', "0.02"), "", 'put it in quotes, "0.02"'),
    ("margin of a ratio", edit("policy.yaml", '"limit": "9.00"', '"margin": "0.09"'), "", "takes limit"),
    (
        "slice of no pack",
        edit("policy.yaml", '"accuracy"', '"by-colour", "sliceBy": "colour"'),
        "",
        "policy.yaml: ValidationPolicy: spec.gates[0] (by-colour).sliceBy: no slice column 'colour'",
    ),
    (
        "too few blocks",
        edit("policy.yaml", '"gates"', '"evaluation": {"latencyBlocks": 249}, "gates"'),
        "",
        "policy.yaml: ValidationPolicy: spec.evaluation.latencyBlocks: 249 blocks can't prove p95",
    ),
    ("provider", untouched, "--provider=CPU", "--provider CPU: must be an execution provider"),
    ("no calibration", untouched, "--calibration=nowhere.npz", "--calibration: "),
    ("calibration is a model", untouched, "--calibration=fp32.onnx", "fp32.onnx ends in '.onnx': give the inputs"),
    ("size of no cache", untouched, "--cache-size=1Gi", "--cache-size: nothing is kept without --cache"),
    ("cache is a file", untouched, "--cache=fp32.onnx", "--cache: fp32.onnx can't be made a folder"),
    ("evidence nowhere", untouched, "--evidence=no/such/folder/e.json", "--evidence: "),
]


@pytest.mark.parametrize(("what", "change", "more", "said"), WRONG, ids=[w[0] for w in WRONG])
def test_wrong_usage_is_one_sentence_and_exit_code_2(
    case: Case,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    what: str,
    change: Callable[[Path], None],
    more: str,
    said: str,
) -> None:
    folder = case.files()
    monkeypatch.chdir(folder)
    change(folder)
    assert main(arguments(folder, *([more] if more else []))) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("paritygate check: ")
    assert said in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process_and_no_folder_behind(case: Case, signal_number: int) -> None:
    case.latency = True
    folder = case.files()
    # A latency claim that equal models can neither pass nor fail: it goes on long enough to be interrupted.
    edit("policy.yaml", '"9.00"', '"1.00"')(folder)
    scratch = folder / "tmp"
    scratch.mkdir()
    # As in a terminal: a test run in the background of a shell has SIGINT ignored, and so would its children.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from paritygate.cli import main; sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments(folder)],
        env=os.environ | {"TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while not list(scratch.glob("*/models/candidate/*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal_number)  # as a terminal does: to everybody at once
    assert process.wait(20) == 130
    assert list(scratch.iterdir()) == []
    assert not _processes_with(str(scratch))


def _processes_with(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                found += [entry.name] if text in (entry / "environ").read_bytes().decode(errors="replace") else []
            except OSError:
                continue
    return found


@pytest.mark.parametrize(("purpose", "enforcement"), [((), "Soft"), (("--purpose=Latency",), "Hard")])
def test_without_a_purpose_latency_is_only_reported_because_this_machine_is_not_the_pool(
    case: Case, capfd: pytest.CaptureFixture[str], purpose: tuple[str, ...], enforcement: str
) -> None:
    left_out = ("--purpose", "--policy")
    words = [word for word in arguments(case.files(), "--json") if not word.startswith(left_out)]
    main([*words, *purpose])
    claims = json.loads(capfd.readouterr().out)["plan"]["claims"]
    assert {c["enforcement"] for c in claims if c["metric"] == "LatencyRatio"} == {enforcement}

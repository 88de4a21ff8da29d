"""`paritygate simulate`: a table and its meaning in words, the same as JSON; an end when it is told to."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from paritygate.cli import main, simulate
from paritygate.cli.usage import UsageError
from paritygate.cli.workers import Workers

from tests.evaluator.case import Case

pytestmark = pytest.mark.whole


def files(case: Case) -> list[str]:
    folder = case.files()
    return [f"--pack={folder / 'pack.yaml'}", f"--policy={folder / 'policy.yaml'}", "--technique=Int8WeightOnly"]


def test_the_table_and_its_words(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *files(case), "--paths=40", "--seed=3"]) == 0
    shown = capsys.readouterr()
    rows = {line.split("  ")[0]: line for line in shown.out.splitlines()}
    assert rows["at the margin of accuracy"].rstrip().endswith("at most 5 %")
    assert rows["equal"].rstrip().endswith("-")
    assert "40 simulated evaluations of each candidate (seed 3; --paths N for more)" in shown.out
    assert "Passed is a wrong promotion" in shown.out
    assert "Not simulated, taken as kept: saturation, p95." in shown.out
    assert max(map(len, shown.out.split("\n\n")[0].splitlines())) <= 110
    assert "40 paths of each of" in shown.err


def test_json_says_the_same_and_two_runs_agree(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    documents = []
    for _ in range(2):
        assert main(["simulate", *files(case), "--paths=25", "--json", "--quiet"]) == 0
        shown = capsys.readouterr()
        assert shown.err == ""
        documents.append(json.loads(shown.out))
    assert documents[0] == documents[1]
    assert documents[0]["paths"] == 25
    candidates = {row["candidate"]: row for row in documents[0]["candidates"]}
    assert candidates["equal"]["passed"]["share"] > 0.8
    assert candidates["broken: 5 points everywhere"]["failed"]["share"] == 1.0
    for row in candidates.values():
        assert sum(row[end]["share"] for end in ("passed", "failed", "inconclusive")) == pytest.approx(1)
        assert row["items"]["median"] <= row["items"]["p90"] <= 2000
        assert (row["promisedAtMost"] == 0.05) == (row["kind"] in ("AtMargin", "TwiceTheMargin", "Broken"))


def test_without_a_number_of_paths_time_limits_them(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simulate, "SECONDS", 0.0)
    assert main(["simulate", *files(case), "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["paths"] == 4


def test_what_is_refused_is_said_instead_of_simulated(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.gates = ({"name": "accuracy", "metric": "Accuracy", "margin": "0.0005"},)
    assert main(["simulate", *files(case)]) == 0
    assert "Every candidate ends Inconclusive before anything is run: the pack can't prove accuracy." in (
        capsys.readouterr().out
    )
    assert main(["simulate", *files(case), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["refused"] == ["accuracy"]
    assert {row["inconclusive"]["share"] for row in document["candidates"]} == {1.0}


def test_a_small_slice_is_said_to_be_outside_the_promise(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.scanners = ["B" if i < 30 else "A" for i in range(2000)]
    assert main(["simulate", *files(case), "--paths=20", "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "not promised: twice by-scanner/B" in shown
    assert "by-scanner/B has too few items to be proved" in shown


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--paths=0", "0 is not at least 1"),
        ("--paths=many", "invalid"),
        ("--seed=-1", "-1 is below 0"),
        ("--technique=Magic", "write one of Fp16, Bf16, "),
    ],
)
def test_wrong_arguments(case: Case, capsys: pytest.CaptureFixture[str], typed: str, said: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", *files(case), typed])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_labels_that_do_not_fit_are_one_sentence(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.labels = "id,label\ni0,1\n"
    assert main(["simulate", *files(case)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("paritygate simulate: core: labels.csv: column 'scanner'")


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_at_once_and_leaves_no_process(case: Case, signal_number: int) -> None:
    # As in a terminal: a test run in the background of a shell has SIGINT ignored, and so would its children.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from paritygate.cli import main; sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "simulate", *files(case), "--paths=1000000"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    first = process.stderr.readline()  # it is simulating
    os.killpg(process.pid, signal_number)  # as a terminal does: to everybody at once
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert first.startswith(b"4 paths of each of")
    assert said.endswith(b"interrupted\n")
    assert b"Traceback" not in said
    assert not _of_session(process.pid)


def test_a_process_that_is_killed_is_told_and_not_waited_for() -> None:
    workers = Workers(lambda pid: os.kill(os.getpid() if pid else os.getppid(), 9 if pid else 0), 2)
    try:
        assert list(workers.run([0, 0, 0])) == [None] * 3
        with pytest.raises(UsageError, match="a process was ended"):
            list(workers.run([0, 1, 0, 0]))
    finally:
        workers.end()


def _of_session(leader: int) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                session = (entry / "stat").read_text().rpartition(")")[2].split()[3]
            except OSError:
                continue
            found += [entry.name] if int(session) == leader else []
    return found

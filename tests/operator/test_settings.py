"""Flags beat environment, environment beats defaults, and what is wrong is said with its name."""

from datetime import timedelta

import pytest
from paritygate.shell.settings import parse

IMAGE = ["--evaluator-image", "e"]


def test_flags_beat_environment_and_environment_beats_defaults() -> None:
    known = {"PARITYGATE_WORKERS": "3", "PARITYGATE_RESYNC": "1h30m", "PARITYGATE_WATCH_NAMESPACES": "a,b"}
    settings = parse([*IMAGE, "--workers", "4"], known)
    assert (settings.workers, settings.resync, settings.watch_namespaces) == (4, timedelta(hours=1.5), ("a", "b"))
    assert (settings.write_rate, settings.lease_duration) == (20.0, timedelta(seconds=15))


def test_a_variable_that_is_empty_is_not_set() -> None:
    assert parse(IMAGE, {"PARITYGATE_WATCH_NAMESPACES": ""}).watch_namespaces == ()


def test_two_processes_are_two_replicas() -> None:
    assert parse(IMAGE, {}).identity != parse(IMAGE, {}).identity


WRONG = [
    ([], "--evaluator-image"),
    ([*IMAGE, "--resync", "10"], "--resync (or PARITYGATE_RESYNC)"),
    ([*IMAGE, "--resync", "0s"], "--resync"),
    ([*IMAGE, "--workers", "many"], "--workers"),
    ([*IMAGE, "--workers", "0"], "--workers"),
    ([*IMAGE, "--image-pull-policy", "Sometimes"], "--image-pull-policy"),
    ([*IMAGE, "--wrokers", "4"], "--wrokers"),
]


@pytest.mark.parametrize(("argv", "named"), WRONG)
def test_wrong_usage_ends_with_2_and_names_the_option(
    argv: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(argv, {})
    assert ended.value.code == 2
    assert named in capsys.readouterr().err


def test_help_names_every_option_and_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"], {})
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "--lease-duration" in said
    assert "PARITYGATE_WRITE_RATE" in said

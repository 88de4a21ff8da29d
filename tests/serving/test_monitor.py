"""Which pods say that the candidate can't hold its traffic."""

from datetime import UTC, datetime
from typing import Any

import pytest
from paritygate.serving.monitor import breach

from .kserve_model import crashed, pod

R = "fraud-predictor-00002"
NOW = datetime(2026, 11, 21, 12, 1, tzinfo=UTC)
LIVE = datetime(2026, 11, 21, 12, 0, 10, 400_000, tzinfo=UTC)


def _unready(since: str, name: str = "p") -> dict[str, Any]:
    made = pod(R, conditions=[{"type": "Ready", "status": "False", "lastTransitionTime": since}])
    made["metadata"]["name"] = name
    return made


def _looping() -> dict[str, Any]:
    ended = {"terminated": {"exitCode": 1, "reason": "Error"}}
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    return pod(
        R, containerStatuses=[{"name": "kserve-container", "restartCount": 3, "lastState": ended, "state": state}]
    )


def _leaving(of: dict[str, Any]) -> dict[str, Any]:
    of["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:30Z"
    return of


BREACHES = {
    "killed-for-memory": ([crashed(R)], "kserve-container", "exit code 137 (OOMKilled), 1 restarts"),
    "exit-1": ([crashed(R, "Error", 1, 4)], R, "exit code 1 (Error), 4 restarts"),
    "crash-loop": ([_looping()], "3 restarts", "CrashLoopBackOff"),
    "one-of-two-crashed": ([pod(R), crashed(R)], "OOMKilled", "1 restarts"),
    "none-ready-for-20-s": ([_unready("2026-11-21T12:00:30Z")], "no serving pod ready", "20 s"),
}


@pytest.mark.parametrize(("pods", "said", "also"), BREACHES.values(), ids=BREACHES)
def test_breach(pods: list[dict[str, Any]], said: str, also: str) -> None:
    found = breach(pods, R, live_since=LIVE, now=NOW)
    assert found is not None
    assert said in found.message
    assert also in found.message


FINE = {
    "ready": [pod(R)],
    "none-at-all": [],
    "another-revision-crashes": [crashed("fraud-predictor-00001")],
    "scaled-down": [_leaving(crashed(R)), _leaving(_unready("2026-11-21T12:00:00Z"))],
    "unready-for-10-s": [_unready("2026-11-21T12:00:50Z")],
    "one-of-two-ready": [pod(R), _unready("2026-11-21T12:00:00Z")],
    "restarted-after-a-clean-end": [crashed(R, "Completed", 0)],
    "no-status-yet": [{"metadata": {"name": "p", "labels": {"serving.knative.dev/revision": R}}}],
}


@pytest.mark.parametrize("pods", FINE.values(), ids=FINE)
def test_no_breach(pods: list[dict[str, Any]]) -> None:
    assert breach(pods, R, live_since=LIVE, now=NOW) is None


def test_before_it_was_ready_one_crash_and_slow_loading_are_forgiven() -> None:
    assert breach([crashed(R)], R, live_since=None, now=NOW) is None
    assert breach([_unready("2026-11-21T11:00:00Z")], R, live_since=None, now=NOW) is None
    assert breach([_looping()], R, live_since=None, now=NOW) is not None


@pytest.mark.parametrize(("finished", "counts"), [("11:59:50", False), ("12:00:10", True), ("12:00:40", True)])
def test_a_crash_counts_from_the_second_in_which_it_was_live(finished: str, counts: bool) -> None:
    one = crashed(R)
    one["status"]["containerStatuses"][0]["lastState"]["terminated"]["finishedAt"] = f"2026-11-21T{finished}Z"
    assert (breach([one], R, live_since=LIVE, now=NOW) is not None) is counts


def test_a_container_that_has_just_ended_counts_before_it_is_restarted() -> None:
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    one = pod(R, containerStatuses=[{"name": "kserve-container", "restartCount": 0, "state": ended}])
    assert breach([one], R, live_since=LIVE, now=NOW) is not None
    assert breach([one], R, live_since=None, now=NOW) is None


def test_without_a_revision_nothing_is_judged() -> None:
    assert breach([crashed("")], "", live_since=LIVE, now=NOW) is None

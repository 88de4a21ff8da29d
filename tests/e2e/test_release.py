"""What may happen to a canary on the real cluster: deleted, edited, contested, interfered with."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from examples.demo.stage import Stage
from examples.demo.stories import Traffic

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

LONG = [{"percent": 10, "hold": "5m"}, {"percent": 100}]


def a_canary(stage: Stage, name: str, candidate: str = "int8", steps: list[dict[str, Any]] = LONG) -> dict[str, Any]:
    """Story 1's validation under another name, with a canary long enough to do something to it."""
    found = dict(yaml.safe_load((stage.manifests / "story-1-good-int8.yaml").read_text()))
    found["metadata"] = {"name": name}
    found["spec"]["release"]["steps"] = steps
    found["spec"]["candidate"] |= {"uri": f"pvc://models/{candidate}", "digest": stage.digests[candidate]}
    return found


def until(what: Callable[[], Any], seconds: float = 150) -> Any:
    """Wait for something true and return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.4)
    return found


def status(stage: Stage, name: str) -> dict[str, Any]:
    return dict(stage.get("compressionvalidation", name).get("status", {}))


def condition(stage: Stage, name: str, kind: str) -> dict[str, Any]:
    """A condition that is True; empty if it isn't."""
    found = (c for c in status(stage, name).get("conditions", ()) if c["type"] == kind and c["status"] == "True")
    return next(found, {})


def live_at(stage: Stage, name: str, percent: int) -> None:
    until(lambda: (status(stage, name).get("release") or {}).get("effectivePercent") == percent)


def predictor(stage: Stage) -> dict[str, Any]:
    return dict(stage.get("inferenceservice", "digits")["spec"]["predictor"])


def answers_only(stream: Traffic, model: str) -> None:
    """From now on one model answers, and nobody is turned away."""
    before = stream.totals()
    time.sleep(3)
    later = {k for k, v in stream.totals().items() if v > before.get(k, 0)}
    assert later == {model}


def test_a_validation_deleted_in_its_canary_takes_the_traffic_back_before_it_goes(stage: Stage, stream: Traffic):
    stage.cluster.apply([a_canary(stage, "deleted")], "-n", stage.namespace)
    live_at(stage, "deleted", 10)
    stage.kubectl("delete", "compressionvalidation", "deleted", "--timeout=100s")
    assert predictor(stage)["model"]["storageUri"] == "pvc://models/fp32"
    assert "canaryTrafficPercent" not in predictor(stage)
    answers_only(stream, "fp32")


def test_an_edit_in_the_canary_supersedes_it_traffic_back_first_then_a_fresh_run(stage: Stage, stream: Traffic):
    stage.cluster.apply([a_canary(stage, "edited")], "-n", stage.namespace)
    live_at(stage, "edited", 10)
    first = status(stage, "edited")["inputDigest"]
    stage.cluster.apply([a_canary(stage, "edited", candidate="quiet")], "-n", stage.namespace)
    stalled = until(lambda: condition(stage, "edited", "Stalled"))
    assert stalled["reason"] == "HarmProved", stalled
    assert status(stage, "edited")["inputDigest"] != first
    assert predictor(stage)["model"]["storageUri"] == "pvc://models/fp32"
    answers_only(stream, "fp32")


def test_of_two_validations_of_one_target_one_waits_and_says_for_which(stage: Stage):
    short = [{"percent": 10, "hold": "2s"}, {"percent": 100}]
    stage.cluster.apply([a_canary(stage, "first", steps=short)], "-n", stage.namespace)
    time.sleep(1.1)  # creation times are whole seconds
    stage.cluster.apply([a_canary(stage, "second", candidate="quiet", steps=short)], "-n", stage.namespace)
    waiting = until(lambda: condition(stage, "second", "Reconciling"))
    assert waiting["reason"] == "WaitingForTarget", waiting
    assert "first" in waiting["message"]
    until(lambda: condition(stage, "first", "Ready"))
    ended = until(lambda: condition(stage, "second", "Stalled"))
    assert ended["reason"] in ("BaselineMismatch", "HarmProved"), ended
    jobs = json.loads(stage.kubectl("get", "jobs", "-o", "json"))["items"]
    assert len([j for j in jobs if j["metadata"]["name"].startswith("first-")]) == 1


def test_somebody_elses_edit_of_the_target_freezes_the_release_with_the_candidate_at_zero(
    stage: Stage, stream: Traffic
):
    stage.cluster.apply([a_canary(stage, "meddled")], "-n", stage.namespace)
    live_at(stage, "meddled", 10)
    stage.kubectl("annotate", "inferenceservice", "digits", "example.com/note=an-innocent-edit")
    stalled = until(lambda: condition(stage, "meddled", "Stalled"))
    assert stalled["reason"] == "ForeignChange", stalled
    assert "canaryTrafficPercent" in stalled["message"], "how to go back by hand"
    assert predictor(stage)["canaryTrafficPercent"] == 0
    until(lambda: (status(stage, "meddled").get("release") or {}).get("effectivePercent") == 0, 30)
    answers_only(stream, "fp32")

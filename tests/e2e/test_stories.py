"""The demo's three stories, asserted; and what the record holds afterwards."""

import json

import pytest

from examples.demo.stage import Stage
from examples.demo.stories import Traffic, promotion, quiet_failure, rollback

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def test_a_good_candidate_is_promoted_a_quiet_failure_is_not_and_a_candidate_that_cannot_serve_is_rolled_back(
    stage: Stage, stream: Traffic
):
    first = promotion(stage, stream)
    assert first.counts["int8"] > 0
    second = quiet_failure(stage, stream)
    assert "margin 3.00 points" in second.message
    third = rollback(stage, stream)
    assert third.release["reason"] == "CandidatePodsFailing"
    reports = json.loads(stage.kubectl("get", "validationreports", "-o", "json"))["items"]
    assert {r["spec"]["outcome"] for r in reports} == {"Passed", "Failed"}
    assert len(reports) == 3
    evaluators = json.loads(stage.kubectl("get", "pods", "-l", "app.kubernetes.io/managed-by=paritygate", "-o", "json"))
    nodes = {pod["spec"]["nodeName"] for pod in evaluators["items"]}
    pool = json.loads(stage.kubectl("get", "nodes", "-l", "paritygate.io/pool=accelerator", "-o", "json"))
    assert nodes <= {node["metadata"]["name"] for node in pool["items"]}
    assert nodes, "no evaluator pod is left to look at"

"""Every rule holds in Python with the words of the API server; what is refused there is refused here."""

import json
import re
from collections.abc import Mapping

import pytest
import yaml
from paritygate.api import crd
from paritygate.api.dialect import Dumper
from paritygate.api.manifest import ManifestError, parse_manifest
from paritygate.api.policy import DEFAULT_LATENCY_GATES
from paritygate.judge.defaults import TIERS

from tests.api.cases import CASES, REFUSED_BY_SHAPE
from tests.api.manifests import VALID, Case

CLUSTER_ONLY = {
    "self == oldSelf",
    "has(self.digest)",
    "self.matches('^[a-z][a-z0-9+.-]*://.+') && !self.startsWith('file://')",
}
"""Rules that compare with the old object, or that `paritygate check` relaxes."""


def message_of(rule: Mapping[str, str]) -> str:
    """The message as it is written in the models: `$metric` where the value is told."""
    parts = re.finditer(r'self[.](\w+)|("(?:[^"\\]|\\.)*")', rule.get("messageExpression", ""))
    told = "".join(f"${name}" if (name := part[1]) else json.loads(part[2]) for part in parts)
    return told or rule["message"]


def rules_of(node: object) -> set[tuple[str, str]]:
    if isinstance(node, list):
        return set().union(*map(rules_of, node))
    if not isinstance(node, dict):
        return set()
    own = {(rule["rule"], message_of(rule)) for rule in node.get("x-kubernetes-validations", ())}
    return own.union(*map(rules_of, node.values()))


@pytest.mark.parametrize("case", [*CASES, *REFUSED_BY_SHAPE], ids=lambda case: f"{case.kind}: {case.name}")
def test_a_manifest_is_judged_in_python_as_by_the_api_server(case: Case):
    text = yaml.dump(case.manifest, Dumper=Dumper, allow_unicode=True)
    if case.refusal is None or case.cluster_only:
        (resource,) = parse_manifest(text, "file.yaml")
        assert resource.kind == case.kind
    else:
        with pytest.raises(ManifestError) as refused:
            parse_manifest(text, "file.yaml")
        assert case.refusal in str(refused.value)
        assert str(refused.value).startswith(f"file.yaml: {case.kind}: spec")


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_every_rule_refuses_something_in_the_table(kind: crd.Kind):
    refusals = [case.refusal for case in CASES if case.kind == kind.name and case.refusal]
    if kind.name == "ValidationReport":
        # Its plan repeats rules of the other kinds; a report is written by the operator alone.
        refusals = [case.refusal for case in CASES if case.refusal]
    transition = {"self == oldSelf"}
    untried = {
        message
        for rule, message in rules_of(crd.schema(kind))
        if rule not in transition and not any(refusal in message for refusal in refusals)
    }
    assert not untried


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_every_rule_has_a_twin_in_python_unless_only_a_cluster_can_tell(kind: crd.Kind):
    here = {case.refusal for case in CASES if case.refusal and not case.cluster_only}
    without = {rule for rule, message in rules_of(crd.schema(kind)) if not any(refusal in message for refusal in here)}
    assert without <= CLUSTER_ONLY


def test_latency_gates_that_may_omit_their_quantile_are_those_of_the_tiers():
    quantiles = {q for tier in TIERS.values() for q in (*tier.faster, *(quantile for quantile, _ in tier.not_slower))}
    assert set(DEFAULT_LATENCY_GATES) == {f"p{round(float(q) * 100)}" for q in quantiles}


def test_the_table_has_a_right_manifest_of_every_kind():
    assert set(VALID) == {kind.name for kind in crd.KINDS}

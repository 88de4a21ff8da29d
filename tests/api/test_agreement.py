"""Schema and models agree: on drawn objects, in Python and (marked api) on the real API server."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from paritygate.api import crd
from paritygate.api.manifest import ManifestError, parse_manifest

from tests.api.conftest import Refused, Server
from tests.api.strategies import manifest, specs
from tests.api.test_cases import rules_of

KINDS = [kind.name for kind in crd.KINDS]
MESSAGES = [
    re.compile(re.sub(r"\\[$][a-z]+", r"\\w+", re.escape(message)))
    for message in {message for kind in crd.KINDS for _, message in rules_of(crd.schema(kind))}
]
"""What a rule says; `$metric` stands for any word."""

thorough = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
)


def refusal(kind: str, spec: Any) -> str | None:
    """What Python says against it; None: nothing."""
    try:
        parse_manifest(json.dumps(manifest(kind, spec)), "drawn")
    except ManifestError as error:
        return str(error)
    return None


def is_a_rule(line: str) -> bool:
    return any(message.search(line) for message in MESSAGES) or "duplicate " in line


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(thorough, max_examples=25)
def test_what_the_schema_takes_only_a_rule_refuses_and_the_rest_survives_a_round_trip(kind: str, data: st.DataObject):
    spec = data.draw(specs(kind, tame=True))
    said = refusal(kind, spec)
    event("accepted" if said is None else "refused")
    if said is not None:
        assert all(is_a_rule(line) for line in said.splitlines())
        return
    (resource,) = parse_manifest(json.dumps(manifest(kind, spec)), "drawn")
    dumped = json.loads(json.dumps(resource.dump()))
    assert type(resource).model_validate(dumped) == resource
    assert parse_manifest(json.dumps(dumped), "dumped") == (resource,)


@pytest.mark.api
@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
@settings(thorough, max_examples=100)
def test_python_and_the_api_server_refuse_the_same(server: Server, kind: str, data: st.DataObject):
    spec = data.draw(st.one_of(specs(kind, tame=True), specs(kind, tame=False)))
    here = refusal(kind, spec)
    try:
        server.create(manifest(kind, spec))
        there = None
    except Refused as error:
        there = str(error)
    event("accepted" if there is None else "refused")
    assert (here is None) == (there is None), f"Python: {here}\nAPI server: {there}"

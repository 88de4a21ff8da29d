"""What the real API server makes of the resources."""

import copy
import json
from collections.abc import Callable, Iterator

import pytest
from paritygate.api import GROUP, MOST_GATES, VERSION, crd
from paritygate.api.manifest import ManifestError, parse_manifest
from paritygate.lifecycle.reports import LARGEST_REPORT

from tests.api.cases import CASES, REFUSED_BY_SHAPE
from tests.api.conftest import NAMESPACE, Refused, Server
from tests.api.manifests import PACK, POLICY, POOL, REPORT, VALID, VALIDATION, Case, Object, changed
from tests.cluster import Cluster
from tests.cluster.errors import CommandFailed

pytestmark = pytest.mark.api

Store = Callable[..., Object]

WAITING = {
    "observedGeneration": -1,
    "conditions": [
        {
            "type": "Reconciling",
            "status": "True",
            "reason": "Pending",
            "message": "Waiting for controller",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }
    ],
}


def test_the_server_serves_every_kind_without_complaint(crds: Cluster):
    for kind in crd.KINDS:
        found = json.loads(crds.kubectl("get", "crd", f"{kind.plural}.{GROUP}", "-o", "json"))
        conditions = {one["type"]: one["status"] for one in found["status"]["conditions"]}
        assert conditions == {"NamesAccepted": "True", "Established": "True"}


@pytest.mark.parametrize("case", [*CASES, *REFUSED_BY_SHAPE], ids=lambda case: f"{case.kind}: {case.name}")
def test_a_manifest_is_refused_with_the_words_that_say_what_to_write(server: Server, case: Case):
    if case.refusal is None:
        assert server.create(case.manifest)["kind"] == case.kind
        return
    with pytest.raises(Refused) as refused:
        server.create(case.manifest)
    assert case.refusal in str(refused.value)
    assert "spec" in str(refused.value)


@pytest.mark.parametrize(
    ("manifest", "spec", "said"),
    [
        (POLICY, {"alpha": "0.51"}, 'spec.alpha: Invalid value: "0.51": alpha is the chance'),
        (POLICY, {"gates": [{"name": "x", "metric": "Auroc"}]}, "spec.gates[0]: Invalid value: "),
        (POLICY, {"gates": [{"name": "x", "metric": "Auroc"}]}, "Auroc has no bound and can't decide"),
        (PACK, {"task": "Regression", "mustPass": True}, "Classification and Multilabel, not to Regression"),
    ],
)
def test_a_refusal_names_the_field_and_the_value(server: Server, manifest: Object, spec: Object, said: str):
    with pytest.raises(Refused) as refused:
        server.create(changed(manifest, {"spec": spec}))
    assert said in str(refused.value)


MANIFESTS = """
apiVersion: paritygate.io/v1alpha1
kind: ScenarioPack
metadata: {name: fraud-core}
spec:
  version: "2026-11"
  task: Classification
  data:
    inputs: {uri: inputs.npz, digest: "sha256:1111111111111111111111111111111111111111111111111111111111111111"}
    labels: {uri: labels.csv, digest: "sha256:1111111111111111111111111111111111111111111111111111111111111111"}
  slices: [{column: language}, {column: amount_band}]
---
apiVersion: paritygate.io/v1alpha1
kind: ValidationPolicy
metadata: {name: api-tests-customer-visible}
spec:
  tier: Standard                                       # Low|Standard|High|SafetyCritical
  alpha: "0.05"
  gates:                                               # added to or overriding the tier's defaults, by name
  - {name: accuracy, metric: Accuracy, margin: "0.01", enforcement: Hard}        # Hard|Soft|DryRun
  - {name: by-language, metric: Accuracy, sliceBy: language, margin: "0.03", enforcement: Hard, underpowered: HarmOnly}
  - {name: p95, metric: LatencyRatio, quantile: "0.95", limit: "1.00", enforcement: Hard}
"""


def test_the_manifests_of_the_documentation_are_taken_as_they_are(crds: Cluster):
    said = crds.kubectl("create", "--dry-run=server", "-n", NAMESPACE, "-f", "-", stdin=MANIFESTS)
    assert said.splitlines() == [
        "scenariopack.paritygate.io/fraud-core created (server dry run)",
        "validationpolicy.paritygate.io/api-tests-customer-visible created (server dry run)",
    ]


# --- What may change ---


@pytest.mark.parametrize(
    ("manifest", "change", "message"),
    [
        (PACK, {"version": "2026-12"}, "a pack is locked: create a new ScenarioPack with another name instead"),
        (PACK, {"slices": None}, "a pack is locked"),
        (REPORT, {"outcome": "Failed"}, "a report is a record: it is never edited"),
        (REPORT, {"environment": {"onnxruntime": "9"}}, "a report is a record"),
    ],
)
def test_a_pack_and_a_report_never_change(
    server: Server, stored: Store, manifest: Object, change: Object, message: str
):
    found = stored(manifest)
    with pytest.raises(Refused, match=message):
        server.replace(changed(found, {"spec": change}))


@pytest.mark.parametrize("manifest", [PACK, REPORT], ids=lambda one: one["kind"])
def test_a_record_can_still_be_labelled(server: Server, stored: Store, manifest: Object):
    labelled = changed(stored(manifest), {"metadata": {"labels": {"team": "risk-ml"}}})
    assert server.replace(labelled)["metadata"]["labels"] == {"team": "risk-ml"}


def test_a_validation_may_be_superseded(server: Server, stored: Store):
    found = stored(VALIDATION)
    other = changed(found, {"spec": {"target": {"inferenceService": "other"}, "candidate": {"digest": 64 * "3"}}})
    other["spec"]["candidate"]["digest"] = "sha256:" + 64 * "3"
    assert server.replace(other)["metadata"]["generation"] == found["metadata"]["generation"] + 1


# --- What is filled in ---


def test_a_new_validation_never_reads_as_green(server: Server, stored: Store):
    green = {"observedGeneration": 1, "conditions": [{**WAITING["conditions"][0], "type": "Ready"}]}
    found = stored(VALIDATION, status=green)
    assert found["status"] == WAITING
    assert server.read(found)["status"] == WAITING


def test_a_status_is_written_through_its_own_door_only(server: Server, stored: Store):
    found = stored(VALIDATION)
    green = changed(found, {"status": {"observedGeneration": 1}})
    assert server.replace(green)["status"] == WAITING
    assert server.replace(green, sub="/status")["status"]["observedGeneration"] == 1


def test_a_stored_policy_shows_what_holds(server: Server):
    bare = {key: value for key, value in POLICY.items() if key != "spec"}
    assert server.create(bare)["spec"] == {
        "tier": "Standard",
        "evaluation": {
            "deadline": "1h",
            "attempts": 3,
            "latencyBlocks": 2000,
            "inference": "Superpopulation",
            "alphaBudget": False,
        },
        "rollout": {"progressDeadline": "10m"},
        "allowedFormats": ["Onnx", "ExportedProgram", "Safetensors"],
    }


def test_a_stored_validation_and_pool_show_what_holds(server: Server):
    spec = server.create(changed(VALIDATION, {"spec": {"release": None, "purpose": None}}))["spec"]
    assert (spec["release"], spec["purpose"]) == ({"mode": "VerdictOnly", "onFailed": "Rollback"}, "Latency")
    spec = server.create(changed(POOL, {"spec": {"resources": None, "runtime": None}}))["spec"]
    assert spec["resources"] == {"limits": {"cpu": "1", "memory": "1Gi"}}
    assert spec["runtime"] == {"name": "onnxruntime", "executionProviders": ["CPUExecutionProvider"]}


def test_defaults_are_those_of_the_models(server: Server):
    for kind in crd.KINDS:
        stored = server.create(VALID[kind.name])
        ours = kind.model.model_validate(VALID[kind.name])
        assert kind.model.model_validate(stored).spec == ours.spec


def test_a_report_holds_what_was_written_and_no_more(server: Server):
    assert server.create(REPORT)["spec"] == REPORT["spec"]


def test_a_report_as_large_as_one_may_be_is_stored(stored: Store):
    gate = REPORT["spec"]["gates"][0] | {"slice": {"column": "label", "value": "x"}}
    size = LARGEST_REPORT // MOST_GATES - 170
    gates = [gate | {"name": f"every/{k}", "batchLog": "0" * size} for k in range(MOST_GATES)]
    report = changed(REPORT, {"spec": {"gates": gates}})
    assert 0.95 * LARGEST_REPORT < len(json.dumps(report["spec"], separators=(",", ":"))) <= LARGEST_REPORT
    assert stored(report)["spec"]["gates"] == gates


# --- What is thrown away ---


@pytest.mark.parametrize("manifest", VALID.values(), ids=lambda one: one["kind"])
def test_unknown_fields_are_pruned_or_refused(server: Server, manifest: Object):
    odd = changed(manifest, {"spec": {"surprise": 1}})
    assert "surprise" not in server.create(odd, strict=False)["spec"]
    with pytest.raises(Refused, match=r'unknown field "spec.surprise"'):
        server.create(odd)


# --- What people see ---


def fields(node: Object, path: str) -> Iterator[tuple[str, Object]]:
    yield path, node
    for name, sub in node.get("properties", {}).items():
        yield from fields(sub, f"{path}.{name}")
    for inner in (node.get("items"), node.get("additionalProperties")):
        if isinstance(inner, dict) and "properties" in inner:
            yield from (found for found in fields(inner, path) if found[0] != path)


def test_every_field_has_an_explanation(server: Server):
    published = server.call("GET", f"/openapi/v3/apis/{GROUP}/{VERSION}")["components"]["schemas"]
    for kind in crd.KINDS:
        root = published[f"io.paritygate.{VERSION}.{kind.name}"]
        silent = [
            path for path, node in fields(root, kind.name) if not (node.get("description") or path.endswith("metadata"))
        ]
        assert not silent


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_kubectl_explains_a_kind(crds: Cluster, kind: crd.Kind):
    said = crds.kubectl("explain", f"{kind.short}.spec", "--recursive")
    spec = crd.schema(kind)["properties"]["spec"]
    assert " ".join(spec["description"].split()) in " ".join(said.split())
    missing = [
        path for path, _ in fields(spec, "spec") if not any(path.split(".")[-1] in line for line in said.splitlines())
    ]
    assert missing in ([], ["spec"])


def test_kubectl_explains_a_field(crds: Cluster):
    said = crds.kubectl("explain", "validationpolicies.spec.gates.margin")
    assert 'How much worse the candidate may be, absolute: "0.01" = 1 point.' in " ".join(said.split())


STATUS = {
    "observedGeneration": 1,
    "conditions": [
        {
            "type": "Ready",
            "status": "False",
            "reason": "HarmProved",
            "message": "by-language/sw: lost 0.09, margin 0.03",
            "lastTransitionTime": "2026-11-21T12:00:00Z",
        }
    ],
    "verdict": {
        "outcome": "Failed",
        "reason": "HarmProved",
        "message": "by-language/sw: lost 0.09, margin 0.03",
        "inputDigest": "sha256:" + 64 * "3",
        "decidedAt": "2026-11-21T12:00:00Z",
        "report": "fraud-int8-1",
    },
    "release": {"inputDigest": "sha256:" + 64 * "3", "target": "fraud", "effectivePercent": 0},
}


def test_a_validation_says_in_one_line_how_it_stands(crds: Cluster, server: Server, stored: Store):
    found = stored(VALIDATION)
    server.replace(changed(found, {"status": STATUS}), sub="/status", keep=True)
    name = found["metadata"]["name"]
    header, line = crds.kubectl("get", "-n", NAMESPACE, "cval", name).splitlines()
    assert header.split() == ["NAME", "READY", "VERDICT", "CANDIDATE", "TRAFFIC", "AGE"]
    assert line.split()[:-1] == [name, "False", "Failed", "Int8Static", "0"]
    header, line = crds.kubectl("get", "-n", NAMESPACE, "cval", name, "-o", "wide").splitlines()
    assert header.split()[6:] == ["REASON", "TARGET", "POLICY", "POOL", "ITEMS", "REPORT"]
    assert line.split()[6:] == ["HarmProved", "fraud", "customer-visible", "gpu-t4", "fraud-int8-1"]


@pytest.mark.parametrize(
    ("manifest", "columns", "values"),
    [
        (PACK, ["VERSION", "TASK", "AGE"], ["2026-11", "Classification"]),
        (POLICY, ["TIER", "ALPHA", "AGE"], ["Standard", "0.05"]),
        (POOL, ["RUNTIME", "PROVIDER", "PRICE", "AGE"], ["onnxruntime", "CUDAExecutionProvider", "0.53"]),
        (REPORT, ["VALIDATION", "OUTCOME", "ITEMS", "HARMFUL", "AGE"], ["fraud-int8", "Passed", "1800", "4"]),
    ],
    ids=lambda one: one["kind"] if isinstance(one, dict) else "",
)
def test_a_kind_shows_its_columns(
    crds: Cluster, stored: Store, manifest: Object, columns: list[str], values: list[str]
):
    more = {"AcceleratorPool": {"pricePerHour": "0.53"}, "ValidationReport": {"items": 1800, "harmfulFlips": 4}}
    found = stored(manifest, more.get(manifest["kind"]))
    short = next(kind.short for kind in crd.KINDS if kind.name == manifest["kind"])
    header, line = crds.kubectl("get", "-n", NAMESPACE, short, found["metadata"]["name"]).splitlines()
    assert header.split() == ["NAME", *columns]
    assert line.split()[1:-1] == values


def test_all_kinds_are_one_category(crds: Cluster):
    said = crds.kubectl("api-resources", "--categories=paritygate", "-o", "name")
    assert set(said.split()) == {f"{kind.plural}.{GROUP}" for kind in crd.KINDS}


# --- What several appliers may share ---


def only(manifest: Object, like: Object, **parts: object) -> Object:
    """What one applier sends: the object's name and its own part of it."""
    return {
        **{key: manifest[key] for key in ("apiVersion", "kind")},
        "metadata": {"name": like["metadata"]["name"]},
    } | parts


def names(entries: list[Object], key: str = "name") -> list[str]:
    return [entry[key] for entry in entries]


def test_two_appliers_share_the_gates_of_a_policy(server: Server, stored: Store):
    like = stored(POLICY, {"gates": None})
    ours = {"name": "accuracy", "metric": "Accuracy", "margin": "0.01"}
    theirs = {"name": "size", "metric": "SizeRatio", "limit": "0.5"}
    server.apply(only(POLICY, like, spec={"gates": [ours]}), "risk")
    both = server.apply(only(POLICY, like, spec={"gates": [theirs]}), "platform")
    assert names(both["spec"]["gates"]) == ["accuracy", "size"]
    left = server.apply(only(POLICY, like, spec={"gates": []}), "platform")
    assert names(left["spec"]["gates"]) == ["accuracy"]
    with pytest.raises(Refused, match=r'conflict with "risk".*gates\[name="accuracy"\].margin') as refused:
        server.apply(only(POLICY, like, spec={"gates": [{**ours, "margin": "0.02"}]}), "platform")
    assert refused.value.status == 409


def test_two_appliers_share_the_packs_of_a_validation(server: Server, stored: Store):
    like = stored(VALIDATION, {"packs": None})
    spec = copy.deepcopy(VALIDATION["spec"])
    server.apply(only(VALIDATION, like, spec={**spec, "packs": [{"name": "core"}]}), "ml", force=True)
    both = server.apply(only(VALIDATION, like, spec={"packs": [{"name": "extra"}]}), "risk")
    assert names(both["spec"]["packs"]) == ["core", "extra"]


def test_steps_belong_to_one_applier(server: Server, stored: Store):
    like = stored(VALIDATION, {"release": None})
    steps = [{"percent": 10, "hold": "10m"}, {"percent": 100, "hold": "0s"}]
    server.apply(only(VALIDATION, like, spec={"release": {"mode": "Canary", "steps": steps}}), "ml", force=True)
    with pytest.raises(Refused, match="conflict") as refused:
        server.apply(only(VALIDATION, like, spec={"release": {"steps": steps[1:]}}), "risk")
    assert refused.value.status == 409


def test_conditions_merge_by_type(server: Server, stored: Store):
    like = stored(VALIDATION)
    ready = {"type": "Ready", "status": "Unknown", "reason": "Evaluating", "lastTransitionTime": "2026-11-21T12:00:00Z"}
    found = server.apply(only(VALIDATION, like, status={"conditions": [ready]}), "paritygate", sub="/status")
    assert names(found["status"]["conditions"], "type") == ["Reconciling", "Ready"]


@pytest.mark.parametrize(
    ("version", "complaint"),
    [
        ('"n"', None),
        ("n", 'must be of type string: "boolean"'),
        ("2026-11-01", None),
        ("2026", 'must be of type string: "integer"'),
        ("null", "spec.version: Required value"),
        ("1e3", 'must be of type string: "integer"'),
        ("1e-3", 'must be of type string: "number"'),
        ("08", 'must be of type string: "integer"'),
        ("0x10", 'must be of type string: "integer"'),
        ("10:30", None),
        ("1_000", 'must be of type string: "integer"'),
        ("off", 'must be of type string: "boolean"'),
        ("1.2.3", None),
        ('"1e3"', None),
    ],
)
def test_kubectl_reads_yaml_as_we_do(crds: Cluster, version: str, complaint: str | None):
    text = MANIFESTS.split("---")[0].replace('"2026-11"', version)
    if complaint is None:
        crds.kubectl("create", "--dry-run=server", "-n", NAMESPACE, "-f", "-", stdin=text)
        assert parse_manifest(text, "f.yaml")
        return
    with pytest.raises(CommandFailed, match=complaint):
        crds.kubectl("create", "--dry-run=server", "-n", NAMESPACE, "-f", "-", stdin=text)
    with pytest.raises(ManifestError):
        parse_manifest(text, "f.yaml")

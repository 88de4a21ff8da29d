"""Manifests from files: what is read, and what a wrong one is told."""

from pathlib import Path

import pytest
import yaml
from paritygate.api import ScenarioPack, ValidationPolicy
from paritygate.api.dialect import Dumper, Loader
from paritygate.api.manifest import ManifestError, load_manifest, load_one, parse_manifest

from tests.api.manifests import SHA

PACK = f"""
apiVersion: paritygate.io/v1alpha1
kind: ScenarioPack
metadata: {{name: fraud-core}}
spec:
  version: "2026-11"
  task: Classification
  data:
    inputs: {{uri: inputs.npz}}
    labels: {{uri: labels.csv, digest: "{SHA}"}}
  slices: [{{column: language}}]
"""
POLICY = """
apiVersion: paritygate.io/v1alpha1
kind: ValidationPolicy
metadata: {name: strict}
"""
SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: fraud}
spec: {predictor: {}}
"""


def refusal(text: str) -> str:
    with pytest.raises(ManifestError) as refused:
        parse_manifest(text, "f.yaml")
    return str(refused.value)


def test_a_file_may_hold_several_resources_and_those_of_others():
    pack, policy = parse_manifest(f"{PACK}---\n---{SERVICE}---{POLICY}", "f.yaml")
    assert isinstance(pack, ScenarioPack)
    assert pack.spec.data.inputs.digest is None
    assert isinstance(policy, ValidationPolicy)
    assert policy.spec.evaluation.deadline == "1h"


def test_null_is_absent_as_in_a_cluster():
    (policy,) = parse_manifest(POLICY + "spec: {tier: null, gates: null}", "f.yaml")
    assert policy == parse_manifest(POLICY, "f.yaml")[0]


def test_json_is_read_too():
    text = '{"apiVersion": "paritygate.io/v1alpha1", "kind": "ValidationPolicy", "metadata": {"name": "strict"}}'
    assert parse_manifest(text, "f.json") == parse_manifest(POLICY, "f.yaml")


def test_one_resource_is_picked_by_its_kind(tmp_path: Path):
    file = tmp_path / "both.yaml"
    file.write_text(f"{PACK}---{POLICY}")
    assert load_one(file, ScenarioPack).metadata.name == "fraud-core"
    file.write_text(f"{PACK}---{PACK}")
    with pytest.raises(ManifestError, match=r"both\.yaml: holds 2 ScenarioPack; exactly one is needed"):
        load_one(file, ScenarioPack)
    with pytest.raises(ManifestError, match=r"both\.yaml: holds no ValidationPolicy; exactly one is needed"):
        load_one(file, ValidationPolicy)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path):
    with pytest.raises(ManifestError, match=r"none\.yaml: can't be read: .*No such file"):
        load_manifest(tmp_path / "none.yaml")
    (tmp_path / "model.yaml").write_bytes(b"\x89ONNX\xff")
    with pytest.raises(ManifestError, match=r"model\.yaml: can't be read"):
        load_manifest(tmp_path / "model.yaml")


HEAD = "apiVersion: paritygate.io/v1alpha1\nkind: {kind}\nmetadata: {{name: x}}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml: holds no resource of paritygate.io/v1alpha1"),
        (SERVICE, "f.yaml: holds no resource of paritygate.io/v1alpha1"),
        ("a: [", "f.yaml: not YAML: while parsing a flow node"),
        ("a: 1\na: 2", "f.yaml: not YAML: a is said twice"),
        ("{[1]: 2}", "f.yaml: not YAML: while constructing a mapping"),
        ("- 1", "f.yaml: a resource is a map with apiVersion, kind, metadata and spec"),
        ("kind: ScenarioPack", "f.yaml: apiVersion: write apiVersion: paritygate.io/v1alpha1, not None"),
        (
            "apiVersion: paritygate.io/v1\nkind: ScenarioPack",
            "f.yaml: apiVersion: write apiVersion: paritygate.io/v1alpha1, not 'paritygate.io/v1'",
        ),
        (
            "apiVersion: paritygate.io/v1alpha1\nkind: Scenariopacks",
            "f.yaml: kind: write ScenarioPack, not Scenariopacks",
        ),
        (
            "apiVersion: paritygate.io/v1alpha1\nkind: Pod",
            "f.yaml: kind: write one of CompressionValidation, ValidationPolicy, ScenarioPack, AcceleratorPool, "
            "ValidationReport, not Pod",
        ),
        (POLICY.replace("{name: strict}", "&a {name: [*a]}"), "f.yaml: nested without end"),
        (POLICY.replace("metadata: {name: strict}", ""), "f.yaml: ValidationPolicy: metadata: is required"),
        (POLICY.replace("strict", "Strict_1"), "f.yaml: ValidationPolicy: metadata.name: must be a Kubernetes name"),
        (POLICY.replace("name: strict", ""), "f.yaml: ValidationPolicy: metadata.name: must be a Kubernetes name"),
        (POLICY + "spec: []", "f.yaml: ValidationPolicy: spec: input should be an object, not []"),
        (
            POLICY + "spec: {alpha: 0.05}",
            'f.yaml: ValidationPolicy: spec.alpha: must be text: put it in quotes, "0.05"',
        ),
        (POLICY + "spec: {alpha: n}", 'f.yaml: ValidationPolicy: spec.alpha: must be text: put it in quotes, "false"'),
        (POLICY + "spec: {tier: standard}", "f.yaml: ValidationPolicy: spec.tier: write Standard, not standard"),
        (
            POLICY + "spec: {tier: Medium}",
            "f.yaml: ValidationPolicy: spec.tier: write one of Low, Standard, High, SafetyCritical, not Medium",
        ),
        (POLICY + "spec: {gate: []}", "f.yaml: ValidationPolicy: spec.gate: is no field: write gates, not gate"),
        (
            POLICY + "spec: {required_packs: []}",
            "f.yaml: ValidationPolicy: spec.required_packs: is no field: write requiredPacks, not required_packs",
        ),
        (
            POLICY + "spec: {evaluation: {attempts: 11}}",
            "f.yaml: ValidationPolicy: spec.evaluation.attempts: must be at most 10, not 11",
        ),
        (
            POLICY + 'spec: {evaluation: {attempts: "3"}}',
            'f.yaml: ValidationPolicy: spec.evaluation.attempts: input should be a valid integer, not "3"',
        ),
        (
            POLICY + "spec: {gates: [{name: a, metric: Accuracy}, {name: a, metric: Accuracy}]}",
            "f.yaml: ValidationPolicy: spec.gates: duplicate name: a. Each entry needs a name of its own",
        ),
        (
            POLICY + "spec: {gates: [{name: a, metric: Accuracy, margin: '7'}]}",
            "f.yaml: ValidationPolicy: spec.gates[0].margin: margin must be in quotes and lie between 0 and 1, both "
            'excluded: one point is "0.01", not "7"',
        ),
        (
            POLICY + "spec: {gates: [{name: a, metric: Auroc}]}",
            "f.yaml: ValidationPolicy: spec.gates[0]: Auroc has no bound and can't decide: write enforcement: Soft",
        ),
        (
            POLICY + "spec: {gates: [{name: a, metric: AbsoluteError, margin: '0.01'}]}",
            "f.yaml: ValidationPolicy: spec.gates[0]: AbsoluteError needs cap, in the unit of the labels",
        ),
        (
            POLICY + "spec: {gates: [{name: a, metric: Precsion}]}",
            "f.yaml: ValidationPolicy: spec.gates[0].metric: write Precision, not Precsion",
        ),
        (
            PACK.replace("uri: labels.csv, ", ""),
            "f.yaml: ScenarioPack: spec.data.labels.uri: is required: s3://, pvc://CLAIM/PATH, ...; relative to the "
            "pack's file only in `paritygate check`.",
        ),
        (
            HEAD.format(kind="AcceleratorPool") + "spec: {nodeSelector: {a: b}, runtime: {executionProviders: [cpu]}}",
            "f.yaml: AcceleratorPool: spec.runtime.executionProviders[0]: must be an execution provider",
        ),
    ],
)
def test_a_wrong_manifest_is_told_where_and_what_to_write(text: str, message: str):
    assert refusal(text).startswith(message)


def test_everything_wrong_is_told_at_once_and_in_which_document():
    said = refusal(f"{PACK.replace('Classification', 'Ranking')}---{POLICY}spec: {{alpha: '2', tier: low}}")
    assert [line.split(": ")[:3] for line in said.splitlines()] == [
        ["f.yaml (document 1)", "ScenarioPack", "spec.task"],
        ["f.yaml (document 2)", "ValidationPolicy", "spec.tier"],
        ["f.yaml (document 2)", "ValidationPolicy", "spec.alpha"],
    ]


def test_a_broken_entry_is_told_once_and_not_again_for_its_list():
    said = refusal(
        HEAD.format(kind="AcceleratorPool") + "spec: {nodeSelector: {a: b}, runtime: {executionProviders: [cpu]}}"
    )
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("word", ["y", "n", "Y", "N"])
def test_a_bare_y_or_n_is_no_text_as_for_kubectl(word: str):
    assert "spec.slices[0].column: must be text" in refusal(PACK.replace("language", word))


def test_a_date_is_text_as_for_kubectl():
    (pack,) = parse_manifest(PACK.replace('"2026-11"', "2026-11-01"), "f.yaml")
    assert isinstance(pack, ScenarioPack)
    assert pack.spec.version == "2026-11-01"


@pytest.mark.parametrize(
    "text", ["y", "N", "no", "1e3", "08", "1:30", "2026-11-01", "0x10", "1_0", ".5", "~", "", "a: b"]
)
def test_text_stays_text_on_its_way_through_yaml(text: str):
    for key in ({text: 1}, {"a": text}):
        written = yaml.dump(key, Dumper=Dumper)
        assert yaml.load(written, Loader) == yaml.safe_load(written) == key


def test_a_merge_key_is_merged():
    text = POLICY + "spec:\n  gates:\n  - &a {name: a, metric: Accuracy}\n  - {<<: *a, name: b}"
    (policy,) = parse_manifest(text, "f.yaml")
    assert isinstance(policy, ValidationPolicy)
    assert [gate.name for gate in policy.spec.gates] == ["a", "b"]

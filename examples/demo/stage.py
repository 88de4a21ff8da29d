"""Setting the stage: cluster, images, models, the operator by its chart, and a baseline that serves."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from paritygate.evidence import manifest_digest

from examples.demo.runtime.server import version_of
from examples.quickstart.run import built
from tests.cluster import Cluster, Profile, ensure
from tests.cluster.progress import step
from tests.cluster.python_images import python_image

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
RENDERED = CHECKOUT / "build" / "demo"
SYSTEM = "paritygate-system"
SERVING_IMAGE = "dev.local/paritygate-demo-serving:1"
OPERATOR_IMAGE = "localhost/paritygate-operator:demo"
EVALUATOR_IMAGE = "localhost/paritygate-evaluator:demo"


@dataclass(frozen=True, slots=True)
class Stage:
    """A cluster with ParityGate installed, and where the demo's manifests lie."""

    cluster: Cluster
    namespace: str
    manifests: Path
    versions: Mapping[str, str]
    """Model name by the version that the serving runtime answers with."""
    digests: Mapping[str, str]
    """Digest by model name."""

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """kubectl in the demo's namespace."""
        return self.cluster.kubectl("-n", self.namespace, *words, stdin=stdin)

    @property
    def host(self) -> str:
        """The host name under which the model is reached."""
        return f"digits-predictor.{self.namespace}.example.com"

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """One object; empty when it isn't there."""
        text = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found")
        return dict(json.loads(text)) if text.strip() else {}


def set_stage(namespace: str) -> Stage:
    """Bring everything up that the stories need; what is there already is used."""
    cluster = ensure(profile=Profile.FULL)
    models = _models(cluster)
    _images(cluster)
    digests = {name: manifest_digest(models / name) for name in MODELS}
    manifests = _render(models, digests)
    install(cluster)
    versions = {version_of(models / name): name for name in MODELS}
    stage = Stage(cluster, namespace, manifests, versions, digests)
    serve_baseline(stage)
    return stage


MODELS = {"fp32": "fp32.onnx", "int8": "int8.onnx", "quiet": "int8-scanner-a.onnx", "leaky": "int8.onnx"}
"""Folder on the models' claim, and the file of the quick start that it holds."""


def _models(cluster: Cluster) -> Path:
    if cluster.models_dir is None:
        raise SystemExit("the demo puts its models into a folder that all nodes share: use the host or kind provider")
    source = CHECKOUT / "build" / "quickstart"
    with step("models and pack"):
        built(source)
    for name, file in MODELS.items():
        folder = cluster.models_dir / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copyfile(source / file, folder / "model.onnx")
    (cluster.models_dir / "leaky" / "runtime.json").write_text('{"keepWorkspaceMiB": 8}\n')
    shutil.rmtree(cluster.models_dir / "pack", ignore_errors=True)
    shutil.copytree(source / "pack", cluster.models_dir / "pack")
    return cluster.models_dir


def _images(cluster: Cluster) -> None:
    archives = [
        python_image(OPERATOR_IMAGE, ["operator"], ["/usr/bin/python3", "-m", "paritygate.shell"]),
        python_image(EVALUATOR_IMAGE, ["evaluator", "stores"], ["/usr/bin/python3"]),
        python_image(
            SERVING_IMAGE,
            None,
            ["/usr/bin/python3", "/app/server.py"],
            {"/app/server.py": HERE / "runtime" / "server.py"},
            packages=["onnxruntime", "numpy"],
        ),
    ]
    with step("load images"):
        cluster.load(*archives)


def _render(models: Path, digests: Mapping[str, str]) -> Path:
    """The manifests with the digests of this build: a digest can't be known before the artefact is."""
    values = {f"MODEL_{name.upper()}": digest for name, digest in digests.items()}
    values["PACK_INPUTS"] = manifest_digest(models / "pack" / "inputs.npz")
    values["PACK_LABELS"] = manifest_digest(models / "pack" / "labels.csv")
    values["SERVING_IMAGE"] = SERVING_IMAGE
    RENDERED.mkdir(parents=True, exist_ok=True)
    for source in sorted((HERE / "manifests").glob("*.yaml")):
        (RENDERED / source.name).write_text(Template(source.read_text()).substitute(values))
    return RENDERED


def install(cluster: Cluster, *values: str) -> None:
    """Install or upgrade the operator by its chart; extra `values` as --set arguments."""
    sets = {
        "image.repository": OPERATOR_IMAGE.rpartition(":")[0],
        "image.tag": OPERATOR_IMAGE.rpartition(":")[2],
        "image.pullPolicy": "Never",
        "evaluator.image": EVALUATOR_IMAGE,
        "evaluator.pullPolicy": "Never",
    }
    words = [f"--set={key}={value}" for key, value in sets.items()] + [f"--set={value}" for value in values]
    with step("install ParityGate by its chart"):
        cluster.helm(
            "upgrade", "--install", "paritygate", CHECKOUT / "charts" / "paritygate",
            "--namespace", SYSTEM, "--create-namespace", "--wait", "--timeout", "3m", *words,
        )  # fmt: skip


def serve_baseline(stage: Stage) -> None:
    """A clean namespace in which the float32 model serves. What was there is deleted."""
    cluster, namespace = stage.cluster, stage.namespace
    with step("a clean namespace"):
        if cluster.kubectl("get", "namespace", namespace, "-o", "name", "--ignore-not-found"):
            # Validations first, for their finalizer; then pods at once: Knative's drain takes minutes, for nobody.
            stage.kubectl("delete", "compressionvalidations,inferenceservices", "--all", "--timeout=60s")
            stage.kubectl("delete", "pods", "--all", "--grace-period=0", "--force")
            cluster.kubectl("delete", "namespace", namespace, "--timeout=60s")
        cluster.kubectl("create", "namespace", namespace)
        cluster.models_claim(namespace)
    with step("serve the float32 baseline"):
        for name in ("pool", "policy", "pack", "serving"):
            stage.kubectl("apply", "-f", str(stage.manifests / f"{name}.yaml"))
        stage.kubectl("wait", "--for=condition=Ready", "inferenceservice/digits", "--timeout=100s")

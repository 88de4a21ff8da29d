"""Setting the stage: cluster, images, models, the operator by its chart, and a baseline that serves."""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from paritygate.evidence import manifest_digest

from examples.demo.images import Images, load_images
from examples.demo.runtime.server import version_of
from examples.quickstart.run import built
from tests.cluster import Cluster, ClusterError, Profile, ensure
from tests.cluster.progress import step

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
RENDERED = CHECKOUT / "build" / "demo"
SYSTEM = "paritygate-system"


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
    images: Images

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
    """Bring everything up that the stories need, the baseline serving; what is there already is used."""
    stage = prepared(ensure(profile=Profile.FULL), namespace)
    serve_baseline(stage)
    return stage


def prepared(cluster: Cluster, namespace: str) -> Stage:
    """A cluster with images, models and ParityGate, and nothing in the namespace yet."""
    models = _models(cluster)
    images = load_images(cluster)
    digests = {name: manifest_digest(models / name) for name in MODELS}
    manifests = _render(models, digests, images)
    install(cluster, images)
    versions = {version_of(models / name): name for name in MODELS}
    return Stage(cluster, namespace, manifests, versions, digests, images)


MODELS = {"fp32": "fp32.onnx", "int8": "int8.onnx", "quiet": "int8-scanner-a.onnx", "leaky": "int8.onnx"}
"""Folder on the models' claim, and the file of the quick start that it holds."""

EXTRAS = {"leaky": {"runtime.json": b'{"keepWorkspaceMiB": 8}\n'}}
"""What else such a folder holds."""


def _models(cluster: Cluster) -> Path:
    if cluster.models_dir is None:
        raise SystemExit("the demo puts its models into a folder that all nodes share: use the host or kind provider")
    source = CHECKOUT / "build" / "quickstart"
    with step("models and pack"):
        built(source)
    for name, file in MODELS.items():
        _place(cluster.models_dir / name, {"model.onnx": (source / file).read_bytes()} | EXTRAS.get(name, {}))
    pack = {path.name: path.read_bytes() for path in (source / "pack").iterdir()}
    _place(cluster.models_dir / "pack", pack)
    return cluster.models_dir


def _place(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder hold just these files. Left alone if it does: somebody may be reading it."""
    if folder.is_dir() and {path.name: path.read_bytes() for path in folder.iterdir()} == dict(files):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _render(models: Path, digests: Mapping[str, str], images: Images) -> Path:
    """The manifests with the digests of this build: a digest can't be known before the artefact is."""
    values = {f"MODEL_{name.upper()}": digest for name, digest in digests.items()}
    values["PACK_INPUTS"] = manifest_digest(models / "pack" / "inputs.npz")
    values["PACK_LABELS"] = manifest_digest(models / "pack" / "labels.csv")
    values["SERVING_IMAGE"] = images.serving
    RENDERED.mkdir(parents=True, exist_ok=True)
    for source in sorted((HERE / "manifests").glob("*.yaml")):
        (RENDERED / source.name).write_text(Template(source.read_text()).substitute(values))
    return RENDERED


def install(cluster: Cluster, images: Images) -> None:
    """Install or upgrade the operator by its chart, unless just this one runs."""
    running = "jsonpath={.spec.template.spec.containers[0].image}"
    words = ("-n", SYSTEM, "get", "deployment", "paritygate", "-o", running, "--ignore-not-found")
    if cluster.kubectl(*words) == images.operator:
        return
    repository, _, tag = images.operator.rpartition(":")
    sets = {
        "image.repository": repository,
        "image.tag": tag,
        "image.pullPolicy": "Never",
        "evaluator.image": images.evaluator,
        "evaluator.images.torch": images.torch,
        "evaluator.pullPolicy": "Never",
    }
    values = [f"--set-string={key}={value}" for key, value in sets.items()]
    with step("install ParityGate by its chart"):
        cluster.helm(
            "upgrade", "--install", "paritygate", CHECKOUT / "charts" / "paritygate",
            "--namespace", SYSTEM, "--create-namespace", "--wait", "--timeout", "3m", *values,
        )  # fmt: skip


def clear_away(cluster: Cluster, namespace: str) -> None:
    """Delete a namespace and wait until it is gone."""
    there = ("get", "namespace", namespace, "-o", "name", "--ignore-not-found")
    if not cluster.kubectl(*there):
        return
    # Validations first, for their finalizer: the operator may have traffic to take back.
    cluster.kubectl("-n", namespace, "delete", "compressionvalidations", "--all", "--timeout=100s")
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")
    end = time.monotonic() + 120
    while cluster.kubectl(*there):
        if time.monotonic() > end:
            raise ClusterError(
                f"namespace {namespace} is not gone after 120 s", f"kubectl describe namespace {namespace}"
            )
        # Again and again, because what owns pods goes later than they: Knative's drain takes minutes, for nobody.
        cluster.kubectl("-n", namespace, "delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false")
        time.sleep(1)


def serve_baseline(stage: Stage) -> None:
    """A clean namespace in which the float32 model serves. What was there is deleted."""
    cluster, namespace = stage.cluster, stage.namespace
    with step("a clean namespace"):
        clear_away(cluster, namespace)
        cluster.kubectl("create", "namespace", namespace)
        cluster.models_claim(namespace)
    with step("serve the float32 baseline"):
        for name in ("pool", "policy", "pack", "serving"):
            stage.kubectl("apply", "-f", str(stage.manifests / f"{name}.yaml"))
        stage.kubectl("wait", "--for=condition=Ready", "inferenceservice/digits", "--timeout=100s")

"""The images of the demo, named by what is in them, so that a changed source is a changed Deployment."""

from dataclasses import dataclass
from pathlib import Path

from tests.cluster import Cluster
from tests.cluster.places import digest
from tests.cluster.progress import step
from tests.cluster.python_images import python_image
from tests.cluster.wheel import built_wheel

SERVER = Path(__file__).resolve().parent / "runtime" / "server.py"


@dataclass(frozen=True, slots=True)
class Images:
    """Names with tags."""

    operator: str
    evaluator: str
    torch: str
    """The evaluator with torch: 1.6 GB, so no node holds it before `load_torch`."""
    serving: str


def load_images(cluster: Cluster) -> Images:
    """Build what is not cached, load what the nodes do not hold."""
    ours = digest([built_wheel()])
    images = Images(
        operator=f"localhost/paritygate-operator:{ours}",
        evaluator=f"localhost/paritygate-evaluator:{ours}",
        torch=f"localhost/paritygate-evaluator-torch:{ours}",
        # dev.local is in Knative's list of registries whose tags it leaves alone.
        serving=f"dev.local/paritygate-demo-serving:{digest([SERVER])}",
    )
    archives = [
        python_image(images.operator, ["operator"], ["/usr/bin/python3", "-m", "paritygate.shell"]),
        python_image(images.evaluator, ["evaluator", "stores"], ["/usr/bin/python3"]),
        python_image(
            images.serving,
            None,
            ["/usr/bin/python3", "/app/server.py"],
            {"/app/server.py": SERVER},
            packages=["onnxruntime", "numpy"],
        ),
    ]
    with step("load images"):
        cluster.load(*archives)
    return images


def load_torch(cluster: Cluster, images: Images) -> None:
    """Build the evaluator with torch if it is not cached, and load it where evaluators of the pool cpu run."""
    archive = python_image(images.torch, ["evaluator", "stores", "torch"], ["/usr/bin/python3"])
    with step("load the evaluator with torch"):
        cluster.load(archive, pool="cpu")

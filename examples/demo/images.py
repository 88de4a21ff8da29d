"""The three images of the demo, named by what is in them, so that a changed source is a changed Deployment."""

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
    serving: str


def load_images(cluster: Cluster) -> Images:
    """Build what is not cached, load what the nodes do not hold."""
    ours = digest([built_wheel()])
    images = Images(
        operator=f"localhost/paritygate-operator:{ours}",
        evaluator=f"localhost/paritygate-evaluator:{ours}",
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

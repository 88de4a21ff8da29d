"""One stage for all stories: a real cluster, KServe, ParityGate installed by its chart, a model that serves."""

from collections.abc import Iterator

import pytest

from examples.demo.stage import Stage, prepared, serve_baseline
from examples.demo.stories import Traffic, traffic
from tests.cluster import Cluster
from tests.cluster.places import cache, locked


@pytest.fixture(scope="session")
def installed(cluster: Cluster, worker_id: str) -> Stage:
    """The stage, prepared once; a namespace for each worker, one worker at a time."""
    with locked(cache("e2e") / f"{cluster.name}.lock"):
        return prepared(cluster, f"parity-e2e-{worker_id}")


@pytest.fixture
def stage(installed: Stage) -> Stage:
    """A clean namespace in which the float32 baseline serves."""
    serve_baseline(installed)
    return installed


@pytest.fixture
def stream(stage: Stage) -> Iterator[Traffic]:
    """Requests through the data plane while a test runs."""
    with traffic(stage) as running:
        yield running

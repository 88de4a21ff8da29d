"""One stage for all stories: a real cluster, KServe, ParityGate installed by its chart, a model that serves."""

from collections.abc import Iterator

import pytest

from examples.demo.stage import Stage, serve_baseline, set_stage
from examples.demo.stories import Traffic, traffic

NAMESPACE = "parity-e2e"


@pytest.fixture(scope="session")
def installed() -> Stage:
    """The stage, set once."""
    return set_stage(NAMESPACE)


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

"""Fixtures that bring real clusters up: once a test run, shared by all of its processes.

A cluster that was up before the run is used and left as it was. One that the run itself started is taken down when its
last user leaves, be that another run at the same time. ``PARITYGATE_KEEP=1`` leaves it up.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.cluster import Cluster, Profile, ensure
from tests.cluster.lifecycle import down_if_unused, users_file


def _used(profile: Profile) -> Iterator[Cluster]:
    path = users_file(profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as users:
        _share(users)
        yield ensure(profile, session=True)


def _share(users: IO[str]) -> None:
    # Held while this process uses the cluster, so that nobody takes it down under it.
    fcntl.flock(users, fcntl.LOCK_SH)


@pytest.fixture(scope="session")
def api_cluster() -> Iterator[Cluster]:
    """An API server with etcd and nothing else: no nodes, no controllers."""
    yield from _used(Profile.API)


@pytest.fixture(scope="session")
def api_server(api_cluster: Cluster) -> Path:
    """The administrator's kubeconfig of `api_cluster`."""
    return api_cluster.kubeconfig


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two nodes with Knative Serving, Kourier, Envoy and KServe."""
    yield from _used(Profile.FULL)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Runs in the workers too; only the process that outlives them clears up."""
    if not hasattr(session.config, "workerinput") and os.environ.get("PARITYGATE_KEEP") != "1":
        for profile in Profile:
            down_if_unused(profile)

"""The chart as the real helm renders it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import golang
from tests.cluster.command import output
from tests.operator.conftest import served, story

__all__ = ["served", "story"]

CHART = Path(__file__).resolve().parents[2] / "charts" / "paritygate"

Objects = dict[tuple[str, str], dict[str, Any]]
Render = Callable[..., Objects]


@pytest.fixture(scope="session")
def helm() -> Callable[..., str]:
    """The output of a helm call; CommandFailed with what helm said where it fails."""
    binary = golang.built(golang.HELM)
    return lambda *words: output([binary, *words])


@pytest.fixture(scope="session")
def render(helm: Callable[..., str]) -> Render:
    """Objects by (kind, name), rendered for the release `pg` in namespace `system` with --set arguments."""

    def rendered(*sets: str) -> Objects:
        words = [word for value in sets for word in ("--set", value)]
        text = helm("template", "pg-paritygate", CHART, "--namespace", "system", *words)
        found = [document for document in yaml.safe_load_all(text) if document]
        return {(document["kind"], document["metadata"]["name"]): document for document in found}

    return rendered

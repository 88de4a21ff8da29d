from pathlib import Path

import pytest

from .case import Case


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Two models that answer alike and rightly."""
    return Case(tmp_path)

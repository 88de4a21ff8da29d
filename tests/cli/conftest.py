from pathlib import Path

import pytest

from tests.evaluator.case import Case


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Two models that answer alike and rightly."""
    return Case(tmp_path)

"""A few exhibits of each kind, judged as `make zoo` judges them all."""

from collections import Counter
from pathlib import Path

import pytest

from .collection import of_onnx
from .entry import Kind
from .judging import judge
from .table import inserted, render
from .workshop import Workshop

pytestmark = pytest.mark.whole

PAGE = Path(__file__).parents[2] / "docs" / "zoo.md"

EXHIBITS = {exhibit.name: exhibit for exhibit in of_onnx()}

QUICK = (
    "truncated-file",
    "label-error-added",
    "overconfident-head",
    "fp16",
    "regression-int8",
    "too-few-items",
)


@pytest.mark.parametrize("name", QUICK)
def test_an_exhibit_comes_out_as_it_must(name: str, tmp_path: Path) -> None:
    workshop, exhibit = Workshop(tmp_path), EXHIBITS[name]
    assert judge(exhibit, exhibit.make(workshop), workshop).wrong == ""


def test_the_quick_ones_are_of_every_kind() -> None:
    assert Counter(EXHIBITS[name].kind for name in QUICK) == {Kind.DAMAGE: 3, Kind.HONEST: 2, Kind.INCONCLUSIVE: 1}


def test_the_zoo_shows_enough_of_every_kind() -> None:
    kinds = Counter(exhibit.kind for exhibit in of_onnx())
    assert kinds[Kind.DAMAGE] >= 15
    assert kinds[Kind.HONEST] >= 8
    assert kinds[Kind.INCONCLUSIVE] >= 3
    assert len(EXHIBITS) == len(of_onnx())


def test_every_damage_has_a_gate_of_its_own_kind() -> None:
    gates = [exhibit.gate for exhibit in of_onnx() if exhibit.kind is Kind.DAMAGE]
    assert len(set(gates)) >= 15


def test_the_page_shows_every_exhibit() -> None:
    page = PAGE.read_text()
    assert inserted(page, render(of_onnx())) == page, "run: python -m tests.zoo --docs docs/zoo.md"

"""The second judge against the document's own numbers: it is no oracle before it reproduces them."""

import ast
import math
from itertools import repeat
from pathlib import Path

import pytest

from . import bets


def test_the_second_judge_shares_no_code_with_the_first():
    ours = [path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith(("test_", "evaluations"))]
    nodes = [node for path in ours for node in ast.walk(ast.parse(path.read_text()))]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    assert len(ours) == 8
    assert not [name for name in imported if name.startswith(("paritygate", "scipy"))]


def outcomes(*pairs, batch=8):
    return [[(1.0, up), (-1.0, down), (0.0, batch - up - down)] for up, down in pairs]


@pytest.mark.parametrize(
    ("flips", "margin", "stake"),
    [
        (0.02, 0.01, 0.417166444591),
        (0.05, 0.01, 0.193300903090),
        (0.02, 0.02, 0.629305372790),
        (0.0001, 0.01, 1.005063005597),
    ],
)
def test_stakes(flips, margin, stake):
    assert bets.stake(flips, margin) == pytest.approx(stake, abs=1e-12)


def test_the_first_five_batches():
    path = list(bets.flip(outcomes((0, 0), (1, 0), (0, 1), (0, 0), (0, 0)), 0.01, 0.02))
    assert path == pytest.approx([0.03330390, -0.48934669, -0.14227594, -0.11558866, -0.08814282], abs=1e-8)


def test_a_run_of_150_batches():
    flips = {11: (1, 0), 71: (2, 0), 31: (0, 1), 101: (0, 1)}
    batches = outcomes(*(flips.get(k, (0, 0)) for k in range(1, 151)))
    proof, harm = list(bets.flip(batches, 0.01, 0.02)), list(bets.grid(batches, 0.01))
    assert [proof[k - 1] for k in (1, 11, 31, 71, 101, 150)] == pytest.approx(
        [0.0333039, -0.31303109, 0.98926325, 0.67843736, 2.75113743, 5.47726638], abs=1e-8
    )
    assert [harm[k - 1] for k in (1, 11, 71, 150)] == pytest.approx(
        [-0.02054779, -0.01683083, -0.67237362, -1.22185876], abs=1e-8
    )
    assert next(8 * k for k, wealth in enumerate(proof, 1) if wealth >= math.log(20)) == 848


@pytest.mark.parametrize(
    ("alpha", "margin", "prior", "items"),
    [
        (0.05, 0.01, 0.02, 480),
        (0.05, 0.02, 0.02, 208),
        (0.05, 0.05, 0.02, 72),
        (0.05, 0.005, 0.02, 1072),
        (0.05, 0.0025, 0.02, 2296),
        (0.01, 0.01, 0.02, 688),
        (0.01, 0.02, 0.02, 312),
        (0.01, 0.05, 0.02, 112),
        (0.001, 0.01, 0.02, 968),
        (0.001, 0.02, 0.02, 448),
        (0.001, 0.05, 0.02, 160),
        (0.05, 0.01, 0.01, 392),
        (0.05, 0.02, 0.01, 184),
        (0.01, 0.01, 0.01, 584),
        (0.01, 0.02, 0.01, 272),
        (0.001, 0.01, 0.01, 840),
        (0.001, 0.02, 0.01, 400),
    ],
)
def test_items_to_a_pass_without_a_flip(alpha, margin, prior, items):
    path = bets.flip(repeat(outcomes((0, 0))[0]), margin, prior)
    assert next(8 * k for k, wealth in enumerate(path, 1) if wealth >= math.log(1 / alpha)) == items


@pytest.mark.parametrize(
    ("population", "margin", "allowed"), [(1000, "0.01", 10), (100, "0.07", 7), (300, "0.005", 2), (29, "0.1", 3)]
)
def test_the_allowed_loss_of_a_locked_set_is_exact(population, margin, allowed):
    assert bets.allowed_loss(population, margin) == allowed


def test_a_locked_set_is_certain_at_its_end():
    for lost in range(8):
        batches = outcomes(*((1, 0) if k < lost else (0, 0) for k in range(10)))
        proof = list(bets.locked_flip(batches, 80, 4, 0.02))[-1]
        harm = list(bets.locked_grid(batches, 80, 4))[-1]
        assert (math.isinf(proof), math.isinf(harm)) == (lost < 4, lost >= 4)

"""Items that repeat another and items of one cluster: how they are found, and what an evaluation makes of them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paritygate.api import DataFile, Outcome, PlannedPack, Reason, Task
from paritygate.judge import Items, order_seed, recompute
from paritygate.stats.order import item_order
from paritygate_evaluator.ending import EvaluatorError
from paritygate_evaluator.referee.labels import read_label_file, together
from paritygate_evaluator.referee.planning import cluster_places, repeats_in
from paritygate_evaluator.runner import overlap
from paritygate_evaluator.runner.items import load_inputs
from paritygate_evaluator.runner.overlap import first_alike

from .case import Case


@settings(deadline=None)
@given(
    rows=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    dtype=st.sampled_from(["f4", "f8", "u1", "i8", "?", "f2", "U3"]),
    width=st.sampled_from([0, 1, 3, 8]),
    block=st.sampled_from([1, 64, 1 << 20]),
)
def test_the_first_item_of_the_same_content_is_found(rows: list[int], dtype: str, width: int, block: int) -> None:
    numbers = np.array(rows)
    items = {
        "x": np.tile((numbers % 3)[:, None], width).astype(dtype) if width else (numbers % 3).astype(dtype),
        "y": (numbers // 3).astype(np.float32),
    }
    content = [tuple(array[k].tobytes() for array in items.values()) for k in range(len(rows))]
    before, overlap.BLOCK = overlap.BLOCK, block
    try:
        assert first_alike(items).tolist() == [content.index(one) for one in content]
    finally:
        overlap.BLOCK = before


def test_items_of_one_number_and_different_content_are_told_apart() -> None:
    """The sign bits of two words cancel out in the sum that is looked at first."""
    signs = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])
    assert first_alike({"x": signs}).tolist() == [0, 1, 2, 3, 0]


def test_items_in_a_file_are_compared_as_those_in_memory(tmp_path: Path) -> None:
    x = np.arange(40, dtype=np.float32).reshape(20, 2)
    x[13] = x[4]
    np.savez(tmp_path / "inputs.npz", x=x, text=np.array(["a"] * 20))
    items, _ = load_inputs([tmp_path], 1 << 20)
    assert np.flatnonzero(first_alike(items) != np.arange(20)).tolist() == [13]


def test_of_one_content_the_first_in_the_order_stays_and_a_corpus_is_repeated_by_nobody() -> None:
    first = np.array([0, 1, 0, 0, 1, 5])
    ids = [f"i{k}" for k in range(6)]
    order = np.array([3, 4, 0, 5, 2, 1])
    assert np.flatnonzero(repeats_in(Items(ids, {}, order=order), first)).tolist() == [0, 1, 2]
    queries = np.array([True, True, True, False, True, True])  # 3 is of the corpus
    assert np.flatnonzero(repeats_in(Items(ids, {}, judged=queries, order=order), first)).tolist() == [1, 2]


def labels_of(tmp_path: Path, name: str, cells: list[str], cluster: str | None = "doc"):  # type: ignore[no-untyped-def]
    rows = [f"{name}{k},0,{cell}" for k, cell in enumerate(cells)]
    (tmp_path / f"{name}.csv").write_text("\n".join(["id,label,doc", *rows]) + "\n")
    return read_label_file(tmp_path / f"{name}.csv", name, (), cluster)


def test_the_order_of_clusters_is_drawn_like_that_of_items_and_one_for_all_packs_of_a_column(
    tmp_path: Path, case: Case
) -> None:
    plan = case.plan()
    packs = tuple(
        PlannedPack(
            name=name,
            version="1",
            task=Task.CLASSIFICATION,
            inputs=DataFile(uri=name),
            labels=DataFile(uri=name),
            cluster=cluster,
        )
        for name, cluster in (("a", "doc"), ("b", None), ("c", "doc"), ("d", "patient"))
    )
    plan = plan.model_copy(update={"packs": packs})
    labels = together(
        [
            ("a", labels_of(tmp_path, "a", ["x", "y", "x"])),
            ("b", labels_of(tmp_path, "b", ["x", "x"], None)),
            ("c", labels_of(tmp_path, "c", ["y", "z", "z"])),
            ("d", labels_of(tmp_path, "d", ["x", "y"])),
        ]
    )
    assert "doc" not in labels.columns
    places = cluster_places(plan, labels)
    assert places is not None
    ids = ["doc\nx", "doc\ny", "b/b0", "b/b1", "doc\nz", "patient\nx", "patient\ny"]
    drawn = np.empty(7, np.int64)
    drawn[item_order(order_seed(plan), ids)] = np.arange(7)
    assert places.tolist() == drawn[[0, 1, 0, 2, 3, 1, 4, 4, 5, 6]].tolist()


REFUSED = [
    ("no such column", "id,label,scanner\n1,0,A\n2,1,A\n", r"column 'doc' \(spec.cluster of the pack\) is missing"),
    ("one for all", "id,label,doc\n1,0,A\n2,1,A\n", "spec.cluster: column 'doc' holds 'A' for all 2 items"),
    ("an empty value", "id,label,doc\n1,0,A\n2,1,\n", "row 3: column 'doc' is empty"),
]


@pytest.mark.parametrize(("what", "text", "said"), REFUSED, ids=[row[0] for row in REFUSED])
def test_clusters_that_are_none_are_refused(tmp_path: Path, what: str, text: str, said: str) -> None:
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(EvaluatorError, match=said) as error:
        read_label_file(tmp_path / "l.csv", "core", (), "doc")
    assert error.value.reason is Reason.PACK_INVALID


def test_a_cluster_may_be_a_slice_too(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("id,label,doc\n1,0,A\n2,1,B\n")
    labels = read_label_file(tmp_path / "l.csv", "core", ("doc",), "doc")
    assert labels.columns["doc"] == ("A", "B")
    assert labels.clusters == (("A", "B"),)


def repeating(case: Case, contents: int) -> None:
    """The pack of 2,000 items holds so many different ones."""
    x = case.inputs_of()["x"]
    case.inputs = {"x": x[np.arange(len(x)) % contents]}


@pytest.mark.whole
def test_repeats_are_left_out_and_told(case: Case) -> None:
    repeating(case, 1400)
    result = case.judge()
    assert (result.outcome, result.repeated_items) == (Outcome.PASSED, 600)
    overall = next(gate for gate in result.gates if gate.name == "accuracy")
    assert overall.planned is not None
    assert overall.planned.have == 1400
    assert recompute(case.plan(), result).outcome is Outcome.PASSED


@pytest.mark.whole
def test_a_gate_that_repeats_leave_too_small_is_refused_with_their_number(case: Case) -> None:
    repeating(case, 40)
    result = case.judge()
    assert (result.outcome, result.reason) == (Outcome.INCONCLUSIVE, Reason.UNDERPOWERED)
    assert result.repeated_items == 1960
    assert result.items == 0
    assert result.message.startswith(
        "1,960 items have the inputs of another and are no new evidence. accuracy: 40 items"
    )
    assert recompute(case.plan(), result).reason is Reason.UNDERPOWERED


@pytest.mark.whole
def test_a_candidate_that_fails_on_whole_documents_fails(case: Case) -> None:
    case.lose(lambda i: i // 4 % 5 == 0)
    in_documents(case, 4)
    result = case.judge()
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.HARM_PROVED)
    assert "clusters" in result.message
    assert recompute(case.plan(), result).outcome is Outcome.FAILED


def test_too_few_documents_are_refused_as_such(case: Case) -> None:
    in_documents(case, 100)
    result = case.judge()
    assert (result.outcome, result.reason) == (Outcome.INCONCLUSIVE, Reason.UNDERPOWERED)
    assert "accuracy: 20 clusters can't prove 2.00 points" in result.message
    assert case.asked == []


def in_documents(case: Case, size: int) -> None:
    case.cluster = "document"
    rows = [f"i{k},{label},{case.scanners[k]},d{k // size}" for k, label in enumerate(case.truth)]
    case.labels = "\n".join(["id,label,scanner,document", *rows]) + "\n"


@pytest.mark.whole
def test_documents_pass_when_they_are_enough_and_the_record_proves_it(case: Case) -> None:
    case.gates = ({"name": "accuracy", "metric": "Accuracy", "margin": "0.04"},)
    in_documents(case, 2)
    result = case.judge()
    assert result.outcome is Outcome.PASSED, result.message
    overall = next(gate for gate in result.gates if gate.name == "accuracy")
    assert overall.planned is not None
    assert (overall.planned.have, overall.planned.items) == (1000, 2000)
    assert overall.bet.startswith("bounded/1")
    assert recompute(case.plan(), result).outcome is Outcome.PASSED

"""The files of a pack, in both formats."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paritygate_evaluator.ending import EvaluatorError
from paritygate_evaluator.referee.client import Port
from paritygate_evaluator.referee.labels import Column, Ids, read_label_file, together
from paritygate_evaluator.referee.scoring import ClassificationScorer
from paritygate_evaluator.runner.items import InputsError, load_inputs
from pyarrow import parquet

LIMIT = 1 << 20


def test_parquet_inputs_are_columns_of_numbers_or_lists(tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    table = pa.table(
        {
            "pixels": pa.array(pixels.tolist(), pa.list_(pa.list_(pa.float32()))),
            "fixed": pa.array([[1, 2], [3, 4]], pa.list_(pa.int64(), 2)),
            "amount": pa.array([1.5, 2.5], pa.float64()),
            "text": ["a", "bc"],
        }
    )
    parquet.write_table(table, tmp_path / "inputs.parquet")
    arrays, counts = load_inputs([tmp_path], LIMIT)
    assert counts == (2,)
    np.testing.assert_array_equal(arrays["pixels"], pixels)
    assert (arrays["fixed"].shape, arrays["amount"].dtype) == ((2, 2), np.float64)
    assert arrays["text"].tolist() == ["a", "bc"]


def test_packs_are_judged_one_after_the_other(tmp_path: Path) -> None:
    for name, items in (("0", 3), ("1", 2)):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "i.npz", x=np.full((items, 2), items))
    arrays, counts = load_inputs([tmp_path / "0", tmp_path / "1"], LIMIT)
    assert counts == (3, 2)
    assert arrays["x"][:, 0].tolist() == [3, 3, 3, 2, 2]


BAD_INPUTS: list[tuple[str, dict[str, object], str]] = [
    ("two lengths", {"x": np.zeros((3, 1)), "y": np.zeros((2, 1))}, "differ in items"),
    ("no axis", {"x": np.float32(3)}, "holds no items"),
    ("nothing", {}, "holds no array"),
    ("too large", {"x": np.zeros(LIMIT)}, "unpacks to"),
]


@pytest.mark.parametrize(("what", "arrays", "said"), BAD_INPUTS, ids=[b[0] for b in BAD_INPUTS])
def test_bad_arrays(tmp_path: Path, what: str, arrays: dict[str, np.ndarray], said: str) -> None:
    np.savez(tmp_path / "i.npz", **arrays)
    with pytest.raises(InputsError, match=said):
        load_inputs([tmp_path], LIMIT)


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(InputsError, match="holds 0"):
        load_inputs([tmp_path], LIMIT)
    (tmp_path / "i.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputsError, match=r"not a readable \.npz"):
        load_inputs([tmp_path], LIMIT)
    (tmp_path / "i.npz").rename(tmp_path / "i.parquet")
    with pytest.raises(InputsError, match="not a readable Parquet"):
        load_inputs([tmp_path], LIMIT)
    (tmp_path / "i.parquet").rename(tmp_path / "i.pkl")
    with pytest.raises(InputsError, match=r"ends in '\.pkl'"):
        load_inputs([tmp_path], LIMIT)
    (tmp_path / "i.pkl").unlink()
    parquet.write_table(pa.table({"x": [[1.0], [1.0, 2.0]]}), tmp_path / "i.parquet")
    with pytest.raises(InputsError, match="differ in length"):
        load_inputs([tmp_path], LIMIT)
    parquet.write_table(pa.table({"x": [1.0, None]}), tmp_path / "i.parquet")
    with pytest.raises(InputsError, match="1 empty cells"):
        load_inputs([tmp_path], LIMIT)


def test_parquet_labels_are_read_as_text(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"id": [7, 8], "label": [1, 0], "band": ["x", "y"]}), tmp_path / "l.parquet")
    labels = read_label_file(tmp_path / "l.parquet", "core", ("band",))
    assert (labels.ids, labels.labels, labels.columns["band"]) == (("7", "8"), ("1", "0"), ("x", "y"))


def test_labels_of_several_packs_keep_their_ids_apart(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("id,label,band,only here\n1,0,x,y\n2,1,z,y\n")
    one = read_label_file(tmp_path / "l.csv", "core", ("band", "only here"))
    (tmp_path / "l.csv").write_text("id,label,band\n1,1,z\n")
    both = together([("core", one), ("more", read_label_file(tmp_path / "l.csv", "more", ("band",)))])
    assert both.ids == ("core/1", "core/2", "more/1")
    assert both.counts == (2, 1)
    assert both.labels == ("0", "1", "1")
    assert both.columns == {"band": ("x", "z", "z"), "pack": ("core", "core", "more")}


def test_every_item_says_which_pack_it_is_from(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("id,label\n1,0\n2,0\n")
    assert read_label_file(tmp_path / "l.csv", "core", ()).columns == {"pack": ("core", "core")}
    with pytest.raises(EvaluatorError, match="'pack' is no slice column to declare"):
        read_label_file(tmp_path / "l.csv", "core", ("band", "pack"))


def test_a_column_is_its_distinct_texts_and_a_number_an_item() -> None:
    column = Column.of(["b", "a", "b", "b"])
    assert (column.values, column.codes.tolist()) == (("b", "a"), [0, 1, 0, 0])
    assert (list(column), column[1], column[-1], column[1:3], len(column)) == (list("babb"), "a", "b", ("a", "b"), 4)
    with pytest.raises(IndexError):
        column[4]


@settings(deadline=None)
@given(st.lists(st.text(max_size=5), max_size=30))
def test_columns_and_ids_are_the_texts_they_were_made_of(texts: list[str]) -> None:
    for kept in (Column.of(texts), Ids.of(texts)):
        assert kept == texts
        assert [kept[k] for k in range(-len(texts), len(texts))] == 2 * texts


def test_the_first_repetition_is_named_with_both_rows(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("id,label\n" + "".join(f"{k % 40},0\n" for k in range(100)))
    with pytest.raises(EvaluatorError, match="row 42: id '0' was already in row 2;"):
        read_label_file(tmp_path / "l.csv", "core", ())


def test_many_labels_are_read_in_pieces(tmp_path: Path) -> None:
    count = 40_000
    table = pa.table({"id": list(range(count)), "label": [k % 3 for k in range(count)]})
    parquet.write_table(table, tmp_path / "l.parquet")
    labels = read_label_file(tmp_path / "l.parquet", "core", ())
    assert labels.ids == [str(k) for k in range(count)]
    assert labels.labels.codes.tolist() == [k % 3 for k in range(count)]
    table = table.set_column(0, "id", pa.array([*range(count - 1), None]))
    parquet.write_table(table, tmp_path / "l.parquet")
    with pytest.raises(EvaluatorError, match=f"row {count}: column 'id' is empty"):
        read_label_file(tmp_path / "l.parquet", "core", ())


BAD_LABELS = [
    ("not UTF-8", b"id,label\n1,\xff\n", "not a readable CSV in UTF-8"),
    ("open quote", b'id,label\n1,"0\n', "not a readable CSV"),
    ("column twice", b"id,label,label\n1,0,0\n", "'label' is there twice"),
    ("escape codes", b"id,label\n\x1b[31m,0\n", "printable"),
    ("empty label", b"id,label\n1,0\n2,\n", "row 3: column 'label' is empty"),
    ("no rows", b"id,label\n", "no items"),
    ("too few cells", b"id,label\n1,0\n2\n", "row 3: 1 cells where the header has 2"),
    ("long id", b"id,label\n" + b"x" * 300 + b",0\n", "more than 200"),
]


@pytest.mark.parametrize(("what", "content", "said"), BAD_LABELS, ids=[b[0] for b in BAD_LABELS])
def test_bad_labels(tmp_path: Path, what: str, content: bytes, said: str) -> None:
    (tmp_path / "l.csv").write_bytes(content)
    with pytest.raises(EvaluatorError, match=said):
        read_label_file(tmp_path / "l.csv", "core", ())


SCORES = Port("scores", "float32", (None, 3))
NAMES = Port("names", "str", (None,))


def test_answers_are_the_class_with_the_highest_score() -> None:
    scorer = ClassificationScorer("core", [SCORES], ["0", "1", "2"])
    baseline = np.array([[9, 1, 1], [1, 9, 1], [1, 9, 1]], np.float32)
    candidate = np.array([[9, 1, 1], [1, 1, 9], [1, 1, 9]], np.float32)
    scored = scorer.score(np.arange(3), [baseline], [candidate])
    assert scored.outcomes.tolist() == [1, 2, 3]  # both right, lost, won
    assert scored.confidence[1] == pytest.approx(np.exp(9) / (np.exp(9) + 2 * np.exp(1)))
    assert scored.confidence[0] == 0


def test_answers_may_be_named_by_the_model() -> None:
    scorer = ClassificationScorer("core", [NAMES, SCORES], ["cat", "dog"])
    scored = scorer.score(np.arange(2), [np.array(["cat", "cow"])] * 2, [np.array(["cow", "cow"])] * 2)
    assert scored.outcomes.tolist() == [2, 0]
    assert scorer.text(int(scored.candidate[0])) == "cow"


def test_one_nan_marks_its_item_only() -> None:
    scorer = ClassificationScorer("core", [SCORES], ["0", "1", "2"])
    clean = np.eye(3, dtype=np.float32)
    broken = clean.copy()
    broken[1, 2] = np.nan
    scored = scorer.score(np.arange(3), [clean], [broken])
    assert scored.candidate_finite.tolist() == [True, False, True]
    assert scored.baseline_finite.all()


def test_a_pack_that_nobody_labelled_has_no_label_column(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("id,band\na,x\nb,y\n")
    labels = read_label_file(tmp_path / "l.csv", "core", ("band",), labelled=False)
    assert (list(labels.labels), list(labels.columns["band"]), labels.labelled) == (["-", "-"], ["x", "y"], False)
    assert not together([("one", labels), ("two", labels)]).labelled
    (tmp_path / "both.csv").write_text("id,label,band\na,1,low\n")
    with pytest.raises(EvaluatorError, match="column 'label' is there, and the pack says unlabelled: true"):
        read_label_file(tmp_path / "both.csv", "core", ("band",), labelled=False)
    with pytest.raises(EvaluatorError, match=r"'label' is missing.*write unlabelled: true into the pack"):
        read_label_file(tmp_path / "l.csv", "core", ("band",))

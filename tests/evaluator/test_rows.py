"""Inputs that stay on the disk: the same rows as in memory, whatever file they lie in."""

import io
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paritygate_evaluator.runner.callers import Callers
from paritygate_evaluator.runner.items import load_inputs
from paritygate_evaluator.runner.rows import NEAR, Gathered, InputsError, RowFile, Segment, gathered
from paritygate_evaluator.runner.runtime import RunFailedError
from pyarrow import parquet

LIMIT = 1 << 24
ON_DISK, IN_MEMORY = 0, 1 << 30

ARRAYS = {
    "floats": np.random.default_rng(0).normal(size=(50, 3, 4)).astype(np.float32),
    "half": np.random.default_rng(1).normal(size=(50, 2)).astype(np.float16),
    "tokens": np.random.default_rng(2).integers(0, 99, (50, 7)),
    "pixels": np.random.default_rng(3).integers(0, 256, (50, 2, 2), np.uint8),
    "flag": np.arange(50) % 3 == 0,
    "text": np.array([f"käse {k}" for k in range(50)]),
    "columns first": np.asfortranarray(np.random.default_rng(4).normal(size=(50, 5))),
    "big endian": np.arange(100, dtype=">i4").reshape(50, 2),
}


def written(folder: Path, how: str) -> Path:
    """The arrays in a file of their own, as teams write them."""
    folder.mkdir()
    if how == "parquet":
        columns = {}
        for name, array in ARRAYS.items():
            values = pa.array(array.astype(array.dtype.newbyteorder("=")).reshape(-1))
            for size in reversed(array.shape[1:]):
                values = pa.FixedSizeListArray.from_arrays(values, size)
            columns[name] = values
        parquet.write_table(pa.table(columns), folder / "i.parquet", row_group_size=8)
    else:
        (np.savez if how == "stored" else np.savez_compressed)(folder / "i.npz", **ARRAYS)
    return folder


@pytest.mark.parametrize("in_memory", [ON_DISK, IN_MEMORY], ids=["on the disk", "in memory"])
@pytest.mark.parametrize("how", ["stored", "compressed", "parquet"])
def test_rows_are_those_that_were_written(tmp_path: Path, how: str, in_memory: int) -> None:
    items, counts = load_inputs([written(tmp_path / "pack", how)], LIMIT, in_memory)
    assert counts == (50,)
    indices = np.random.default_rng(5).permutation(50)[:33]
    for name, array in ARRAYS.items():
        rows = items[name]
        assert isinstance(rows, RowFile) == (in_memory == ON_DISK)
        assert (rows.shape, len(rows), rows.ndim) == (array.shape, 50, array.ndim)
        assert rows.dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(np.take(rows, indices, axis=0), array[indices])


def test_packs_on_the_disk_follow_each_other_and_text_is_as_wide_as_the_longest(tmp_path: Path) -> None:
    for name, texts in (("0", ["a", "bb"]), ("1", ["a longer one", "", "c"])):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "i.npz", text=np.array(texts), x=np.full((len(texts), 2), len(texts)))
    for in_memory in (ON_DISK, IN_MEMORY):
        items, counts = load_inputs([tmp_path / "0", tmp_path / "1"], LIMIT, in_memory)
        assert counts == (2, 3)
        assert np.take(items["text"], [3, 1, 2, 0, 4], axis=0).tolist() == ["", "bb", "a longer one", "a", "c"]
        assert np.take(items["x"], [4, 0, 1, 2, 3], axis=0)[:, 0].tolist() == [3, 2, 2, 3, 3]


@pytest.fixture(scope="module")
def two_files() -> tuple[RowFile, np.ndarray]:
    """Rows in two files, not from their beginning."""
    array = np.arange(60, dtype=np.int32).reshape(20, 3)
    segments = []
    for part in (array[:7], array[7:]):
        stream = tempfile.TemporaryFile()  # noqa: SIM115
        stream.write(b"head" + part.tobytes())
        stream.flush()
        segments.append(Segment(stream, 4, len(part)))
    return RowFile(array.dtype, (3,), segments), array


@settings(deadline=None)
@given(st.lists(st.integers(0, 19), max_size=40))
def test_any_rows_in_any_order(two_files: tuple[RowFile, np.ndarray], wanted: list[int]) -> None:
    rows, array = two_files
    indices = np.array(wanted, np.int64)
    np.testing.assert_array_equal(rows.take(indices), array[indices])
    out = np.empty((len(wanted), 3), np.int32)
    assert np.take(rows, indices, axis=0, out=out, mode="clip") is out
    np.testing.assert_array_equal(out, array[indices])


@settings(deadline=None)
@given(st.lists(st.integers(0, 19), min_size=1, max_size=40), st.integers(1, 3), st.sampled_from([1, 5, 1000]))
def test_rows_that_are_near_are_brought_at_once_and_are_the_same(
    two_files: tuple[RowFile, np.ndarray], wanted: list[int], threads: int, at_once: int
) -> None:
    rows, array = two_files
    indices = np.array(wanted, np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("paritygate_evaluator.runner.rows._PIECE", at_once * 12)
        near = gathered(rows, indices, Callers(threads))
    assert isinstance(near, Gathered)
    assert (near.dtype, near.shape, near.ndim, len(near)) == (rows.dtype, rows.shape, rows.ndim, len(rows))
    out = np.empty((len(wanted), 3), np.int32)
    assert np.take(near, indices, axis=0, out=out, mode="clip") is out
    np.testing.assert_array_equal(out, array[indices])
    for missing in {*range(-1, 21)} - {*wanted}:
        with pytest.raises(IndexError):
            near.take(np.array([missing]))


def test_rows_far_apart_or_many_are_read_where_they_are_needed() -> None:
    """What lies between far rows would take longer to read than a call for each; many would not fit into memory."""
    with tempfile.TemporaryFile() as stream:
        stream.truncate(1 << 24)
        rows = RowFile(np.dtype(np.uint8), (64,), [Segment(stream, 0, (1 << 24) // 64)])
        for step, brought in ((NEAR // 64, True), (2 * NEAR // 64, False)):
            found = gathered(rows, np.arange(0, len(rows), step), Callers(2))
            assert isinstance(found, Gathered) == brought
        assert gathered(rows, np.arange(len(rows)), Callers(2)) is rows


def test_what_the_system_has_to_fetch_is_announced_and_then_read(
    two_files: tuple[RowFile, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, array = two_files
    read, told = os.preadv, []

    def waits(descriptor: int, buffers: list[memoryview], offset: int, flags: int) -> int:
        if flags:
            raise BlockingIOError(11, "would wait")
        return read(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", waits)
    monkeypatch.setattr(os, "posix_fadvise", lambda *asked: told.append(asked[1:3]))
    np.testing.assert_array_equal(rows.take([9, 2, 3, 17]), array[[9, 2, 3, 17]])
    assert told == [(28, 12), (28, 24), (124, 12)]


def test_neighbours_across_two_files(two_files: tuple[RowFile, np.ndarray]) -> None:
    rows, array = two_files
    np.testing.assert_array_equal(rows.take(np.arange(20)), array)


def test_rows_that_are_not_there_are_an_error(two_files: tuple[RowFile, np.ndarray]) -> None:
    rows, _ = two_files
    for wanted in ([20], [-1], [3, 99]):
        with pytest.raises(IndexError):
            rows.take(wanted)
    with pytest.raises(ValueError, match="contiguous"):
        rows.take([0, 1], out=np.empty((3, 2), np.int32).T)
    with pytest.raises(ValueError, match="contiguous"):
        rows.take([0, 1], out=np.empty((2, 3), np.float32))


def test_a_column_may_be_taken_as_rows_of_one(tmp_path: Path) -> None:
    np.savez(tmp_path / "i.npz", amount=np.arange(5.0))
    items, _ = load_inputs([tmp_path], LIMIT, ON_DISK)
    assert items["amount"].reshape(-1, 1).take(np.array([4, 2]), axis=0).tolist() == [[4.0], [2.0]]


def test_a_file_cut_short_while_it_is_read_is_an_error_and_no_signal(tmp_path: Path) -> None:
    np.savez(tmp_path / "i.npz", x=np.zeros((1000, 100)))
    items, _ = load_inputs([tmp_path], LIMIT, ON_DISK)
    os.truncate(tmp_path / "i.npz", 1000)
    with pytest.raises(RunFailedError, match="shorter"):
        items["x"].take(np.array([900]), axis=0)


def member(content: bytes) -> bytes:
    """An archive with one member, x."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", content)
    return file.getvalue()


def npy(shape: str, dtype: str = "<f4", data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """An .npy with this in its header."""
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + data


HOSTILE = [
    ("no array", b"import os", "not a readable"),
    ("objects", npy("(1,)", "|O", b"x"), "objects"),
    ("newer format", npy("(1,)", version=b"\x03\x00"), "format"),
    ("less than announced", npy("(2, 3)", data=b"1234"), "holds 4 bytes where 24 are announced"),
    ("more than can be", npy("(1 << 60,)"), "not a readable"),
    ("huge", npy(f"({1 << 60},)"), "are announced"),
    ("negative", npy("(-1, 4)"), "announces"),
    ("items of nothing", npy(f"({1 << 60}, 0)"), "hold nothing"),
]


@pytest.mark.parametrize(("what", "content", "said"), HOSTILE, ids=[h[0] for h in HOSTILE])
def test_hostile_members_are_refused(tmp_path: Path, what: str, content: bytes, said: str) -> None:
    (tmp_path / "i.npz").write_bytes(member(content))
    with pytest.raises(InputsError, match=said):
        load_inputs([tmp_path], LIMIT, ON_DISK)


def test_an_array_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "i.npz", "w") as archive:
        archive.writestr("x.npy", npy("(1,)", data=b"1234"))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.npy", npy("(1,)", data=b"1234"))
    with pytest.raises(InputsError, match="'x' twice"):
        load_inputs([tmp_path], LIMIT, ON_DISK)


def test_no_room_to_unpack_is_told_with_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "i.npz", x=np.zeros((10, 10)))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(InputsError, match=r"can't be unpacked into .*nowhere.*TMPDIR"):
        load_inputs([tmp_path], LIMIT, ON_DISK)


BAD_COLUMNS = [
    ("ragged later", {"x": [[1.0]] * 9 + [[1.0, 2.0]]}, "differ in length"),
    ("empty later", {"x": [1.0] * 9 + [None] * 3}, "3 empty cells"),
    ("empty text", {"x": ["a"] * 9 + [None] * 2}, "2 empty cells"),
    ("empty inside", {"x": [[1.0, 2.0]] * 9 + [[1.0, None]]}, "inside its lists"),
    ("dates", {"x": pa.array([[b"1"]], pa.list_(pa.binary()))}, "of type binary"),
    ("no items", {"x": pa.array([], pa.float32())}, "holds no items"),
    ("too large", {"x": pa.FixedSizeListArray.from_arrays(np.zeros(LIMIT // 4), LIMIT // 16)}, "unpacks to"),
    ("one long text", {"x": ["a"] * 100 + ["b" * (LIMIT // 400)]}, "unpacks to"),
]


@pytest.mark.parametrize(("what", "columns", "said"), BAD_COLUMNS, ids=[b[0] for b in BAD_COLUMNS])
def test_bad_columns(tmp_path: Path, what: str, columns: dict[str, object], said: str) -> None:
    parquet.write_table(pa.table(columns), tmp_path / "i.parquet", row_group_size=4)
    with pytest.raises(InputsError, match=said):
        load_inputs([tmp_path], LIMIT, ON_DISK)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paritygate.judge.batchlog import decode_flips, encode_flips


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=60), st.integers(1, 8))
def test_a_log_tells_every_batch_again(flips, last):
    rows = np.zeros((len(flips), 4), np.int64)
    for row, (n10, n01) in zip(rows, flips, strict=True):
        row[:] = (n10, n01, 8 - n10 - n01, 0)
    if len(rows):
        rows[-1] = (0, 0, last, 0)
    n = int(rows.sum())
    assert (decode_flips(encode_flips(rows), n, 8) == rows).all()


@pytest.mark.parametrize(
    ("text", "n"),
    [("0,0", 9), ("0,0*3", 8), ("x", 8), ("0,0*", 8), ("5,4", 8), ("-1,0", 8), ("0,0 0,0", 8), ("", 1), ("9,0", 3)],
)
def test_a_log_that_does_not_fit_is_refused(text, n):
    with pytest.raises(ValueError, match="batch"):
        decode_flips(text, n, 8)

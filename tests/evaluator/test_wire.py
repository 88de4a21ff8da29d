"""Frames between processes that do not trust each other."""

import json
import socket
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes
from paritygate_evaluator import wire
from paritygate_evaluator.wire import LARGEST_HEADER, WireError, receive, send

TRAVELS = scalar_dtypes().filter(lambda dtype: dtype.kind in "biuf")


@given(st.lists(arrays(TRAVELS, array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)), max_size=4))
def test_what_is_sent_arrives(sent: list[np.ndarray]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, {"verb": "x"}, sent)
        frame = receive(theirs)
    assert frame.header == {"verb": "x"}
    for one, other in zip(sent, frame.arrays, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_text_and_views_travel() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sent = [np.array(["käse", "b"]), np.arange(20).reshape(4, 5).T[::2]]
        send(ours, {}, sent)
        for one, other in zip(sent, receive(theirs).arrays, strict=True):
            np.testing.assert_array_equal(one, other)


def raw(header: object) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack(">I", len(text)) + text


HOSTILE = [
    ("closed at once", b"", "closed the connection"),
    ("closed inside", raw({"arrays": [["<f4", [4]]]}) + b"123", "closed the connection"),
    ("header too long", struct.pack(">I", LARGEST_HEADER + 1), "at most"),
    ("no JSON", raw(b"nonsense"), "no JSON"),
    ("no object", raw([1]), "no JSON object"),
    ("no arrays", raw({"verb": "x"}), "without a list of arrays"),
    ("objects", raw({"arrays": [["O", [1]]]}), "may not travel"),
    ("structures", raw({"arrays": [["i4,O", [1]]]}), "may not travel"),
    ("unknown dtype", raw({"arrays": [["banana", [1]]]}), "unknown dtype"),
    ("too large", raw({"arrays": [["<f8", [1 << 40]]]}), "larger than"),
    ("negative", raw({"arrays": [["<f8", [-1]]]}), "not [dtype, shape]"),
    ("too many axes", raw({"arrays": [["<f8", [1] * 9]]}), "not [dtype, shape]"),
    ("endless array", raw({"arrays": [["V0", [1 << 60]]]}), "may not travel"),
]


@pytest.mark.parametrize(("what", "sent", "said"), HOSTILE, ids=[h[0] for h in HOSTILE])
def test_what_is_no_frame_is_refused_before_memory_is_taken(what: str, sent: bytes, said: str) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(sent)
        with pytest.raises(WireError, match=said.replace("[", r"\[")):
            receive(theirs)


def test_the_bound_is_on_all_arrays_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LARGEST_PAYLOAD", 16)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, {}, [np.zeros(10, np.uint8), np.zeros(10, np.uint8)])
        with pytest.raises(WireError, match="larger than 16 bytes"):
            receive(theirs)

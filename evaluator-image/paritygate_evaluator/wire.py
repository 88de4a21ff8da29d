"""Frames between referee, runner and model processes: a JSON header, then raw arrays. Nothing that runs code.

A frame is: length of the header (u32, big endian), the header as JSON, then the bytes of each array in order. The
header's `arrays` gives their dtypes and shapes. The other side may be hostile (it runs somebody's model): everything
is checked against bounds before memory is taken.
"""

import json
import math
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

LARGEST_HEADER = 1 << 20
LARGEST_PAYLOAD = 1 << 31
MOST_ARRAYS = 2048

_LENGTH = struct.Struct(">I")
_KINDS = "biufU"
"""Bool, integers, floats, text of fixed width. Never objects."""

Array = npt.NDArray[Any]


class WireError(Exception):
    """The other side is gone, or what it sent is no frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    header: Mapping[str, Any]
    arrays: tuple[Array, ...]


def send(sock: socket.socket, header: Mapping[str, Any], arrays: Sequence[Array] = ()) -> None:
    """Send one frame. Raises WireError when the other side is gone."""
    contiguous = [np.ascontiguousarray(array) for array in arrays]
    described = {**header, "arrays": [[array.dtype.str, list(array.shape)] for array in contiguous]}
    text = json.dumps(described).encode()
    try:
        sock.sendall(_LENGTH.pack(len(text)) + text)
        for array in contiguous:
            if array.size:
                sock.sendall(array.reshape(-1).view(np.uint8).data)
    except OSError as error:
        raise WireError(f"the other side is gone: {error}") from error


def receive(sock: socket.socket) -> Frame:
    """Receive one frame. Raises WireError for an end in the middle, a malformed or an oversize frame."""
    header = _header(sock)
    specifications = header.pop("arrays", None)
    if not isinstance(specifications, list) or len(specifications) > MOST_ARRAYS:
        raise WireError("frame without a list of arrays")
    budget = LARGEST_PAYLOAD
    arrays = []
    for specification in specifications:
        array = _empty(specification, budget)
        budget -= array.nbytes
        if array.size:
            _fill(sock, array.reshape(-1).view(np.uint8).data)
        arrays.append(array)
    return Frame(header, tuple(arrays))


def _header(sock: socket.socket) -> dict[str, Any]:
    prefix = bytearray(_LENGTH.size)
    _fill(sock, memoryview(prefix))
    (length,) = _LENGTH.unpack(prefix)
    if length > LARGEST_HEADER:
        raise WireError(f"frame header of {length} bytes, at most {LARGEST_HEADER} are taken")
    text = bytearray(length)
    _fill(sock, memoryview(text))
    try:
        header = json.loads(text)
    except ValueError as error:
        raise WireError(f"frame header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise WireError("frame header is no JSON object")
    return header


def _empty(specification: object, budget: int) -> Array:
    match specification:
        case [str() as dtype, list() as shape] if all(isinstance(n, int) and n >= 0 for n in shape) and len(shape) <= 8:
            pass
        case _:
            raise WireError("frame with an array that is not [dtype, shape]")
    try:
        kind = np.dtype(dtype)
    except TypeError as error:
        raise WireError(f"frame with an unknown dtype: {error}") from error
    if kind.kind not in _KINDS or not kind.itemsize:
        raise WireError(f"frame with arrays of dtype {kind}, which may not travel")
    if math.prod(shape) * kind.itemsize > budget:
        raise WireError(f"frame larger than {LARGEST_PAYLOAD} bytes")
    return np.empty(shape, kind)


def _fill(sock: socket.socket, view: memoryview) -> None:
    while view:
        try:
            got = sock.recv_into(view)
        except OSError as error:
            raise WireError(f"the other side is gone: {error}") from error
        if not got:
            raise WireError("the other side closed the connection")
        view = view[got:]

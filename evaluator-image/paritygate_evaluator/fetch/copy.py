"""Copy plain files, and nothing but plain files, within a bound."""

import os
import stat
from pathlib import Path

from paritygate.api import Reason

from ..ending import EvaluatorError

_CHUNK = 1 << 20


def copy_tree(name: str, source: Path, dest: Path, most_bytes: int) -> None:
    """Copy a file into the folder `dest`, or the content of a folder. `name` is the artefact's, for messages.

    Raises EvaluatorError: ArtefactNotFound; ArtefactUnreadable for links, special files, more than `most_bytes`, or
    files that can't be read.
    """
    try:
        _check(source, source.lstat())
        if source.is_dir():
            budget = most_bytes
            for path in sorted(source.rglob("*")):
                status = path.lstat()
                _check(path, status)
                target = dest / path.relative_to(source)
                if stat.S_ISDIR(status.st_mode):
                    target.mkdir(exist_ok=True)
                else:
                    budget = _copy(path, target, budget)
        else:
            _copy(source, dest / source.name, most_bytes)
    except FileNotFoundError as error:
        raise EvaluatorError(
            Reason.ARTEFACT_NOT_FOUND, f"{name}: {error.filename} does not exist; check the path"
        ) from error
    except _NotPlainError as error:
        raise EvaluatorError(Reason.ARTEFACT_UNREADABLE, f"{name}: {error}") from error
    except OSError as error:
        raise EvaluatorError(
            Reason.ARTEFACT_UNREADABLE, f"{name}: {error.filename or source} can't be read: {error.strerror or error}"
        ) from error


class _NotPlainError(Exception):
    pass


def _check(path: Path, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise _NotPlainError(f"{path} is a link, which can point at other bytes tomorrow; name {path.resolve()}")
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise _NotPlainError(f"{path} is neither a file nor a folder")


def _copy(source: Path, target: Path, budget: int) -> int:
    # O_NOFOLLOW and the check on the open file: between the look and the open, somebody could have put a link there;
    # O_NONBLOCK: a pipe put there would hang us.
    with os.fdopen(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as reader:
        _check(source, os.fstat(reader.fileno()))
        with target.open("xb") as writer:
            while chunk := reader.read(_CHUNK):
                budget -= len(chunk)
                if budget < 0:
                    raise _NotPlainError(f"{source} is too large: more bytes than this evaluator takes")
                writer.write(chunk)
    return budget

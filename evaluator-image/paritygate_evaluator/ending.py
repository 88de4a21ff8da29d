"""How a process of the evaluator ends when it can't do its work: a reason for machines, a sentence for people."""

import json
import sys
from pathlib import Path

from paritygate.api import Reason

EXIT_ERROR = 4
_LONGEST = 900
"""Characters of a message: four bytes each at most, and Kubernetes keeps 4096 of a termination message."""


class EvaluatorError(Exception):
    """The evaluation can't go on. `message` names the file or field and what to do."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message[:_LONGEST]


def leave_message(path: Path, text: str) -> None:
    """Write the termination message. One that can't be written is said on stderr: the exit code still tells."""
    try:
        path.write_text(text)
    except OSError as error:
        print(f"{path}: the termination message could not be written: {error}", file=sys.stderr)


def end_with(error: EvaluatorError, termination_log: Path) -> int:
    """Tell stderr and the termination message why; the exit code of the process."""
    print(f"{error.reason}: {error.message}", file=sys.stderr)
    leave_message(termination_log, json.dumps({"reason": error.reason, "message": error.message}, ensure_ascii=False))
    return EXIT_ERROR

"""Every line is JSON, and knows which reconcile of which validation it belongs to."""

import json
import logging

from paritygate.shell.logs import JsonFormatter, reconciling


def line(message: str, **extra: object) -> dict[str, object]:
    record = logging.getLogger("x").makeRecord("x", logging.INFO, "f", 1, message, (), None, extra=extra)
    found: dict[str, object] = json.loads(JsonFormatter().format(record))
    return found


def test_a_line_carries_what_it_was_given() -> None:
    found = line("job created", job="fraud-1")
    assert (found["message"], found["job"], found["level"]) == ("job created", "fraud-1", "INFO")
    assert str(found["time"]).endswith("Z")


def test_lines_of_a_reconcile_carry_validation_and_number() -> None:
    with reconciling("ns/fraud", 26):
        assert line("x")["validation"] == "ns/fraud"
        assert line("x")["reconcile"] == "1a"
    assert "validation" not in line("x")

"""`python -m paritygate_evaluator.fetch`: bring what `PARITYGATE_FETCH` lists; exit 0, or 4 with the reason.

`PARITYGATE_FETCH` is a JSON list of `{name, uri, digest, dest}`. `PARITYGATE_LOCAL=1` also allows paths and file://.
"""

import os
import sys
from pathlib import Path

from paritygate.api import Reason
from pydantic import TypeAdapter, ValidationError

from ..ending import EvaluatorError, end_with
from ..layout import Layout
from ..terminate import children_end_at_once, end_on_terminate
from .bring import Sources, Wanted, bring_all

CONFIGURATION = "PARITYGATE_FETCH"
LOCAL = "PARITYGATE_LOCAL"
CLAIMS = "PARITYGATE_CLAIMS"
MOST_BYTES = "PARITYGATE_MOST_BYTES"


def main() -> int:
    """Run; the exit code."""
    end_on_terminate()
    children_end_at_once()
    layout = Layout.from_environment()
    try:
        wanted = _wanted()
        defaults = Sources(local=os.environ.get(LOCAL) == "1")
        sources = Sources(
            local=defaults.local,
            claims=Path(os.environ.get(CLAIMS, defaults.claims)),
            most_bytes=int(os.environ.get(MOST_BYTES, defaults.most_bytes)),
        )
        for found in bring_all(wanted, sources):
            record = layout.found(found.name)
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(found.dump())
            print(f"{found.name}: {found.uri} {found.digest} {found.size:,} bytes", file=sys.stderr)
    except EvaluatorError as error:
        return end_with(error, layout.termination_log)
    return 0


def _wanted() -> list[Wanted]:
    try:
        return TypeAdapter(list[Wanted]).validate_json(os.environ.get(CONFIGURATION, ""))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "value"
        raise EvaluatorError(
            Reason.ARTEFACT_UNREADABLE, f"environment variable {CONFIGURATION}: {where}: {first['msg']}"
        ) from error


if __name__ == "__main__":
    sys.exit(main())

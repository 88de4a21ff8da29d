"""Run every measurement, print a table, write build/bench.json; exit 1 when a limit is missed."""

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

PARTS = ("statistics", "evaluator", "streaming", "operator")
OUT = Path("build/bench.json")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which of {', '.join(PARTS)} (default: all)")
    chosen = parser.parse_args().parts or PARTS
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    rows = []
    for part in chosen:
        started = time.monotonic()
        print(f"{part}: measuring ...", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"tests.bench.{part}").measure()
        print(f"{part}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows, indent=1) + "\n")
    for row in rows:
        sense = "<=" if row["better"] == "lower" else ">="
        mark = "ok  " if row["ok"] else "MISS"
        limit = "" if row["limit"] is None else f"{sense} {row['limit']:g}"
        print(f"{mark} {row['name']:<72} {row['value']:>12.4g} {row['unit']:<10} {limit}")
    missed = [row["name"] for row in rows if not row["ok"]]
    print(f"{len(rows)} figures, {len(missed)} beyond their limit; written to {OUT}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

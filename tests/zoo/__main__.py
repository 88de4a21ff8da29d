"""Judge the zoo: write build/zoo.json, print the table; 1 if an exhibit does not come out as it must."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from .collection import exhibits, of_onnx
from .entry import Exhibit
from .judging import Finding, judge, refused
from .table import inserted, render
from .workshop import Workshop

ROOT, OUT = Path("build/zoo"), Path("build/zoo.json")


def main() -> int:
    asked = _arguments()
    if asked.docs:
        asked.docs.write_text(inserted(asked.docs.read_text(), render(of_onnx())))
        return 0
    chosen = [exhibit for exhibit in exhibits() if not asked.names or exhibit.name in asked.names]
    started = time.monotonic()
    findings = []
    for finding in findings_of(chosen, Workshop(ROOT), asked.workers):
        findings.append(finding)
        print(line(finding), flush=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps([finding.dump() for finding in findings], indent=1) + "\n")
    wrong = [finding for finding in findings if finding.wrong]
    for finding in wrong:
        print(f"\nNOT AS IT MUST: {finding.exhibit.name}: {finding.wrong}")
    print(f"\n{len(findings) - len(wrong)} of {len(findings)} as they must, {time.monotonic() - started:.0f} s; {OUT}")
    return int(bool(wrong) or not findings)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo", description=__doc__)
    parser.add_argument("names", nargs="*", help="exhibits (default: all)")
    parser.add_argument("--workers", type=int, default=2, help="judged at a time (default: 2)")
    parser.add_argument("--docs", type=Path, metavar="FILE", help="judge nothing; write the exhibits into this page")
    return parser.parse_args()


def findings_of(chosen: Sequence[Exhibit], workshop: Workshop, workers: int) -> Iterator[Finding]:
    """Exhibits are made here one by one and judged beside that; those that measure time come last, alone."""
    together = [exhibit for exhibit in chosen if not exhibit.alone]
    with ThreadPoolExecutor(workers) as pool:
        judged = [_submit(pool, exhibit, workshop) for exhibit in together]
        for finding in judged:
            yield finding if isinstance(finding, Finding) else finding.result()
    with ThreadPoolExecutor(1) as pool:
        for exhibit in chosen:
            if exhibit.alone:
                finding = _submit(pool, exhibit, workshop)
                yield finding if isinstance(finding, Finding) else finding.result()


def _submit(pool: ThreadPoolExecutor, exhibit: Exhibit, workshop: Workshop) -> Finding | Future[Finding]:
    try:
        case = exhibit.make(workshop)
    except (ValueError, RuntimeError, OSError) as error:
        return refused(exhibit, error)
    return pool.submit(judge, exhibit, case, workshop)


def line(finding: Finding) -> str:
    """One row of the table."""
    exhibit = finding.exhibit
    mark = "ok   " if not finding.wrong else "WRONG"
    return (
        f"{mark} {exhibit.kind:12} {exhibit.name:26} {exhibit.gate:32} {finding.verdict:12} "
        f"{finding.items:>6} items {finding.seconds:5.1f} s"
    )


if __name__ == "__main__":
    sys.exit(main())

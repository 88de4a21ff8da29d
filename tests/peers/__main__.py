"""Judge the same paired outcomes by ParityGate and by its peers; write build/peers.json, print the tables.

Part of it (--quick, --peers) goes to build/peers-part.json.

Peers are installed under build/peers, each in an environment of its own. One that can't be installed or asked is named
with its error, there and in the tables; the exit status is 1 only when ParityGate itself failed to answer.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .digits import real_scenarios
from .environments import PeerMissingError, ask, install
from .peers import NOT_RUN, PARITYGATE, PEERS, Peer
from .scenarios import ALPHA, MARGIN, Scenario, scenarios
from .table import Row, insert, missing, render, row

ROOT, OUT, PART = Path("build/peers"), Path("build/peers.json"), Path("build/peers-part.json")
QUICK = 20
SHARES = 4
"""Processes a peer's scenarios are shared out to: a peer that takes long doesn't keep one core while another idles."""


@dataclass(frozen=True, slots=True)
class Found:
    """What became of a peer on some scenarios: rows by scenario, what was called, how long, or why it wasn't asked."""

    peer: Peer
    rows: tuple[tuple[str, Row], ...] = ()
    called: tuple[str, ...] = ()
    seconds: float = 0.0
    missing: str = ""


def main() -> int:
    asked = _arguments()
    chosen = [peer for peer in PEERS if not asked.peers or peer.key in asked.peers]
    everything = (*scenarios(), *real_scenarios())
    _draw(everything)
    with ThreadPoolExecutor(asked.workers) as pool:
        lacking = [found for found in pool.map(_install, chosen) if found.missing]
        there = [peer for peer in chosen if peer not in [found.peer for found in lacking]]
        shares = [(peer, share) for share in range(SHARES) for peer in there]
        asking = [pool.submit(_ask, peer, everything[share::SHARES], share, asked.quick) for peer, share in shares]
        found = lacking + [part.result() for part in asking]
    rows = [entry for scenario in everything for part in found for name, entry in part.rows if name == scenario.name]
    rows += [missing(part.peer.key, part.missing) for part in found if part.missing]
    rows += [missing(name, why) for name, why in NOT_RUN.items()]
    whole = not asked.quick and len(chosen) == len(PEERS)
    (OUT if whole else PART).write_text(json.dumps(rows, indent=1) + "\n")
    print(render(rows))
    _tell(found)
    if asked.docs:
        asked.docs.write_text(insert(asked.docs.read_text(), render(rows)))
    ours = [part for part in found if part.peer == PARITYGATE]
    return int(any(part.missing or any(entry["error"] for _, entry in part.rows) for part in ours))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description=__doc__)
    parser.add_argument("--peers", nargs="+", choices=[peer.key for peer in PEERS], help="which (default: all)")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time (default: 2)")
    parser.add_argument("--quick", action="store_true", help=f"a {QUICK}th of the data sets, to see that all is well")
    parser.add_argument("--docs", type=Path, metavar="FILE", help="put the tables into this page, between its marks")
    return parser.parse_args()


def _draw(chosen: Sequence[Scenario]) -> None:
    ROOT.mkdir(parents=True, exist_ok=True)
    for scenario in chosen:
        np.save(_data(scenario), scenario.draw(items=max(scenario.sizes)))


def _data(scenario: Scenario) -> Path:
    return (ROOT / f"{scenario.key}.npy").resolve()


def _install(peer: Peer) -> Found:
    try:
        install(peer, ROOT)
    except PeerMissingError as error:
        return Found(peer, missing=f"not installed: {error}")
    return Found(peer)


def _ask(peer: Peer, chosen: Sequence[Scenario], share: int, quick: bool) -> Found:
    """One process: all the cells of a peer on these scenarios."""
    started = time.monotonic()
    cells = [[(v, cell) for v in peer.variants for cell in v.cells(scenario)] for scenario in chosen]
    if quick:
        cells = [[(v, cell | {"paths": -(-cell["paths"] // QUICK)}) for v, cell in part] for part in cells]
    asked = [
        {"data": str(_data(scenario)), "cells": [cell for _, cell in part]}
        for scenario, part in zip(chosen, cells, strict=True)
    ]
    job = ROOT / f"{peer.key}-{share}.json"
    job.write_text(json.dumps({"margin": MARGIN, "alpha": ALPHA, "scenarios": asked}))
    try:
        answer = ask(peer, install(peer, ROOT), job)
    except PeerMissingError as error:
        return Found(peer, missing=f"failed: {error}")
    rows = [
        (scenario.name, row(variant.name, answer["version"], scenario, told))
        for scenario, part, tolds in zip(chosen, cells, answer["scenarios"], strict=True)
        for (variant, _), told in zip(part, tolds, strict=True)
    ]
    seconds = time.monotonic() - started
    print(f"{peer.key}, part {share + 1} of {SHARES}: {seconds:.0f} s", file=sys.stderr, flush=True)
    return Found(peer, tuple(rows), tuple(answer["called"].values()), seconds)


def _tell(found: Sequence[Found]) -> None:
    print("\nWhat was asked:")
    for peer in dict.fromkeys(part.peer for part in found):
        parts = [part for part in found if part.peer == peer]
        calls = dict.fromkeys(called for part in parts for called in part.called)
        print(f"  {', '.join(peer.requirements) or peer.key}: {sum(part.seconds for part in parts):.0f} s")
        print("".join(f"    {called}\n" for called in calls), end="")


if __name__ == "__main__":
    sys.exit(main())

"""`make demo`: three stories on a real cluster, told as they happen."""

import argparse
import sys
import time
from datetime import datetime

from examples.demo.stage import set_stage
from examples.demo.stories import Ending, promotion, quiet_failure, rollback, traffic
from tests.cluster import Profile
from tests.cluster.errors import ClusterError
from tests.cluster.lifecycle import down
from tests.cluster.progress import say

NAMESPACE = "parity-demo"
TITLES = {
    "story-1-good-int8": "1. An INT8 candidate that is as good",
    "story-2-quiet-failure": "2. A candidate that lost one segment while its average looks fine",
    "story-3-cannot-serve": "3. A candidate that passes the gate but cannot hold its traffic",
}


def main() -> int:
    """Tell the stories, or take the cluster down."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("verb", choices=["up", "down"], help="up: tell the stories; down: take the cluster away")
    try:
        if parser.parse_args().verb == "down":
            down(Profile.FULL)
        else:
            tell_all()
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def tell_all() -> None:
    """Set the stage, tell the stories, sum up."""
    started = time.monotonic()
    stage = set_stage(NAMESPACE)
    endings = []
    with traffic(stage) as stream:
        for story in (promotion, quiet_failure, rollback):
            name = list(TITLES)[len(endings)]
            say("")
            say(TITLES[name])
            endings.append(story(stage, stream))
    print(summary(endings, time.monotonic() - started))


def summary(endings: list[Ending], seconds: float) -> str:
    """What a person wants to read at the end."""
    lines = ["", f"Three stories in {seconds:.0f} s", ""]
    for ending in endings:
        lines += [TITLES[ending.name], f"   verdict  {ending.verdict}: {ending.message}"]
        lines.append(f"   traffic  {_traffic(ending)}")
        answered = ", ".join(f"{name} {count}" for name, count in sorted(ending.counts.items()))
        lines += [f"   answers  {answered}", f"   report   {ending.report}", f"   took     {ending.seconds:.0f} s", ""]
    lines += [
        "Look further:",
        "   export KUBECONFIG=$(.venv/bin/python -m tests.cluster kubeconfig)",
        f"   kubectl -n {NAMESPACE} get compressionvalidations,validationreports,inferenceservices",
        f"   kubectl -n {NAMESPACE} describe compressionvalidation story-2-quiet-failure",
        f"   kubectl -n {NAMESPACE} get validationreport {endings[1].report} -o yaml",
        "   kubectl -n paritygate-system logs deploy/paritygate",
        "Clean up:  make demo-down   (what was compiled stays in the cache)",
    ]
    return "\n".join(lines)


def _traffic(ending: Ending) -> str:
    release = ending.release
    if not release:
        return "never moved"
    if release.get("outcome") == "RolledBack" and release.get("breachedAt") and release.get("zeroAt"):
        took = _seconds(release["zeroAt"]) - _seconds(release["breachedAt"])
        return f"back on the baseline: 0 % candidate {took:.1f} s after the breach ({release.get('message', '')})"
    return f"{release.get('outcome')}"


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


if __name__ == "__main__":
    sys.exit(main())

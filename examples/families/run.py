"""Runs `paritygate check` on both candidates of every family, and tells whether each came out as told."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

BUILD = Path(__file__).with_name("build.py")
PARITYGATE = Path(sys.executable).with_name("paritygate")
PASSED, FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class Family:
    """How a family is checked, and by what its bad candidate must fail."""

    name: str
    gate: str
    """The gate that must be proved worse; or the check that must be broken: "check Finite"."""
    technique: str = "Int8WeightOnly"
    packs: tuple[str, ...] = ("pack",)
    runtime: str = "onnxruntime"
    alone: bool = False
    """Measures time: nothing else may run beside it."""

    def model(self, role: str) -> str:
        """The file, or folder, of a model in the family's folder."""
        return f"{role}.onnx" if self.runtime == "onnxruntime" else role

    def command(self, candidate: str) -> list[str]:
        """What is typed in the family's folder; `candidate` is good or bad."""
        return [
            "paritygate",
            "check",
            *("--baseline", self.model("baseline"), "--candidate", self.model(candidate)),
            *(word for pack in self.packs for word in ("--pack", f"{pack}.yaml")),
            *("--policy", "policy.yaml", "--technique", self.technique),
            *(("--runtime", self.runtime) if self.runtime != "onnxruntime" else ()),
        ]


FAMILIES = (
    Family("classes", "critical-1/1"),
    Family("multilabel", "recall/prime"),
    Family("regression", "error"),
    Family("embedding", "moved"),
    Family("slices", "dark/1.2 and above"),
    Family("must-pass", "must-pass-golden/golden", technique="Pruned", packs=("pack", "must-pass")),
    Family("fairness", "fairness-scanner/A | B"),
    Family("calibration", "brier"),
    Family("abstention", "escalated"),
    Family("label-free", "disagreement"),
    Family("perturbations", "brighter"),
    Family("numerics", "check Finite"),
    Family("locked-set", "accuracy"),
    Family("torch", "accuracy", technique="Fp16", runtime="torch"),
    Family("speed", "p50", technique="Pruned", alone=True),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One check: its exit code, its message, and what is not as told."""

    code: int
    message: str
    wrong: str


def check(family: Family, candidate: str, folder: Path) -> Run:
    """Judge one candidate in the family's folder."""
    evidence = folder / f"{candidate}-evidence.json"
    evidence.unlink(missing_ok=True)
    command = [str(PARITYGATE), *family.command(candidate)[1:], "--quiet", "--evidence", evidence.name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if not evidence.exists():
        said = (done.stderr or done.stdout).strip()
        return Run(done.returncode, said, f"exit code {done.returncode} and no evidence: {said}")
    document = json.loads(evidence.read_text())
    message = document["verdict"]["message"]
    expected = PASSED if candidate == "good" else FAILED
    if done.returncode != expected:
        return Run(done.returncode, message, f"exit code {done.returncode}, not {expected}: {message}")
    return Run(done.returncode, message, _wrong(family, candidate, document["result"]))


def _wrong(family: Family, candidate: str, result: dict[str, list[dict[str, object]]]) -> str:
    """Whether the family's own gate decided."""
    if family.gate.startswith("check "):
        decided = {str(one["name"]): "Proved" if one["ok"] else "Harm" for one in result["checks"]}
    else:
        decided = {str(one["name"]): str(one["decision"]) for one in result["gates"]}
    expected = "Proved" if candidate == "good" else "Harm"
    found = decided.get(family.gate.removeprefix("check "))
    return "" if found == expected else f"{family.gate} is {found}, not {expected}"


def run(families: Sequence[Family], out: Path, beside: int) -> list[str]:
    """Check both candidates of each, `beside` at once but for those that measure time; what is not as told."""
    asked = [(family, candidate) for family in families for candidate in ("good", "bad")]

    def judge(one: tuple[Family, str]) -> tuple[Family, str, Run]:
        return *one, check(*one, out / one[0].name)

    wrong = []
    with ThreadPoolExecutor(beside) as pool:
        together = pool.map(judge, [one for one in asked if not one[0].alone])
        for family, candidate, done in together:
            wrong += _told(family, candidate, done)
    for family, candidate, done in map(judge, [one for one in asked if one[0].alone]):
        wrong += _told(family, candidate, done)
    return wrong


def _told(family: Family, candidate: str, done: Run) -> list[str]:
    print(f"{family.name:14} {candidate:4}  exit {done.code}  {done.message[:160]}", flush=True)
    return [f"{family.name}, {candidate}: {done.wrong}"] if done.wrong else []


def main() -> int:
    """Command line; 0 when every candidate came out as told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/families"), help="where models, packs and evidence go")
    parser.add_argument("names", nargs="*", metavar="FAMILY", help="default: all")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - {family.name for family in FAMILIES}):
        parser.error(f"no family {unknown[0]!r}; there is: {', '.join(family.name for family in FAMILIES)}")
    families = [family for family in FAMILIES if not options.names or family.name in options.names]
    started = time.monotonic()
    subprocess.run([sys.executable, BUILD, options.out, *(family.name for family in families)], check=True)
    wrong = run(families, options.out, len(os.sched_getaffinity(0)))
    for problem in wrong:
        print(f"NOT AS TOLD: {problem}")
    print(f"{2 * len(families) - len(wrong)} of {2 * len(families)} as told, {time.monotonic() - started:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

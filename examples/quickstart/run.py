"""The quick start: builds two candidates, judges both, and tells what happened. No cluster, no download."""

import argparse
import hashlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

POLICY = Path(__file__).with_name("policy.yaml")
PARITYGATE = Path(sys.executable).with_name("paritygate")


@dataclass(frozen=True, slots=True)
class Story:
    """One candidate and what must become of it."""

    title: str
    candidate: str
    exit_code: int
    worse: frozenset[str]
    """Gates that must be proved worse."""


STORIES = (
    Story(
        "an INT8 candidate that is as good: a quarter of the bytes, and proved not worse",
        "int8.onnx",
        0,
        frozenset(),
    ),
    Story(
        "an INT8 candidate by the same recipe, calibrated on scanner A only: fine on average, bad on scanner B",
        "int8-scanner-a.onnx",
        1,
        frozenset({"by-scanner/B"}),
    ),
)


def main() -> int:
    """Run both stories; 0 when each came out as told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/quickstart"), help="where models, pack and evidence go")
    out = parser.parse_args().out
    started = time.monotonic()
    built(out)
    wrong = [problem for number, story in enumerate(STORIES, 1) if (problem := _tell(number, story, out))]
    print(f"\n{'-' * 72}")
    for problem in wrong:
        print(f"NOT AS TOLD: {problem}")
    if wrong:
        return 1
    print(f"Both stories came out as told, {time.monotonic() - started:.0f} s in all.")
    print(f"Look further:  {PARITYGATE} check --help      what the gate can be asked")
    print(f"               {POLICY}    what was to be proved; change a margin and run again")
    print(f"               {out}/pack/pack.yaml    what it was proved on")
    return 0


def built(out: Path) -> None:
    """Models and pack in `out`, made now unless the same recipe made them before."""
    recipe = Path(__file__).with_name("build.py")
    key, mark = hashlib.sha256(recipe.read_bytes()).hexdigest(), out / "built-by"
    if mark.exists() and mark.read_text() == key:
        print(f"Models and pack are in {out} (built before by the same recipe).", flush=True)
        return
    mark.unlink(missing_ok=True)
    print(f"Training a small model, quantizing it twice, drawing 10,000 items into {out} ...", flush=True)
    subprocess.run([sys.executable, str(recipe), "--out", str(out)], check=True)
    mark.write_text(key)


def _tell(number: int, story: Story, out: Path) -> str:
    """Judge one candidate; what was not as told, or nothing."""
    evidence = out / f"evidence-{number}.json"
    command = [
        str(PARITYGATE),
        "check",
        f"--baseline={out / 'fp32.onnx'}",
        f"--candidate={out / story.candidate}",
        f"--pack={out / 'pack' / 'pack.yaml'}",
        f"--policy={POLICY}",
        "--technique=Int8Static",
        "--purpose=Memory",
        f"--evidence={evidence}",
    ]
    print(f"\n{'-' * 72}\nStory {number}: {story.title}.\n\n$ {' '.join(command)}\n", flush=True)
    evidence.unlink(missing_ok=True)
    code = subprocess.run(command, check=False).returncode
    print(f"\nexit code {code}", flush=True)
    if code != story.exit_code:
        return f"story {number} ended with exit code {code}, not {story.exit_code}"
    gates = json.loads(evidence.read_text())["result"]["gates"]
    worse = {gate["name"] for gate in gates if gate["decision"] == "Harm"}
    return "" if story.worse <= worse else f"story {number} blames {sorted(worse)}, not {sorted(story.worse)}"


if __name__ == "__main__":
    sys.exit(main())

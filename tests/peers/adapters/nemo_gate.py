"""NeMo Evaluator: `gate_runs` (nemo_evaluator/engine/gate.py) on result bundles as `nel eval run` writes them."""

import json
import logging
import shutil
import tempfile
from pathlib import Path

from nemo_evaluator.config.gate_policy import BenchmarkGateEntry, GatePolicy
from nemo_evaluator.engine import gate_runs

from .batch import Variant, correct, run
from .outcomes import FAIL, PASS, UNDECIDED

VERDICTS = {"GO": PASS, "NO-GO": FAIL, "INCONCLUSIVE": UNDECIDED}


def variants(margin, alpha):
    """The gate has no alpha: its interval is at 95 % always."""
    folder = tempfile.TemporaryDirectory(prefix="nemo-")  # goes when the process ends
    required = GatePolicy(
        benchmarks={"pack": BenchmarkGateEntry(tier="critical", max_drop=margin, metric="mean_reward")}
    )
    called = "nemo_evaluator.engine.gate_runs, max_drop"
    return {
        "gate": Variant(called, lambda outcomes: _judge(folder, outcomes, required), by_counts=True),
        "gate, default policy": Variant(
            "nemo_evaluator.engine.gate_runs, GatePolicy()", lambda outcomes: _judge(folder, outcomes, GatePolicy())
        ),
    }


def _judge(folder, outcomes, policy):
    root = Path(folder.name)
    for name, rewards in zip(("baseline", "candidate"), correct(outcomes), strict=True):
        run_of = root / name
        shutil.rmtree(run_of, ignore_errors=True)
        run_of.mkdir()
        if len(rewards):
            _write(run_of / "pack", rewards)
    report = gate_runs(root / "baseline", root / "candidate", policy)
    return VERDICTS[report.verdict], len(outcomes)


def _write(folder, rewards):
    folder.mkdir()
    lines = (f'{{"problem_idx":{index},"repeat":0,"reward":{reward}}}' for index, reward in enumerate(rewards))
    (folder / "results.jsonl").write_text("\n".join(lines))
    scores = {"mean_reward": {"value": float(rewards.mean())}}
    (folder / "eval-pack.json").write_text(json.dumps({"benchmark": {"name": "pack", "scores": scores}}))


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    run("nemo-evaluator", variants)

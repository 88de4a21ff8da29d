"""How an adapter is run: `python -m adapters.NAME JOB ANSWER`, thousands of data sets a process.

JOB is JSON: {margin, alpha, scenarios: [{data: path of an int8 .npy (paths, items), cells}]}, a cell being {variant, n,
paths, looks} with `looks` the item counts at which a peeker judges what there is so far.

ANSWER: {version, called, scenarios: [cells]}, `called` naming the function behind each variant. Each cell has gained
verdicts (one letter a data set), items (one number a data set), calls, checked, differed and error.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np

from .outcomes import ERROR, LOST, PASS, WON

CHECK_EVERY = 50
"""Of the verdicts taken from a data set with the same counts, every so many are worked out anew and compared."""


@dataclass
class Variant:
    """One way of asking a peer. `judge` takes outcomes (n,) and returns a verdict letter and the items it used."""

    called: str
    judge: Callable
    by_counts: bool = False
    """The peer's verdict depends on the numbers of flips alone, not on their order: asked once for equal numbers."""


@dataclass
class Asked:
    """Verdicts of one peer, and how often it was really called."""

    variant: Variant
    known: dict = field(default_factory=dict)
    calls: int = 0
    hits: int = 0
    checked: int = 0
    differed: int = 0
    error: str = ""

    def verdict(self, outcomes):
        if not self.variant.by_counts:
            return self._call(outcomes)
        key = (len(outcomes), int((outcomes == LOST).sum()), int((outcomes == WON).sum()))
        if key not in self.known:
            self.known[key] = self._call(outcomes)
            return self.known[key]
        self.hits += 1
        if self.hits % CHECK_EVERY == 0:
            self.checked += 1
            self.differed += self._call(outcomes) != self.known[key]
        return self.known[key]

    def _call(self, outcomes):
        self.calls += 1
        try:
            return self.variant.judge(outcomes)
        except Exception as error:
            self.error = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]
            return ERROR, len(outcomes)


def run(package, variants_of):
    """Judge every cell of the job; `variants_of(margin, alpha)` gives {name: Variant}."""
    job = json.loads(Path(sys.argv[1]).read_text())
    variants = variants_of(job["margin"], job["alpha"])
    scenarios = []
    for scenario in job["scenarios"]:
        data = np.load(scenario["data"])
        scenarios.append([cell | judged(variants[cell["variant"]], data, cell) for cell in scenario["cells"]])
    called = {name: variant.called for name, variant in variants.items()}
    answer = {"version": version(package), "called": called, "scenarios": scenarios}
    Path(sys.argv[2]).write_text(json.dumps(answer))


def judged(variant, data, cell):
    """The cell's data sets, the first rows of `data`, as the variant judges them."""
    asked = Asked(variant)
    answers = [_path(asked, row[: cell["n"]], cell["looks"]) for row in data[: cell["paths"]]]
    return {
        "verdicts": "".join(letter for letter, _ in answers),
        "items": [items for _, items in answers],
        "calls": asked.calls,
        "checked": asked.checked,
        "differed": asked.differed,
        "error": asked.error,
    }


def _path(asked, outcomes, looks):
    """The verdict on all, or the first pass of one who looks again and again."""
    answer = ERROR, 0
    for n in looks or [len(outcomes)]:
        answer = asked.verdict(outcomes[:n])
        if answer[0] == PASS:
            break
    return answer


def correct(outcomes):
    """Whether baseline and candidate are right, as two arrays of 0.0 and 1.0."""
    baseline = ((outcomes == 1) | (outcomes == LOST)).astype(float)
    candidate = ((outcomes == 1) | (outcomes == WON)).astype(float)
    return baseline, candidate

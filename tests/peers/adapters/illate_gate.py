"""illate-parity: the two functions that `illate_parity.parity.check` decides by.

`check` spends most of its time on intervals of the single models that its verdict doesn't use. The first data sets of a
process are judged by `check`, too, and must come to the same.
"""

from illate_parity.bootstrap import fast_paired_accuracy
from illate_parity.parity import check, verdict

from .batch import Variant, correct, run
from .outcomes import FAIL, PASS, UNDECIDED

VERDICTS = {"PASS": PASS, "FAIL": FAIL, "INCONCLUSIVE": UNDECIDED}
SEED_OF_CHECK = 2
COMPARED = 3


def variants(margin, alpha):
    """Its interval is at 95 % always, from 10,000 resamples."""
    left = [COMPARED]

    def judge(outcomes):
        right = [score.astype(int) for score in correct(outcomes)]
        found = fast_paired_accuracy(0 * right[0] + 1, *right, seed=SEED_OF_CHECK)
        said = verdict(found["low"], found["high"], margin)
        if left[0]:
            left[0] -= 1
            _compare(said, *right, margin)
        return VERDICTS[said], len(outcomes)

    called = "illate_parity.bootstrap.fast_paired_accuracy + illate_parity.parity.verdict, as parity.check"
    return {"check": Variant(called, judge, by_counts=True)}


def _compare(said, baseline, candidate, margin):
    answers = [[{"id": str(i), "label": str(v)} for i, v in enumerate(model)] for model in (baseline, candidate)]
    gold = [item | {"label": "1"} for item in answers[0]]
    whole = check(gold, *answers, margin=margin, labels=["0", "1"])["verdict"]
    if whole != said:
        raise AssertionError(f"check says {whole}, its parts say {said}")


if __name__ == "__main__":
    run("illate-parity", variants)

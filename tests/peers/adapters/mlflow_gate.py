"""MLflow: `mlflow.validate_evaluation_results` (models/evaluation/validation.py) on the two accuracies.

Olive's `max-degradation` goal is the same comparison: metric >= baseline - goal (olive/engine/footprint.py).
"""

import logging
from math import nan

from mlflow import validate_evaluation_results
from mlflow.models import MetricThreshold
from mlflow.models.evaluation import EvaluationResult
from mlflow.models.evaluation.validation import ModelValidationFailedException

from .batch import Variant, correct, run
from .outcomes import FAIL, PASS

SMALLEST = 1e-9
"""`min_absolute_change` must be above 0."""


def variants(margin, alpha):
    """Point estimates have no alpha."""
    return {
        "threshold": Variant(
            "mlflow.validate_evaluation_results, threshold = baseline - margin",
            lambda o: _judge(o, lambda baseline: {"threshold": baseline - margin}),
        ),
        "change": Variant(
            "mlflow.validate_evaluation_results, min_absolute_change = 1e-9",
            lambda o: _judge(o, lambda baseline: {"min_absolute_change": SMALLEST}),
        ),
    }


def _judge(outcomes, asked):
    baseline, candidate = (float(right.mean()) if len(right) else nan for right in correct(outcomes))
    # A hair of slack: 0.89 - 0.88 is a little more than 0.01 in binary.
    thresholds = {"accuracy_score": MetricThreshold(**asked(baseline - 1e-12), greater_is_better=True)}
    results = [EvaluationResult(metrics={"accuracy_score": value}, artifacts={}) for value in (candidate, baseline)]
    try:
        validate_evaluation_results(thresholds, *results)
    except ModelValidationFailedException:
        return FAIL, len(outcomes)
    return PASS, len(outcomes)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    run("mlflow-skinny", variants)

"""What runs in an evaluator pod: fetch brings artefacts in, the runner holds the models, the referee judges."""

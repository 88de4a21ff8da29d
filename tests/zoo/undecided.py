"""Pairs of which nobody can honestly say Passed or Failed with the evidence there is."""

from dataclasses import replace

import numpy as np
from paritygate.api import Purpose, Reason, Technique
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression

from . import compression, populations, stock, training
from .entry import Case, Exhibit, inconclusive
from .networks import Front, Network
from .populations import Items
from .workshop import Workshop


@inconclusive(
    "accuracy", "78 wines are all there are: no loss of a point could be told. Nothing is run.", Reason.UNDERPOWERED
)
def too_few_items(workshop: Workshop) -> Case:
    features, kinds = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(features))
    x, y = ((features - features.mean(0)) / features.std(0))[order].astype(np.float32), kinds[order]
    fitted = LogisticRegression().fit(x[:100], y[:100])
    layer = fitted.coef_.T.astype(np.float32), fitted.intercept_.astype(np.float32)
    network = Network((layer,), front=Front("wine", 13, out="wine"))
    pack = workshop.pack("wines", Items(x[100:], y[100:]), "not at all: held-out wines as they are", input_name="wine")
    return Case(
        workshop.model("wines", network.proto()),
        workshop.model("wines-int8", compression.int8_weights(network).proto()),
        (pack,),
        (),
        Technique.INT8_WEIGHT_ONLY,
    )


@inconclusive(
    "by-scanner/B",
    "Tier High wants every slice proved: 300 items of scanner B are too few. Nothing is run.",
    Reason.UNDERPOWERED,
)
def slice_too_small(workshop: Workshop) -> Case:
    case = Case(
        stock.digits_model(workshop),
        workshop.model("fp16", compression.fp16(training.digits().proto())),
        (stock.digits_pack(workshop),),
        (),
        Technique.INT8_STATIC,
        tier="High",
    )
    items = populations.draw_digits(1, 3000, True)
    return replace(case, packs=(workshop.pack("digits-small", items, "as digits, 3,000", slices=("scanner",)),))


@inconclusive(
    "no hard gate",
    "Every hard gate is a slice of 50 items that may be left out: nothing would be promised.",
    Reason.NO_HARD_GATE,
)
def all_slices_excluded(workshop: Workshop) -> Case:
    drawn = populations.draw_digits(1, 1000, True)
    site = np.array([f"site-{k % 20:02}" for k in range(1000)])
    pack = workshop.pack(
        "digits-sites", Items(drawn.inputs, drawn.labels, {"site": site}), "as digits", slices=("site",)
    )
    gates = (
        {"name": "accuracy", "metric": "Accuracy", "margin": "0.01", "enforcement": "Soft"},
        {"name": "harmful-flips", "metric": "HarmfulFlipRate", "margin": "0.03", "enforcement": "Soft"},
    )
    model = workshop.model("fp16", compression.fp16(training.digits().proto()))
    return Case(stock.digits_model(workshop), model, (pack,), gates, Technique.FP16)


def _losing(points: float, items: Items) -> Network:
    """`digits` with a bias so moved that it loses this many points on these very items."""
    network = training.digits()
    right = (network.logits(items.inputs).argmax(1) == items.labels).mean()
    matrix, bias = network.layers[-1]
    low, high = 0.0, 4.0
    for _ in range(20):
        middle = (low + high) / 2
        moved = bias.copy()
        moved[:2] += middle
        changed = network.with_layer(-1, matrix, moved)
        lost = 100 * (right - (changed.logits(items.inputs).argmax(1) == items.labels).mean())
        low, high = (middle, high) if lost < points else (low, middle)
    return changed


_ACCURACY_ALONE = (
    {"name": "accuracy", "metric": "Accuracy", "margin": "0.01"},
    {"name": "harmful-flips", "metric": "HarmfulFlipRate", "margin": "0.10"},
)
"""At tier High's alpha of 1 %, so that luck hardly ever decides."""


@inconclusive(
    "accuracy", "It loses exactly the point that it may lose: no number of items would tell.", Reason.ITEMS_EXHAUSTED
)
def exactly_at_the_margin(workshop: Workshop) -> Case:
    items = populations.draw_digits(1, stock.ITEMS, True)
    model = workshop.model("one-point", _losing(1.0, items).proto())
    packs = (stock.plain_digits_pack(workshop),)
    return Case(stock.digits_model(workshop), model, packs, _ACCURACY_ALONE, Technique.FP16, tier="High")


@inconclusive(
    "accuracy",
    "It loses 0.8 of the point allowed: true, but 4,000 items are too few to prove it.",
    Reason.ITEMS_EXHAUSTED,
)
def just_inside_the_margin(workshop: Workshop) -> Case:
    items = populations.draw_digits(1, 4000, True)
    pack = workshop.pack("digits-4000", items, "as digits, 4,000")
    model = workshop.model("nearly-one-point", _losing(0.8, items).proto())
    return Case(stock.digits_model(workshop), model, (pack,), _ACCURACY_ALONE, Technique.FP16, tier="High")


@inconclusive(
    "p50",
    "The baseline itself, asked to be no slower than itself by a limit of 1.00.",
    Reason.ITEMS_EXHAUSTED,
    Reason.NOISY_NODE,
    alone=True,
)
def identical_but_not_faster(workshop: Workshop) -> Case:
    same = stock.digits_model(workshop)
    gates = (
        {"name": "p50", "metric": "LatencyRatio", "quantile": "0.50", "limit": "1.00"},
        {"name": "p95", "metric": "LatencyRatio", "quantile": "0.95", "limit": "2.00", "enforcement": "DryRun"},
    )
    return Case(
        same, same, (stock.plain_digits_pack(workshop),), gates, Technique.FP16, Purpose.LATENCY, latency_blocks=1000
    )


@inconclusive(
    "calibration set",
    "Static INT8, calibrated on items that it is judged on: its figures would flatter it. Nothing is judged.",
    Reason.CALIBRATION_OVERLAP,
)
def calibrated_on_the_pack(workshop: Workshop) -> Case:
    items = populations.draw_digits(1, stock.ITEMS, True)
    seen = items.inputs[:200]
    model = compression.int8_static(training.digits().proto(), seen)
    return Case(
        stock.digits_model(workshop),
        workshop.model("calibrated-on-the-pack", model),
        (stock.plain_digits_pack(workshop),),
        (),
        Technique.INT8_STATIC,
        calibration=workshop.arrays("calibration", {"pixels": seen}),
    )


EXHIBITS: tuple[Exhibit, ...] = (
    too_few_items,
    slice_too_small,
    all_slices_excluded,
    exactly_at_the_margin,
    just_inside_the_margin,
    calibrated_on_the_pack,
    identical_but_not_faster,
)

"""Damage that is seen in the answers: where a model reads worse than its baseline."""

from dataclasses import replace

import numpy as np
from onnx import helper
from paritygate.api import Technique

from . import compression, populations, stock, training
from .entry import Case, Exhibit, Gate, damage
from .networks import Floats, Network, tokens
from .populations import Digits
from .workshop import Workshop

WIDE = "0.10"
_FLIPS_ASIDE: Gate = {"name": "harmful-flips", "metric": "HarmfulFlipRate", "margin": "0.5"}
"""What a broken model loses, the gate of harmful flips sees as soon as the gate of accuracy does."""


def _judged(workshop: Workshop, name: str, candidate: Network, technique: Technique) -> Case:
    """A candidate for `digits`, on the pack of two scanners and two hands, by the tier's own gates."""
    model = workshop.model(name, candidate.proto())
    return Case(stock.digits_model(workshop), model, (stock.digits_pack(workshop),), (), technique)


@damage("every-class/8", "The column of one class was pruned too: it loses 13 points, the average not one.")
def one_class_pruned(workshop: Workshop) -> Case:
    network = training.digits()
    matrix, bias = network.layers[-1]
    weak = np.abs(matrix[:, 8]) < np.quantile(np.abs(matrix[:, 8]), 0.6)
    changed = matrix.copy()
    changed[weak, 8] = 0
    return _judged(workshop, "one-class-pruned", network.with_layer(-1, changed, bias), Technique.PRUNED)


@damage("accuracy", "The outputs of classes 3 and 5 were exchanged on export.")
def swapped_classes(workshop: Workshop) -> Case:
    network = training.digits()
    order = [0, 1, 2, 5, 4, 3, 6, 7, 8, 9]
    matrix, bias = network.layers[-1]
    model = workshop.model("swapped", network.with_layer(-1, matrix[:, order], bias[order]).proto())
    packs = (stock.plain_digits_pack(workshop),)
    return Case(stock.digits_model(workshop), model, packs, (_FLIPS_ASIDE,), Technique.OTHER)


@damage("critical-3/3", "A bias was rounded away: class 3, declared critical, has a margin of its own and loses more.")
def critical_class_worse(workshop: Workshop) -> Case:
    network = training.digits()
    matrix, bias = network.layers[-1]
    biased = bias.copy()
    biased[3] -= 1.0
    items = populations.draw_digits(1, 20_000, True)
    pack = workshop.pack("digits-critical", items, "as digits; class 3 is critical", criticalClasses=["3"])
    model = workshop.model("critical", network.with_layer(-1, matrix, biased).proto())
    return Case(stock.digits_model(workshop), model, (pack,), (), Technique.INT8_WEIGHT_ONLY)


@damage("accuracy", "Seven tenths of every hidden layer pruned away, and nothing trained again.")
def pruned_too_far(workshop: Workshop) -> Case:
    model = workshop.model("pruned-too-far", compression.pruned(training.digits(), 0.7).proto())
    packs = (stock.plain_digits_pack(workshop),)
    return Case(stock.digits_model(workshop), model, packs, (_FLIPS_ASIDE,), Technique.OTHER)


@damage("by-scanner/B", "Static INT8, calibrated on scanner A only: the average loses 2 points, scanner B 20.")
def calibrated_on_one_scanner(workshop: Workshop) -> Case:
    model = compression.int8_static(training.digits().proto(), stock.calibration(0.0))
    return Case(
        stock.digits_model(workshop),
        workshop.model("calibrated-on-a", model),
        (stock.digits_pack(workshop),),
        (stock.BY_INPUT_RANGE_SOFT,),
        Technique.INT8_STATIC,
    )


@damage("by-input-range/largest tenth", "Activations saturate; nobody declared a slice, the technique brings one.")
def saturated_activations(workshop: Workshop) -> Case:
    network = training.digits()
    most = _saturating(network, loss=0.15)
    model = network.proto()
    (relu,) = [node for node in model.graph.node if node.name == "layer0/Relu"]
    clip = helper.make_node("Clip", ["unclipped", "", "most"], [relu.output[0]], "layer0/Clip")
    relu.output[0] = "unclipped"
    model.graph.node.insert(list(model.graph.node).index(relu) + 1, clip)
    model.graph.initializer.append(helper.make_tensor("most", 1, [], [most]))
    return Case(
        stock.digits_model(workshop),
        workshop.model("saturated", model),
        (stock.plain_digits_pack(workshop),),
        (),
        Technique.INT8_DYNAMIC,
    )


def _saturating(network: Network, loss: float) -> float:
    """The largest activation that may be kept for scanner B to lose this share of its items, by measurement."""
    items = populations.draw_digits(3, 2000, True, Digits(scanner_b=1.0))
    matrix, bias = network.layers[0]
    rest = replace(network, layers=network.layers[1:])
    hidden = np.maximum(items.inputs @ matrix + bias, 0)
    right = (rest.logits(hidden).argmax(1) == items.labels).mean()
    for most in np.quantile(hidden, np.arange(0.99, 0.3, -0.01)).tolist():
        if right - (rest.logits(np.minimum(hidden, most)).argmax(1) == items.labels).mean() >= loss:
            return float(most)
    raise ValueError(f"no saturation costs {loss:.0%} of the items")


@damage("by-length/largest tenth", "Only the first 29 tokens are read: the longest inputs lose their end.")
def clipped_long_inputs(workshop: Workshop) -> Case:
    network = training.strokes()
    clipped = replace(network, front=tokens(64, 64, read=29))
    return Case(
        workshop.model("strokes", network.proto()),
        workshop.model("strokes-clipped", clipped.proto()),
        (stock.strokes_pack(workshop),),
        ({"name": "accuracy", "metric": "Accuracy", "margin": "0.03"},),
        Technique.INT4_WEIGHT_ONLY,
    )


@damage("by-confidence/below 0.6", "Weights rounded to two bits: what the baseline was unsure of goes first.")
def unsure_items_lost(workshop: Workshop) -> Case:
    network = training.digits()

    def rounded(matrix: Floats) -> Floats:
        scale = np.abs(matrix).max(0) / 2
        coarse: Floats = (np.rint(matrix / scale) * scale).astype(np.float32)
        return coarse

    candidate = replace(network, layers=(*((rounded(w), b) for w, b in network.layers[:-1]), network.layers[-1]))
    gates = (
        {"name": "accuracy", "metric": "Accuracy", "margin": "0.03"},
        {"name": "brier", "metric": "Brier", "margin": WIDE},
        _FLIPS_ASIDE,
    )
    model = workshop.model("two-bits", candidate.proto())
    return Case(
        stock.digits_model(workshop), model, (stock.many_digits_pack(workshop),), gates, Technique.INT4_WEIGHT_ONLY
    )


@damage("by-hand/slanted", "Fine-tuned on upright hands alone: the slanted tenth loses 20 points.")
def one_group_lost(workshop: Workshop) -> Case:
    items = populations.draw_digits(1, stock.ITEMS, True, Digits(slanted=0.1))
    pack = workshop.pack("digits-few-slanted", items, "as digits; 10 % slanted", slices=("hand",))
    upright = training.digits(Digits(scanner_b=0.4, slanted=0.0))
    model = workshop.model("upright-only", upright.proto())
    return Case(stock.digits_model(workshop), model, (pack,), (), Technique.FINE_TUNED)


@damage(
    "fairness-hand/slanted | upright",
    "One hand gains while the other loses: each within a wide margin of its own, the gap not.",
)
def fairness_gap_grown(workshop: Workshop) -> Case:
    items = populations.draw_digits(1, 16_000, True)
    pack = workshop.pack(
        "digits-groups", items, "as digits; hands are groups", slices=({"column": "hand", "groups": True},)
    )
    model = workshop.model("few-slanted", training.digits(Digits(scanner_b=0.4, slanted=0.02)).proto())
    gates = (
        {"name": "accuracy", "metric": "Accuracy", "margin": "0.2"},
        {"name": "by-hand", "metric": "Accuracy", "sliceBy": "hand", "margin": "0.3"},
        _FLIPS_ASIDE,
    )
    return Case(stock.digits_model(workshop), model, (pack,), gates, Technique.FINE_TUNED)


@damage(
    "must-pass-release-blockers/release-blockers",
    "0.3 points on average, which is allowed; but items that must not be lost are.",
)
def must_pass_lost(workshop: Workshop) -> Case:
    drawn = populations.draw_digits(7, 2000, True)
    pack = workshop.pack("release-blockers", drawn, "as digits, another draw; none may be lost", mustPass=True)
    model = workshop.model("pruned-30", compression.pruned(training.digits(), 0.3).proto())
    items = populations.draw_digits(1, stock.ITEMS, True)
    core = workshop.pack("digits-core", items, "as digits")
    return Case(stock.digits_model(workshop), model, (core, pack), (), Technique.FP16)


@damage("darker", "As good on the items as they are; on darker paper, which calibration never saw, 5 points worse.")
def robustness_lost(workshop: Workshop) -> Case:
    items = populations.draw_digits(1, stock.ITEMS, True, Digits(scanner_b=0.0))
    pack = workshop.pack(
        "digits-scanner-a",
        items,
        "as digits, scanner A alone",
        perturbations=[{"name": "darker-paper", "kind": "Brightness", "strength": "0.5"}],
    )
    model = compression.int8_static(training.digits().proto(), stock.calibration(0.0))
    gates = ({"name": "darker", "metric": "Accuracy", "perturbation": "darker-paper", "margin": "0.02"},)
    return Case(
        stock.digits_model(workshop), workshop.model("calibrated-on-a", model), (pack,), gates, Technique.INT8_STATIC
    )


EXHIBITS: tuple[Exhibit, ...] = (
    one_class_pruned,
    swapped_classes,
    critical_class_worse,
    pruned_too_far,
    calibrated_on_one_scanner,
    saturated_activations,
    clipped_long_inputs,
    unsure_items_lost,
    one_group_lost,
    fairness_gap_grown,
    must_pass_lost,
    robustness_lost,
)

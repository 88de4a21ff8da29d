"""Damage that accuracy does not see: how sure, how alike, how often, which way; and tasks without right or wrong."""

from dataclasses import replace

import numpy as np
from onnx import helper
from paritygate.api import Technique

from . import compression, populations, stock, training
from .entry import Case, Exhibit, Gate, damage
from .networks import Array, Network
from .populations import Digits
from .workshop import Workshop

WIDE = "0.10"
_BENIGN, _MALIGNANT = np.array([1.0, -1.0]), np.array([-1.0, 1.0])


def sharpened(network: Network, factor: float) -> Network:
    """The same answers, and every logit times `factor`: surer or less sure of them."""
    matrix, bias = network.layers[-1]
    return network.with_layer(-1, matrix * factor, bias * factor)


def leaning(network: Network, towards: Array) -> Network:
    """The same network, its last bias moved."""
    matrix, bias = network.layers[-1]
    return network.with_layer(-1, matrix, bias + towards)


@damage("brier", "Logits six times as large: the same answers, and far too sure of the wrong ones.")
def overconfident_head(workshop: Workshop) -> Case:
    model = workshop.model("overconfident", sharpened(training.digits(), 6.0).proto())
    pack = stock.noisy_digits_pack(workshop)
    return Case(stock.digits_model(workshop), model, (pack,), (), Technique.INT8_STATIC)


@damage("log-loss", "The same head, seen by the log loss: what was wrong was never thought possible.")
def log_loss_added(workshop: Workshop) -> Case:
    model = workshop.model("overconfident", sharpened(training.digits(), 6.0).proto())
    gates = (
        {"name": "log-loss", "metric": "LogLoss", "margin": "0.02"},
        {"name": "brier", "metric": "Brier", "margin": WIDE},
    )
    return Case(stock.digits_model(workshop), model, (stock.noisy_digits_pack(workshop),), gates, Technique.INT8_STATIC)


@damage("abstentions", "Logits halved: the same answers, but many more of them below the owner's 0.8.")
def abstentions_raised(workshop: Workshop) -> Case:
    model = workshop.model("hesitant", sharpened(training.digits(), 0.5).proto())
    gates = (
        {"name": "abstentions", "metric": "AbstentionRate", "confidence": "0.8", "margin": "0.05"},
        {"name": "brier", "metric": "Brier", "margin": WIDE},
    )
    return Case(stock.digits_model(workshop), model, (stock.digits_pack(workshop),), gates, Technique.DISTILLED)


@damage("precision/1", "It leans towards malignant: precision falls by a tenth, accuracy by little more than a point.")
def precision_lost(workshop: Workshop) -> Case:
    gates = (
        {"name": "accuracy", "metric": "Accuracy", "margin": "0.03"},
        {"name": "precision", "metric": "Precision", "value": "1", "margin": "0.03"},
        {"name": "brier", "metric": "Brier", "margin": WIDE},
    )
    return _tumours(workshop, "malignant", leaning(training.tumours(), 0.5 * _MALIGNANT), gates)


@damage("f2/1", "It leans towards benign: accuracy hardly moves, but F-beta weighs what it overlooks.")
def f_beta_lost(workshop: Workshop) -> Case:
    gates = (
        {"name": "accuracy", "metric": "Accuracy", "margin": "0.03"},
        {"name": "f2", "metric": "FBeta", "value": "1", "beta": "2", "margin": "0.03"},
        {"name": "brier", "metric": "Brier", "margin": WIDE},
    )
    return _tumours(workshop, "benign", leaning(training.tumours(), 4.0 * _BENIGN), gates)


def _tumours(workshop: Workshop, name: str, candidate: Network, gates: tuple[Gate, ...]) -> Case:
    baseline = workshop.model("tumours", training.tumours().proto())
    model = workshop.model(f"tumours-{name}", candidate.proto())
    return Case(baseline, model, (stock.tumours_pack(workshop),), gates, Technique.FP16)


@damage("harmful-flips", "Trained anew: it wins as many items as it loses, but what worked yesterday fails today.")
def many_flips(workshop: Workshop) -> Case:
    model = workshop.model("another", training.digits(training.MIXED, (128, 64), 14).proto())
    gates = (
        {"name": "accuracy", "metric": "Accuracy", "margin": "0.03"},
        {"name": "brier", "metric": "Brier", "margin": WIDE},
    )
    return Case(stock.digits_model(workshop), model, (stock.noisy_digits_pack(workshop),), gates, Technique.DISTILLED)


def unreadable(workshop: Workshop) -> Case:
    """Three in ten items can be read by nobody; there the candidate always says 8, and is no worse for it."""
    items = populations.draw_digits(1, stock.ITEMS, True, Digits(noise=0.3, scanner_b=0.0, unreadable=0.3))
    pack = workshop.pack("digits-unreadable", items, "as digits; 30 % show noise, their labels are drawn by lot")
    model = workshop.model("guessing", training.guessing().proto())
    return Case(stock.digits_model(workshop), model, (pack,), (), Technique.DISTILLED)


@damage("disagreement", "As often right, but it answers differently where nothing can be read: proved without labels.")
def answers_differ(workshop: Workshop) -> Case:
    gates = (
        {"name": "disagreement", "metric": "DisagreementRate", "margin": "0.05"},
        {"name": "harmful-flips", "metric": "HarmfulFlipRate", "margin": WIDE},
        {"name": "accuracy", "metric": "Accuracy", "margin": "0.05"},
    )
    return replace(unreadable(workshop), gates=gates)


@damage("error", "Forecasts above 180 are cut off: the sickest patients are foretold too low.")
def regression_error(workshop: Workshop) -> Case:
    network = training.patients()
    gates = ({"name": "error", "metric": "AbsoluteError", "cap": "150", "margin": "0.01"},)
    cut = helper.make_node("Min", ["logits", "most"], ["changed"])
    clipped = network.proto((cut,), {"most": np.array(180, np.float32)})
    return Case(
        workshop.model("patients", network.proto()),
        workshop.model("patients-low", clipped),
        (stock.patients_pack(workshop),),
        gates,
        Technique.INT8_STATIC,
    )


@damage("neighbours", "Most of the 32 numbers of the vector were pruned: other items are near.")
def neighbours_lost(workshop: Workshop) -> Case:
    network = training.embedding()
    keep = np.diag((np.arange(32) < 6).astype(np.float32))
    return _search(workshop, "few-numbers", network.with_layer(-1, keep, np.zeros(32)), ())


@damage("moved", "Turned in space: neighbours stay, but an index built by the baseline is useless to it.")
def embeddings_turned(workshop: Workshop) -> Case:
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(32, 32)))
    network = training.embedding().with_layer(-1, turn, np.zeros(32))
    return _search(workshop, "turned", network, ({"name": "moved", "metric": "CosineChange", "margin": "0.05"},))


@damage("overlap", "Pruned by seven tenths: as good a search, but by other neighbours.")
def neighbours_changed(workshop: Workshop) -> Case:
    network = training.embedding()
    coarse = replace(network, layers=(network.layers[0], *compression.pruned(network, 0.7).layers[1:]))
    gates = (
        {"name": "overlap", "metric": "NeighbourChange", "neighbours": 5, "margin": "0.10"},
        {"name": "neighbours", "metric": "NeighbourPrecision", "margin": WIDE},
    )
    return _search(workshop, "coarse", coarse, gates)


def _search(workshop: Workshop, name: str, candidate: Network, gates: tuple[Gate, ...]) -> Case:
    baseline = workshop.model("embedding", training.embedding().proto())
    model = workshop.model(f"embedding-{name}", candidate.proto())
    return Case(baseline, model, (stock.search_pack(workshop),), gates, Technique.PRUNED)


def _forgetful() -> Network:
    """Label 2 (prime) comes hard to it."""
    return leaning(training.traits(), np.array([0, 0, -2.0, 0], np.float32))


@damage("recall/2", "Of four labels one is told too seldom: its recall falls.")
def label_lost(workshop: Workshop) -> Case:
    gates = (
        {"name": "recall", "metric": "Recall", "margin": "0.03"},
        {"name": "accuracy", "metric": "Accuracy", "margin": "0.05"},
        {"name": "harmful-flips", "metric": "HarmfulFlipRate", "margin": "0.20"},
    )
    return _traits(workshop, "forgetful", _forgetful(), gates)


@damage("label-error", "The labels of an item counted one by one: more of them are wrong.")
def label_error_added(workshop: Workshop) -> Case:
    gates = (
        {"name": "label-error", "metric": "LabelError", "margin": "0.01"},
        {"name": "accuracy", "metric": "Accuracy", "margin": "0.20"},
        {"name": "harmful-flips", "metric": "HarmfulFlipRate", "margin": "0.30"},
    )
    towards = np.array([2.0, -2.0, -2.0, 2.0], np.float32)
    return _traits(workshop, "mistaken", leaning(training.traits(), towards), gates)


def _traits(workshop: Workshop, name: str, candidate: Network, gates: tuple[Gate, ...]) -> Case:
    baseline = workshop.model("traits", training.traits().proto())
    model = workshop.model(f"traits-{name}", candidate.proto())
    return Case(baseline, model, (stock.traits_pack(workshop),), gates, Technique.FP16)


EXHIBITS: tuple[Exhibit, ...] = (
    overconfident_head,
    log_loss_added,
    abstentions_raised,
    precision_lost,
    f_beta_lost,
    many_flips,
    answers_differ,
    regression_error,
    neighbours_lost,
    embeddings_turned,
    neighbours_changed,
    label_lost,
    label_error_added,
)

"""Damage that is no question of statistics: broken files and numbers; what is slower, larger, or runs elsewhere."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from paritygate.api import Purpose, Reason, Technique

from . import compression, populations, stock, training
from .entry import Case, Exhibit, Gate, damage, unusable
from .populations import Digits
from .workshop import Workshop


def _case(
    workshop: Workshop,
    name: str,
    model: onnx.ModelProto | bytes,
    gates: tuple[Gate, ...] = (),
    *,
    pack: Path | None = None,
) -> Case:
    return Case(
        stock.digits_model(workshop),
        workshop.model(name, model),
        (pack or stock.plain_digits_pack(workshop),),
        gates,
        Technique.FP16,
    )


@damage("check Loadable", "The upload was cut off: nine tenths of the file arrived.")
def truncated_file(workshop: Workshop) -> Case:
    content = training.digits().proto().SerializeToString()
    return _case(workshop, "truncated", content[: len(content) * 9 // 10])


@damage("check Interface", "Exported again under another name of the output.")
def changed_interface(workshop: Workshop) -> Case:
    return _case(workshop, "renamed", replace(training.digits(), output="probabilities").proto())


@damage("check OutputShape", "The Softmax was lost on export: what should be probabilities are logits.")
def lost_softmax(workshop: Workshop) -> Case:
    pack = stock.digits_pack(workshop)
    return _case(workshop, "no-softmax", replace(training.digits(), last="").proto(), pack=pack)


@damage("check Finite", "A Softmax that was written by hand overflows on one item in a hundred, from a broken sensor.")
def nan_on_extreme_input(workshop: Workshop) -> Case:
    items = populations.draw_digits(1, stock.ITEMS, True, Digits(faulty=0.01))
    pack = workshop.pack("digits-faulty", items, "as digits; in 1 % one pixel is 10,000 levels dark")
    more = (
        # Without its usual shift by the largest logit.
        helper.make_node("Exp", ["logits"], ["powers"]),
        helper.make_node("ReduceSum", ["powers", "classes"], ["sum"]),
        helper.make_node("Div", ["powers", "sum"], ["changed"]),
    )
    model = replace(training.digits(), last="").proto(more, {"classes": np.array([1])})
    return _case(workshop, "overflowing", model, pack=pack)


@damage("check Deterministic", "Dropout was left on: the same item is answered in two ways.")
def answers_by_chance(workshop: Workshop) -> Case:
    noise = helper.make_node("RandomNormalLike", ["logits"], ["noise"], scale=2.0)
    more = noise, helper.make_node("Add", ["logits", "noise"], ["changed"])
    gates = ({"name": "accuracy", "metric": "Accuracy", "margin": "0.5"},)
    return _case(workshop, "by-chance", training.digits().proto(more), _unhurried(gates))


def _unhurried(gates: tuple[Gate, ...]) -> tuple[Gate, ...]:
    return (*gates, {"name": "harmful-flips", "metric": "HarmfulFlipRate", "margin": "0.5"})


@damage("size", "INT8 weights, and the float ones forgotten in the file: larger than before.")
def larger_file(workshop: Workshop) -> Case:
    network = training.digits()
    model = compression.int8_weights(network).proto()
    model.graph.initializer.extend(
        numpy_helper.from_array(matrix, f"forgotten{number}") for number, (matrix, _) in enumerate(network.layers)
    )
    return _case(workshop, "forgotten", model, ({"name": "size", "metric": "SizeRatio", "limit": "0.50"},))


@damage("memory", "Weights are unpacked into a table 64 MB large whenever it runs.")
def memory_hog(workshop: Workshop) -> Case:
    model = training.digits().proto()
    (bias,) = [node for node in model.graph.node if node.name == "layer0/Add"]
    nodes = [
        # Nothing that is known beforehand: else it would be folded into a constant, or left out.
        helper.make_node("ReduceMin", ["pixels"], ["least"], keepdims=0),
        helper.make_node("Expand", ["least", "large"], ["table"]),
        helper.make_node("ReduceMin", ["table"], ["found"], keepdims=0),
        helper.make_node("Sub", ["found", "least"], ["nothing"]),
        helper.make_node("Add", ["layer0.bias", "nothing"], ["bias"]),
    ]
    bias.input[1] = "bias"
    for place, node in enumerate(nodes):
        model.graph.node.insert(place, node)
    model.graph.initializer.append(numpy_helper.from_array(np.array([16 << 20]), "large"))
    return _case(workshop, "hog", model, ({"name": "memory", "metric": "PeakMemoryRatio", "limit": "1.10"},))


@damage("p50", "Dynamic INT8 of a convolution: a third of the bytes, and several times slower.", alone=True)
def slower_candidate(workshop: Workshop) -> Case:
    model = training.pictures().proto()
    return Case(
        workshop.model("pictures", model),
        workshop.model("pictures-dynamic", compression.int8_dynamic(model)),
        (stock.plain_digits_pack(workshop),),
        (
            {"name": "p50", "metric": "LatencyRatio", "quantile": "0.50", "limit": "1.10"},
            # A busy machine's p95 is too noisy for the control.
            {"name": "p95", "metric": "LatencyRatio", "limit": "2.00", "enforcement": "DryRun"},
        ),
        Technique.INT8_DYNAMIC,
        Purpose.MEMORY,
        latency_blocks=1000,
    )


@unusable(
    "runs on CPUExecutionProvider",
    "A provider was asked for that takes none of the operators: all of them ran on the CPU, and nobody said so.",
    Reason.BASELINE_UNLOADABLE,
)
def silent_fall_back(workshop: Workshop) -> Case:
    # The only provider beside the CPU's own that every build of onnxruntime brings. It takes the baseline no better
    # than the candidate, so here the pair is refused; where a device takes only the baseline, the candidate fails.
    case = _case(workshop, "fp16", compression.fp16(training.digits().proto()))
    return replace(case, provider="AzureExecutionProvider")


EXHIBITS: tuple[Exhibit, ...] = (
    truncated_file,
    changed_interface,
    lost_softmax,
    nan_on_extreme_input,
    answers_by_chance,
    larger_file,
    memory_hog,
    silent_fall_back,
    slower_candidate,
)

"""Compressions as they should be: smaller, and as good. All must pass."""

from dataclasses import replace

import onnx
from paritygate.api import Technique

from . import compression, damaged_behaviour, stock, training
from .entry import Case, Exhibit, Gate, honest
from .workshop import Workshop

SMALLER: Gate = {"name": "size", "metric": "SizeRatio", "limit": "0.60"}


def _case(
    workshop: Workshop, name: str, model: onnx.ModelProto, technique: Technique, gates: tuple[Gate, ...] = (SMALLER,)
) -> Case:
    packs = (stock.digits_pack(workshop),)
    return Case(stock.digits_model(workshop), workshop.model(name, model), packs, gates, technique)


@honest("Half precision inside, float32 at the ports: half the bytes.")
def fp16(workshop: Workshop) -> Case:
    return _case(workshop, "fp16", compression.fp16(training.digits().proto()), Technique.FP16)


@honest("Weights in eight bits, activations as they come.")
def int8_dynamic(workshop: Workshop) -> Case:
    return _case(workshop, "int8-dynamic", compression.int8_dynamic(training.digits().proto()), Technique.INT8_DYNAMIC)


@honest("QDQ per channel, calibrated on both scanners.")
def int8_static(workshop: Workshop) -> Case:
    model = compression.int8_static(training.digits().proto(), stock.calibration(0.5))
    return _case(workshop, "int8-static", model, Technique.INT8_STATIC)


@honest("The same of a convolution.")
def int8_static_convolution(workshop: Workshop) -> Case:
    model = training.pictures().proto()
    return Case(
        workshop.model("pictures", model),
        workshop.model("pictures-static", compression.int8_static(model, stock.calibration(0.5))),
        (stock.digits_pack(workshop),),
        (SMALLER,),
        Technique.INT8_STATIC,
    )


@honest("Weights alone in eight bits, a scale a column.")
def int8_weight_only(workshop: Workshop) -> Case:
    model = compression.int8_weights(training.digits()).proto()
    return _case(workshop, "int8-weights", model, Technique.INT8_WEIGHT_ONLY)


@honest("Weights alone in four bits, a scale for 32 of them: ONNX's own four-bit tensors.")
def int4_weight_only(workshop: Workshop) -> Case:
    model = compression.int4_weights(training.digits()).proto()
    case = _case(workshop, "int4-weights", model, Technique.INT4_WEIGHT_ONLY)
    # The technique asks for a proof on what the baseline is unsure of: 6 % of the items.
    return replace(case, packs=(stock.many_digits_pack(workshop),))


@honest("A fifth of the hidden weights set to zero; as unstructured pruning goes, not a byte smaller.")
def mildly_pruned(workshop: Workshop) -> Case:
    model = compression.pruned(training.digits(), 0.2).proto()
    return _case(workshop, "pruned-20", model, Technique.PRUNED, ())


@honest("A student of a third of the size, taught the baseline's logits.")
def distilled_student(workshop: Workshop) -> Case:
    return _case(workshop, "student", training.student().proto(), Technique.DISTILLED)


@honest("Each layer holds 64 different weights, a byte an entry says which; as it runs it takes as much memory.")
def clustered_weights(workshop: Workshop) -> Case:
    memory = {"name": "peak-memory", "metric": "PeakMemoryRatio", "limit": "1.00", "enforcement": "DryRun"}
    model = compression.clustered(training.digits(), 64).proto()
    return _case(workshop, "clustered", model, Technique.CLUSTERED, (SMALLER, memory))


@honest("A regression with weights in eight bits.", "error")
def regression_int8(workshop: Workshop) -> Case:
    network = training.patients()
    return Case(
        workshop.model("patients", network.proto()),
        workshop.model("patients-int8", compression.int8_weights(network).proto()),
        (stock.patients_pack(workshop),),
        ({"name": "error", "metric": "AbsoluteError", "cap": "150", "margin": "0.01"},),
        Technique.INT8_WEIGHT_ONLY,
    )


@honest("A search by vectors in half precision.", "neighbours")
def embedding_fp16(workshop: Workshop) -> Case:
    model = training.embedding().proto()
    return Case(
        workshop.model("embedding", model),
        workshop.model("embedding-fp16", compression.fp16(model)),
        (stock.search_pack(workshop),),
        ({"name": "moved", "metric": "CosineChange", "margin": "0.02"},),
        Technique.FP16,
    )


@honest("Four labels an item, dynamic INT8.")
def multilabel_int8(workshop: Workshop) -> Case:
    model = training.traits().proto()
    return Case(
        workshop.model("traits", model),
        workshop.model("traits-int8", compression.int8_dynamic(model)),
        (stock.traits_pack(workshop),),
        (),
        Technique.INT8_DYNAMIC,
    )


@honest("Its answers drift and are no worse: a Soft gate warns, the verdict stays Passed.", warns="drift")
def drift_without_loss(workshop: Workshop) -> Case:
    gates = (
        {"name": "harmful-flips", "metric": "HarmfulFlipRate", "margin": "0.15"},
        {"name": "accuracy", "metric": "Accuracy", "margin": "0.03"},
    )
    return replace(damaged_behaviour.unreadable(workshop), gates=gates)


EXHIBITS: tuple[Exhibit, ...] = (
    fp16,
    int8_dynamic,
    int8_static,
    int8_static_convolution,
    int8_weight_only,
    int4_weight_only,
    mildly_pruned,
    distilled_student,
    clustered_weights,
    regression_int8,
    embedding_fp16,
    multilabel_int8,
    drift_without_loss,
)

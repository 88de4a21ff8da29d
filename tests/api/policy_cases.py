"""Changes of a policy."""

from collections.abc import Mapping
from typing import Any

from tests.api.manifests import LABEL, NAME, POLICY, SHA, Case


def _gate(**fields: Any) -> Mapping[str, Any]:
    return {"gates": [{"name": "x", "metric": "Accuracy", **fields}]}


_ALPHA = "alpha is the chance of a wrong promotion"
_MARGIN = "margin must be in quotes and lie between 0 and 1"
_LIMIT = "limit must be in quotes, above 0 and at most 100"
_MUST_PASS = "MustPass takes neither margin nor limit"
_BETA = "beta weighs recall against precision: in quotes"
_CAP = "cap is the largest error that counts"
_CONFIDENCE = "confidence must be in quotes and lie between 0 and 1"
_BY_SLICE = " is not counted slice by slice, or has a gate for each class"
_QUANTILE = 'quantile must be in quotes and lie between "0.5" and "0.99"'
_ABOVE_ZERO = "must be a duration above 0"

POLICY_CASES = [
    *(Case(f"alpha {alpha}", "ValidationPolicy", {"alpha": alpha}) for alpha in ("0.5", "0.000000001", "0.500")),
    *(
        Case(f"alpha {alpha!r}", "ValidationPolicy", {"alpha": alpha}, _ALPHA)
        for alpha in ("0", "0.51", "0.500000001", "1", "-0.1", "5%", "1e-2", ".5", "", " 0.05", "0.05\n", "00.5")
    ),
    *(Case(f"margin {m}", "ValidationPolicy", _gate(margin=m)) for m in ("0.000000001", "0.999999999")),
    *(Case(f"margin {m!r}", "ValidationPolicy", _gate(margin=m), _MARGIN) for m in ("0", "1", "1.0", "0,01", "1 %")),
    Case("margin left to the default", "ValidationPolicy", _gate()),
    Case("margin of flips", "ValidationPolicy", _gate(metric="HarmfulFlipRate", margin="0.02")),
    *(
        Case(
            f"limit of {m}", "ValidationPolicy", _gate(metric=m, limit="1.1", enforcement=e), " takes margin, not limit"
        )
        for m, e in (("Accuracy", "Hard"), ("DisagreementRate", "Hard"), ("CalibrationError", "Soft"))
    ),
    *(
        Case(
            f"margin of {m}",
            "ValidationPolicy",
            _gate(metric=m, margin="0.1", enforcement=e),
            " takes limit, not margin",
        )
        for m, e in (("SizeRatio", "Hard"), ("PopulationStability", "Soft"))
    ),
    Case("nothing lost", "ValidationPolicy", _gate(metric="MustPass")),
    *(
        Case(f"{name} of nothing lost", "ValidationPolicy", _gate(metric="MustPass", **{name: "0.1"}), _MUST_PASS)
        for name in ("margin", "limit")
    ),
    *(
        Case(f"limit {r}", "ValidationPolicy", _gate(metric="SizeRatio", limit=r))
        for r in ("100", "0.000000001", "1.10")
    ),
    *(
        Case(f"limit {r!r}", "ValidationPolicy", _gate(metric="PeakMemoryRatio", limit=r), _LIMIT)
        for r in ("0", "100.1", "10%")
    ),
    Case(
        "latency without quantile",
        "ValidationPolicy",
        _gate(metric="LatencyRatio", limit="1.1"),
        "LatencyRatio needs quantile",
    ),
    Case(
        "a default latency gate keeps its quantile",
        "ValidationPolicy",
        {"gates": [{"name": "p95", "metric": "LatencyRatio", "enforcement": "DryRun"}]},
    ),
    *(
        Case(f"quantile {q}", "ValidationPolicy", _gate(metric="LatencyRatio", limit="1", quantile=q))
        for q in ("0.5", "0.99", "0.950")
    ),
    *(
        Case(f"quantile {q!r}", "ValidationPolicy", _gate(metric="LatencyRatio", limit="1", quantile=q), _QUANTILE)
        for q in ("0.49", "0.991", "95", "p95")
    ),
    *(
        Case(f"{name} of another metric", "ValidationPolicy", _gate(**{name: value}), f"{name} belongs to")
        for name, value in (("quantile", "0.9"), ("beta", "1"), ("cap", "25"), ("neighbours", 5), ("confidence", "0.8"))
    ),
    *(
        Case(f"{metric} with its own", "ValidationPolicy", _gate(metric=metric, margin="0.02", **own))
        for metric, own in (
            ("FBeta", {"beta": "0.5"}),
            ("FBeta", {"value": "cat"}),
            ("AbsoluteError", {"cap": "25.0"}),
            ("NeighbourPrecision", {"neighbours": 100}),
            ("NeighbourChange", {}),
            ("AbstentionRate", {"confidence": "0.8"}),
            ("FairnessGap", {"sliceBy": "language"}),
            ("Recall", {"value": "cat", "perturbation": "noise"}),
            ("Accuracy", {"sliceBy": "language", "value": "sw"}),
        )
    ),
    *(
        Case(f"{name} {value!r}", "ValidationPolicy", _gate(metric=metric, **{name: value}), message)
        for metric, name, value, message in (
            ("FBeta", "beta", "0", _BETA),
            ("FBeta", "beta", "10.1", _BETA),
            ("FBeta", "beta", "one", _BETA),
            ("AbsoluteError", "cap", "0", _CAP),
            ("AbsoluteError", "cap", "-1", _CAP),
            ("AbstentionRate", "confidence", "0", _CONFIDENCE),
            ("AbstentionRate", "confidence", "1", _CONFIDENCE),
            ("AbstentionRate", "confidence", "80 %", _CONFIDENCE),
        )
    ),
    *(
        Case(f"{metric} without its own", "ValidationPolicy", _gate(metric=metric), message)
        for metric, message in (
            ("AbsoluteError", "AbsoluteError needs cap, in the unit of the labels"),
            ("AbstentionRate", "AbstentionRate needs confidence, below which a model abstains"),
            ("FairnessGap", " needs sliceBy: the slice column of the groups"),
        )
    ),
    Case(
        "FairnessGap of one group",
        "ValidationPolicy",
        _gate(metric="FairnessGap", sliceBy="language", value="sw"),
        " compares every two groups of sliceBy: leave value out",
    ),
    *(
        Case(f"{m} by slice", "ValidationPolicy", _gate(metric=m, sliceBy="language", **more), _BY_SLICE)
        for m, more in (
            ("LatencyRatio", {"limit": "1", "quantile": "0.5"}),
            ("SizeRatio", {"limit": "1"}),
            ("Precision", {}),
            ("Auroc", {"enforcement": "Soft"}),
        )
    ),
    *(
        Case(f"a value of {m}", "ValidationPolicy", _gate(metric=m, value="sw"), "value needs sliceBy")
        for m in ("Accuracy", "Brier", "SizeRatio")
    ),
    Case(
        "the size of disturbed inputs",
        "ValidationPolicy",
        _gate(metric="SizeRatio", perturbation="noise"),
        " is not counted item by item: leave perturbation out",
    ),
    *(
        Case(f"{m} decides", "ValidationPolicy", _gate(metric=m), " has no bound and can't decide")
        for m in ("CalibrationError", "Auroc", "ConfidenceShift", "PopulationStability", "LoadTimeRatio", "Saturation")
    ),
    *(
        Case(f"{e} on a figure", "ValidationPolicy", _gate(metric="KullbackLeibler", limit="0.1", enforcement=e))
        for e in ("Soft", "DryRun")
    ),
    Case(
        "evidence about these items",
        "ValidationPolicy",
        {"evaluation": {"inference": "LockedSet", "alphaBudget": True}, "allowedFormats": ["Onnx", "TorchScript"]},
    ),
    *(
        Case(f"gate named {name!r}", "ValidationPolicy", _gate(name=name), LABEL)
        for name in ("a b", "-a", "a.", "é", "a\n")
    ),
    Case("slice column", "ValidationPolicy", _gate(sliceBy="amount band"), LABEL),
    *(
        Case(f"deadline {d}", "ValidationPolicy", {"evaluation": {"deadline": d}})
        for d in ("90s", "1h30m", "1.5h", "500ms", "1m0.5s")
    ),
    *(
        Case(f"deadline {d!r}", "ValidationPolicy", {"evaluation": {"deadline": d}}, _ABOVE_ZERO)
        for d in ("0s", "0h0m", "10", "m", "10 m", "1d", "-1h", "30m1h", "1h\n")
    ),
    Case("progress deadline", "ValidationPolicy", {"rollout": {"progressDeadline": "0s"}}, _ABOVE_ZERO),
    Case("evaluator by digest", "ValidationPolicy", {"evaluatorImage": f"registry.example.com/evaluator@{SHA}"}),
    *(
        Case(f"evaluator {i!r}", "ValidationPolicy", {"evaluatorImage": i}, "name the evaluator image by digest")
        for i in ("evaluator:latest", f"@{SHA}", f"{SHA}", "evaluator@sha256:12")
    ),
    Case("two gates of a name", "ValidationPolicy", {"gates": 2 * POLICY["spec"]["gates"][:1]}, "uplicate"),
    Case(
        "all items and not all",
        "ValidationPolicy",
        {"evaluation": {"everyItem": True, "maxItems": 5000}},
        "everyItem asks for all items and maxItems forbids some of them",
    ),
    *(
        Case(f"items: {limits}", "ValidationPolicy", {"evaluation": limits})
        for limits in ({"everyItem": True}, {"maxItems": 5000}, {"everyItem": False, "maxItems": 5000})
    ),
    Case("a required pack", "ValidationPolicy", {"requiredPacks": [{"name": "Core"}]}, NAME),
    Case("required packs", "ValidationPolicy", {"requiredPacks": [{"name": "core"}]}),
    Case("a required pack twice", "ValidationPolicy", {"requiredPacks": 2 * [{"name": "core"}]}, "uplicate"),
    Case("no spec says Standard", "ValidationPolicy", {"tier": None, "alpha": None, "gates": None}),
]

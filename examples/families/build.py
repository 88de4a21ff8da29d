"""Builds a baseline, a good and a bad candidate and a pack for every family of gates. Seconds, no download.

The models are small and real: trained on data that comes with scikit-learn, written as plain ONNX. Every good candidate
holds its weights in eight bits, or is pruned of units that do nothing; every bad one is broken in one way, so that one
gate sees it. Packs are drawn with replacement from samples that no model was trained on, each item disturbed anew, so
that items are independent draws of a stated population, as many as a gate needs.
"""

import argparse
import json
import re
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from paritygate.evidence import manifest_digest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[np.generic]
Layers = tuple[tuple[Floats, Floats], ...]

HERE = Path(__file__).parent
SEED = 7
DARK = 0.6
"""How much darker, of black, the paper of scanner B is."""


@dataclass(frozen=True, slots=True)
class Network:
    """Dense layers (matrix (in, out), bias (out,)) with Relu between, as ONNX: input `x` (items, *row), output `y`."""

    layers: Layers
    last: str = "Softmax"
    row: tuple[int, ...] = (8, 8)
    eight_bits: bool = False
    ceiling: float | None = None
    """What an input can't exceed: a range that was calibrated on too few items."""

    def biased(self, bias: npt.ArrayLike) -> "Network":
        """The same with this added to the last layer."""
        matrix, own = self.layers[-1]
        return replace(self, layers=(*self.layers[:-1], (matrix, (own + np.asarray(bias)).astype(np.float32))))

    def scaled(self, by: float) -> "Network":
        """The same with the last layer's numbers `by` times as large."""
        matrix, own = self.layers[-1]
        return replace(self, layers=(*self.layers[:-1], (matrix * np.float32(by), own * np.float32(by))))

    def rounded(self, bits: int) -> "Network":
        """The same with weights of so many bits, without any care."""
        most = 2 ** (bits - 1) - 1
        scales = [np.abs(w).max() / most for w, _ in self.layers]
        coarse = [(np.rint(w / s) * s, b) for (w, b), s in zip(self.layers, scales, strict=True)]
        return replace(self, layers=tuple((w.astype(np.float32), b) for w, b in coarse))

    def padded(self, units: int) -> "Network":
        """The same with so many more units in the first layer that do nothing."""
        (first, bias), (second, after), *rest = self.layers
        wide = np.hstack([first, np.zeros((len(first), units), np.float32)]), np.pad(bias, (0, units))
        return replace(self, layers=(wide, (np.pad(second, ((0, units), (0, 0))), after), *rest))

    def proto(self) -> onnx.ModelProto:
        """The model."""
        nodes, kept, rows = [], [], "x"
        if self.ceiling is not None:
            kept.append(numpy_helper.from_array(np.float32(self.ceiling), "ceiling"))
            nodes.append(helper.make_node("Clip", [rows, "", "ceiling"], ["clipped"]))
            rows = "clipped"
        nodes.append(helper.make_node("Flatten", [rows], ["flat"]))
        rows = "flat"
        for number, (matrix, bias) in enumerate(self.layers):
            weight, dense = f"w{number}", f"dense{number}"
            if self.eight_bits:
                scale = (np.maximum(np.abs(matrix).max(0), 1e-8) / 127).astype(np.float32)
                kept.append(numpy_helper.from_array(np.rint(matrix / scale).astype(np.int8), f"{weight}.int8"))
                kept.append(numpy_helper.from_array(scale, f"{weight}.scale"))
                nodes.append(helper.make_node("DequantizeLinear", [kept[-2].name, kept[-1].name], [weight], axis=1))
            else:
                kept.append(numpy_helper.from_array(matrix, weight))
            kept.append(numpy_helper.from_array(bias, f"b{number}"))
            nodes.append(helper.make_node("Gemm", [rows, weight, f"b{number}"], [dense]))
            rows = dense
            if number < len(self.layers) - 1:
                rows = f"relu{number}"
                nodes.append(helper.make_node("Relu", [dense], [rows]))
        nodes.append(helper.make_node(self.last, [rows], ["y"]))
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["items", *self.row])]
        outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["items", len(self.layers[-1][1])])]
        graph = helper.make_graph(nodes, "family", inputs, outputs, kept)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@dataclass(frozen=True, slots=True)
class Items:
    """Inputs, one label each as the label column has it (None: nobody labelled them), and slice columns."""

    x: Array
    labels: Array | None
    columns: Mapping[str, Array]


@cache
def _digits() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    pixels, digits = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(pixels))
    return pixels[order].reshape(-1, 8, 8) / 16, digits[order]


def draw_digits(seed: int, count: int, known: bool = False, dark: float = 0.3, noise: float = 0.05) -> Items:
    """Digits (items, 8, 8), half of them slanted: 0 = paper, 1 = ink.

    `known`: of the training samples. `dark`: share seen by scanner B. `noise`: its standard deviation.
    """
    rng = np.random.default_rng([SEED, seed])
    pixels, digits = (part[:900] if known else part[900:] for part in _digits())
    chosen = rng.integers(0, len(pixels), count)
    images, slant, dark_paper = pixels[chosen], rng.random(count) < 0.5, rng.random(count) < dark
    images[slant, :3] = np.roll(images[slant, :3], 1, axis=2)
    images = images * rng.uniform(0.8, 1.1, (count, 1, 1)) + rng.normal(0, noise, images.shape)
    x = (np.clip(images, 0, 1) + DARK * dark_paper[:, None, None]).astype(np.float32)
    columns = {"scanner": np.where(dark_paper, "B", "A"), "hand": np.where(slant, "slanted", "upright")}
    return Items(x, digits[chosen], columns)


def _trained(hidden: tuple[int, ...], x: Array, wanted: Array) -> MLPClassifier:
    # One thread: on a busy machine several take ten times as long for matrices as small as these.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MLPClassifier(hidden, max_iter=12, random_state=SEED).fit(x.reshape(len(x), -1), wanted)


def _layers(model: MLPClassifier) -> Layers:
    pairs = zip(model.coefs_, model.intercepts_, strict=True)
    return tuple((w.astype(np.float32), b.astype(np.float32)) for w, b in pairs)


@cache
def reader() -> Network:
    """Reads digits of both scanners: 64 pixels, 96 and 24 units, ten probabilities."""
    items = draw_digits(1, 6000, known=True, dark=0.5)
    return Network(_layers(_trained((96, 24), items.x, items.labels)))


TRAITS = {"even": (0, 2, 4, 6, 8), "large": (5, 6, 7, 8, 9), "loop": (0, 6, 8, 9), "prime": (2, 3, 5, 7)}
"""Names in alphabetical order: that of the model's outputs."""


def _traits(digits: Array) -> npt.NDArray[np.int64]:
    return np.stack([np.isin(digits, bearing) for bearing in TRAITS.values()], axis=1).astype(np.int64)


def _pair(baseline: Network, bad: Network, good: Network | None = None) -> dict[str, onnx.ModelProto]:
    kept = good or replace(baseline, eight_bits=True)
    return {"baseline": baseline.proto(), "good": kept.proto(), "bad": bad.proto()}


Files = Mapping[str, bytes]
"""A model as a folder: contents by file name."""

Made = tuple[Mapping[str, onnx.ModelProto | Files], dict[str, Items]]
"""The three models by name, and the items of each pack."""


def classes() -> Made:
    """Is a tumour malignant (1)? The bad candidate rarely says so any more: precise, and it overlooks them."""
    features, benign = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(features))
    x, ill = ((features - features.mean(0)) / features.std(0))[order], (1 - benign)[order]
    model = LogisticRegression(C=0.1).fit(x[:300], ill[:300])
    weights = np.hstack([-model.coef_.T / 2, model.coef_.T / 2]).astype(np.float32)
    bias = np.array([-model.intercept_[0] / 2, model.intercept_[0] / 2], np.float32)
    network = Network(((weights, bias),), row=(30,))
    rng = np.random.default_rng([SEED, 2])
    chosen = rng.integers(300, len(x), 12_000)
    drawn = x[chosen] + rng.normal(0, 0.3, (len(chosen), 30))
    return _pair(network, network.biased([1.0, 0])), {"pack": Items(drawn.astype(np.float32), ill[chosen], {})}


def multilabel() -> Made:
    """Traits of a digit: "even;prime", or "-" for none. The bad candidate seldom sees that one is prime."""
    known = draw_digits(1, 6000, known=True, dark=0.5)
    network = Network(_layers(_trained((96,), known.x, _traits(known.labels))), last="Sigmoid")
    drawn = draw_digits(3, 10_000)
    names = np.array(list(TRAITS))
    cells = np.array([";".join(names[row == 1]) or "-" for row in _traits(drawn.labels)])
    return _pair(network, network.biased([0, 0, 0, -1.5])), {"pack": replace(drawn, labels=cells, columns={})}


def regression() -> Made:
    """The progression of diabetes in a year. The bad candidate says 60 more for everyone."""
    features, progression = load_diabetes(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(features))
    x, wanted = (features / features.std(0))[order], progression[order]
    model = LinearRegression().fit(x[:250], wanted[:250])
    layer = model.coef_[:, None].astype(np.float32), np.array([model.intercept_], np.float32)
    network = Network((layer,), last="Identity", row=(10,))
    rng = np.random.default_rng([SEED, 4])
    chosen = rng.integers(250, len(x), 6000)
    drawn = (x[chosen] + rng.normal(0, 0.1, (len(chosen), 10))).astype(np.float32)
    return _pair(network, network.biased([60.0])), {"pack": Items(drawn, wanted[chosen], {})}


def embedding() -> Made:
    """24 numbers a digit, to find others like it. The bad candidate's weights have two bits."""
    network = replace(reader(), layers=reader().layers[:2], last="Identity")
    drawn = draw_digits(5, 4000)
    role = np.where(np.arange(4000) < 1000, "corpus", "query")
    return _pair(network, network.rounded(2)), {"pack": replace(drawn, columns={"role": role})}


def calibration() -> Made:
    """The bad candidate gives the same answers, and is far too sure of them."""
    network = replace(reader(), last="Identity")  # logits: the pack says so
    return _pair(network, network.scaled(8)), {"pack": replace(draw_digits(6, 6000, noise=0.25), columns={})}


def abstention() -> Made:
    """The bad candidate gives the same answers, and hands three times as many to people: it is too unsure."""
    return _pair(reader(), reader().scaled(0.5)), {"pack": replace(draw_digits(7, 6000), columns={})}


def fairness() -> Made:
    """Scanners are groups. The bad candidate's inputs are cut off where only scanner B goes."""
    drawn = draw_digits(8, 12_000, dark=0.5)
    return _pair(reader(), replace(reader(), ceiling=0.95)), {"pack": replace(drawn, columns=_only(drawn, "scanner"))}


def must_pass() -> Made:
    """200 items of scanner B may not be lost at all; in the other pack, of everyday items, they don't occur."""
    models = _pair(reader(), replace(reader(), ceiling=1.0), reader().padded(8))
    everyday, golden = draw_digits(9, 6000, dark=0.0), draw_digits(10, 200, dark=1.0)
    return models, {"pack": replace(everyday, columns={}), "must-pass": replace(golden, columns={})}


def perturbations() -> Made:
    """The bad candidate is as good on the items as they are, and lost when the light is brighter."""
    drawn = draw_digits(11, 6000, dark=0.0)
    return _pair(reader(), replace(reader(), ceiling=1.0)), {"pack": replace(drawn, columns={})}


def slices() -> Made:
    """The bad candidate's inputs are cut off above 1.1: nobody labelled them, the inputs tell which are large."""
    return _pair(reader(), replace(reader(), ceiling=1.1)), {"pack": draw_digits(12, 12_000, dark=0.4)}


def label_free() -> Made:
    """Nobody has labelled anything. The bad candidate's weights have three bits: it often says something else."""
    drawn = draw_digits(13, 4000)
    return _pair(reader(), reader().rounded(3)), {"pack": Items(drawn.x, None, {})}


def locked_set() -> Made:
    """Few items, and a claim about these alone. The bad candidate's weights have three bits."""
    return _pair(reader(), reader().rounded(3)), {"pack": replace(draw_digits(14, 2400), columns={})}


def torch() -> Made:
    """Weights for an architecture of the evaluator's. The good candidate keeps half of the bits, the bad one three."""
    flat = draw_digits(17, 6000)
    models = {
        "baseline": _safetensors(reader(), np.float32),
        "good": _safetensors(reader(), np.float16),
        "bad": _safetensors(reader().rounded(3), np.float32),
    }
    return models, {"pack": replace(flat, x=flat.x.reshape(len(flat.x), -1), columns={})}


def _safetensors(network: Network, kept_in: type[np.floating]) -> Files:
    """Weights, and which architecture they are for: no code."""
    from safetensors.numpy import save  # only with torch is it there, and only this family needs it

    tensors = {}
    for number, (matrix, bias) in enumerate(network.layers):
        tensors[f"layers.{number}.weight"] = np.ascontiguousarray(matrix.T, kept_in)
        tensors[f"layers.{number}.bias"] = bias.astype(kept_in)
    widths = [len(network.layers[0][0]), *(len(bias) for _, bias in network.layers)]
    config = {"architecture": "mlp", "input": "x", "output": "y", "widths": widths, "final": "softmax"}
    return {"model.safetensors": save(tensors), "config.json": json.dumps(config).encode()}


def speed() -> Made:
    """The baseline drags 4,000 units that do nothing: the good candidate is pruned of them, the bad one has 24,000."""
    drawn = replace(draw_digits(15, 6000), columns={})
    return _pair(reader().padded(4000), reader().padded(24_000), reader()), {"pack": drawn}


def numerics() -> Made:
    """One item in 100 comes from a broken sensor. The bad candidate squares what it reads: infinity."""
    drawn = draw_digits(16, 6000)
    x = drawn.x.copy()
    x[::100, 0, 0] = 1e20
    bad = reader().proto()
    flatten = next(node for node in bad.graph.node if node.op_type == "Flatten")
    square, root = helper.make_node("Mul", ["x", "x"], ["squared"]), helper.make_node("Sqrt", ["squared"], ["again"])
    flatten.input[0] = "again"
    bad.graph.node.insert(0, root)
    bad.graph.node.insert(0, square)
    models = {**_pair(reader(), reader()), "bad": bad}
    return models, {"pack": Items(x, drawn.labels, {})}


def _only(items: Items, *columns: str) -> dict[str, Array]:
    return {name: items.columns[name] for name in columns}


FAMILIES: dict[str, Callable[[], Made]] = {
    make.__name__.replace("_", "-"): make
    for make in (
        classes,
        multilabel,
        regression,
        embedding,
        slices,
        must_pass,
        fairness,
        calibration,
        abstention,
        label_free,
        perturbations,
        numerics,
        locked_set,
        torch,
        speed,
    )
}


def write(name: str, out: Path) -> None:
    """The family's models, items, packs and policy as files of the folder `out`."""
    models, packs = FAMILIES[name]()
    out.mkdir(parents=True, exist_ok=True)
    for role, model in models.items():
        if isinstance(model, onnx.ModelProto):
            onnx.save(model, out / f"{role}.onnx")
            continue
        (out / role).mkdir(exist_ok=True)
        for file, content in model.items():
            (out / role / file).write_bytes(content)
    for pack, items in packs.items():
        np.savez(out / f"{pack}-inputs.npz", x=items.x)
        said = {} if items.labels is None else {"label": items.labels}
        columns = {"id": np.arange(len(items.x)), **said, **items.columns}
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
        (out / f"{pack}-labels.csv").write_text("\n".join(lines) + "\n")
        (out / f"{pack}.yaml").write_text(_locked((HERE / name / f"{pack}.yaml").read_text(), out))
    shutil.copy(HERE / name / "policy.yaml", out / "policy.yaml")


def _locked(manifest: str, folder: Path) -> str:
    """The manifest with the digest of every file that it names."""

    def with_digest(found: re.Match[str]) -> str:
        return f'{{uri: {found[1]}, digest: "{manifest_digest(folder / found[1])}"}}'

    return re.sub(r"\{uri: ([^,}]+)\}", with_digest, manifest)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path, metavar="OUT", help="a folder for each family is made there")
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"of {', '.join(FAMILIES)}; default: all")
    options = parser.parse_args()
    if unknown := sorted(set(options.families) - set(FAMILIES)):
        parser.error(f"no family {unknown[0]!r}; there is: {', '.join(FAMILIES)}")
    for name in options.families or FAMILIES:
        write(name, options.out / name)


if __name__ == "__main__":
    main()

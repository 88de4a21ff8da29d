"""An exported program (.pt2), run node by node from its graph. No code is generated, none of the file's is run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import getitem
from pathlib import Path
from typing import Any

import torch

from .layers import DEQUANTISED, QUANTISED
from .runtime import Port, check_items
from .torch_archive import Archive
from .torch_network import dtype_name, output_names
from .torch_operators import OperatorRefusedError, resolved

_DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    9: torch.complex32,
    10: torch.complex64,
    11: torch.complex128,
    12: torch.bool,
    13: torch.bfloat16,
    28: torch.uint16,
    29: torch.float8_e4m3fn,
    30: torch.float8_e5m2,
    34: torch.uint32,
    35: torch.uint64,
}
_MEMORY_FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}
_STRIDED, _KEYWORD = 7, 2
_PLAIN_KINDS: dict[str, Callable[[Any], bool]] = {
    "as_bool": lambda value: isinstance(value, bool),
    "as_int": lambda value: isinstance(value, int),
    "as_string": lambda value: isinstance(value, str),
    "as_ints": lambda value: all(isinstance(one, int) for one in value),
    "as_bools": lambda value: all(isinstance(one, bool) for one in value),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One call: values by their place, in the place of its result. What nobody reads any more is given up."""

    function: Callable[..., Any]
    arguments: tuple[int, ...]
    keywords: tuple[tuple[str, int], ...]
    result: int
    spent: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """A graph in the order of computing, and the weights that it is computed with."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    weights: tuple[torch.Tensor, ...]
    _start: tuple[Any, ...]
    _fed: tuple[int, ...]
    _steps: tuple[Step, ...]
    _results: tuple[int, ...]
    _shown: Mapping[int, str]

    def __call__(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The outputs for these inputs, both in the order of the ports."""
        values = list(self._start)
        for place, tensor in zip(self._fed, tensors, strict=True):
            values[place] = tensor
        for step in self._steps:
            arguments = [values[place] for place in step.arguments]
            if step.keywords:
                values[step.result] = step.function(*arguments, **{name: values[at] for name, at in step.keywords})
            else:
                values[step.result] = step.function(*arguments)
            for place in step.spent:
                values[place] = None
        return tuple(values[place] for place in self._results)

    def layers(self, keep: Callable[[str, torch.Tensor], None], *tensors: torch.Tensor) -> None:
        """Run, and hand over every tensor that is computed, with its name."""
        values = list(self._start)
        for place, tensor in zip(self._fed, tensors, strict=True):
            values[place] = tensor
        for step in self._steps:
            arguments = [values[place] for place in step.arguments]
            value = step.function(*arguments, **{name: values[at] for name, at in step.keywords})
            values[step.result] = value
            if step.result in self._shown and isinstance(value, torch.Tensor):
                keep(self._shown[step.result], value)


def read_program(file: Path, device: torch.device) -> Program:
    """The program in a .pt2 file, its weights on `device`. Raises ModelRefusedError."""
    with Archive(file) as archive:
        program = archive.program()
        try:
            return _Reader(archive, program, device).read()
        except OperatorRefusedError as error:
            raise archive.refused(str(error)) from error
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError, RecursionError) as error:
            raise archive.refused(
                f"is malformed ({type(error).__name__}: {str(error)[:200]}): export it again"
            ) from error


@dataclass(slots=True)
class _Reader:
    """Builds a Program. What the format does not promise is an error of Python, which `read_program` tells."""

    archive: Archive
    program: Mapping[str, Any]
    device: torch.device
    values: list[Any] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    steps: list[tuple[Callable[..., Any], tuple[int, ...], tuple[tuple[str, int], ...], int]] = field(
        default_factory=list
    )
    shown: dict[int, str] = field(default_factory=dict)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)

    def read(self) -> Program:
        """The whole of it."""
        module = self.program["graph_module"]
        graph, signature = module["graph"], module["signature"]
        names = [_result(self.archive, spec) for spec in signature["output_specs"]]
        stored = self._tensors("weights") | self._tensors("constants")
        fed = [name for spec in signature["input_specs"] if (name := self._input(spec, stored)) is not None]
        for node in graph["nodes"]:
            self._node(node)
        labels = output_names(module["module_call_graph"], len(names))
        sizes = graph["tensor_values"]
        results = tuple(self.places[name] for name in names)
        fed_places = tuple(self.places[name] for name in fed)
        return Program(
            inputs=tuple(check_items(self.archive.name, _port(name, sizes[name])) for name in fed),
            outputs=tuple(_port(label, sizes[name]) for label, name in zip(labels, names, strict=True)),
            weights=tuple(self.weights.values()),
            _start=tuple(self.values),
            _fed=fed_places,
            _steps=_freeing(self.steps, {*results}),
            _results=results,
            _shown=self.shown,
        )

    def _tensors(self, kind: str) -> dict[str, torch.Tensor]:
        storages: dict[str, torch.Tensor] = {}
        tensors = {}
        for name, told in self.archive.payloads(kind).items():
            meta, payload = told["tensor_meta"], told["path_name"]
            if payload not in storages:
                storage = torch.empty(self.archive.size(kind, payload), dtype=torch.uint8)
                if storage.numel():
                    self.archive.read_into(kind, payload, storage.numpy().data)
                storages[payload] = storage
            flat = storages[payload].view(_DTYPES[meta["dtype"]])
            sizes, strides = ([_known(size) for size in meta[key]] for key in ("sizes", "strides"))
            # as_strided checks that it stays within the storage.
            tensors[name] = torch.as_strided(flat, sizes, strides, _known(meta["storage_offset"])).to(self.device)
        return tensors

    def _input(self, spec: Mapping[str, Any], stored: Mapping[str, torch.Tensor]) -> str | None:
        """Take one input of the graph: a weight, or the name of what the caller feeds."""
        kind, told = _one(spec)
        match kind:
            case "user_input":
                given, argument = _one(told["arg"])
                if given != "as_tensor":
                    raise self.archive.refused(
                        f"takes an input that is no tensor ({given}): export it with a fixed one"
                    )
                self.shown[self._place(argument["name"], None)] = str(argument["name"])
                return str(argument["name"])
            case "parameter" | "buffer" | "tensor_constant":
                name = told["arg"]["name"]
                self.weights[name] = stored[told[f"{kind}_name"]]
                self._place(name, self.weights[name])
                return None
            case "constant_input":
                _, value = _one(told["value"])
                self._place(told["name"], value)
                return None
        raise self.archive.refused(f"takes a {kind}, which is no tensor: export it with plain tensors")

    def _node(self, node: Mapping[str, Any]) -> None:
        function = resolved(node["target"])
        positional: list[int] = []
        keywords: list[tuple[str, int]] = []
        for given in node["inputs"]:
            place = self._argument(given["arg"])
            # Written by torch 2.6 or older, an argument does not say whether it stands before a gap: its name does.
            by_name = given.get("kind") == _KEYWORD or (
                not given.get("kind") and node["target"].startswith("torch.ops.")
            )
            if by_name:
                keywords.append((given["name"], place))
            else:
                positional.append(place)
        outputs = [_one(output) for output in node["outputs"]]
        names = [_written(kind, value) for kind, value in outputs]
        if [kind for kind, _ in outputs] == ["as_tensors"]:
            names = [one["name"] for one in outputs[0][1]]
        single = len(outputs) < 2 and [kind for kind, _ in outputs] != ["as_tensors"]
        result = self._place(names[0] if single and names else None, None)
        self.steps.append((function, tuple(positional), tuple(keywords), result))
        if single:
            self.shown[result] = self._name(node["target"], names[0] if names else None, positional)
        else:
            self._split(result, names)
        if self.shown.get(result) == "":
            del self.shown[result]

    def _split(self, result: int, names: Sequence[str | None]) -> None:
        """One value of several: each gets a place of its own."""
        for at, name in enumerate(names):
            if name is not None:
                place = self._place(name, None)
                self.steps.append((getitem, (result, self._place(None, at)), (), place))
                self.shown[place] = name

    def _name(self, target: str, name: str | None, arguments: Sequence[int]) -> str:
        """What a layer is shown as: a tensor quantised and dequantised bears the name of what it was."""
        source = self.shown.get(arguments[0], "") if arguments else ""
        if source and ".quantize_per" in target:
            return source + QUANTISED
        if source.endswith(QUANTISED) and ".dequantize_per" in target:
            return source.removesuffix(QUANTISED) + DEQUANTISED
        return name or ""

    def _place(self, name: str | None, value: Any) -> int:
        if name is not None:
            if name in self.places:
                raise ValueError(f"two values are called {name[:100]}")
            self.places[name] = len(self.values)
        self.values.append(value)
        return len(self.values) - 1

    def _argument(self, argument: Mapping[str, Any]) -> int:
        """Where the value of an argument will be when it is needed."""
        kind, value = _one(argument)
        match kind:
            case "as_tensor" | "as_sym_int" | "as_sym_float" | "as_sym_bool":
                return self._reference(value)
            case "as_optional_tensor":
                return self._reference(value["as_tensor"]) if "as_tensor" in value else self._place(None, None)
            case "as_tensors" | "as_sym_ints" | "as_sym_floats" | "as_sym_bools" | "as_optional_tensors":
                parts = tuple(self._reference(one.get("as_tensor", one)) for one in value)
                place = self._place(None, None)
                self.steps.append((_as_list, parts, (), place))
                return place
        return self._place(None, self._constant(kind, value))

    def _reference(self, value: Mapping[str, Any]) -> int:
        if "name" in value or "as_name" in value:
            return self.places[value.get("name") or value["as_name"]]
        kind, constant = _one(value)
        return self._place(None, None if kind == "as_none" else self._constant(kind, constant))

    def _constant(self, kind: str, value: Any) -> Any:
        match kind:
            case "as_none":
                return None
            case "as_float":
                return float(value)
            case "as_floats":
                return [float(one) for one in value]
            case "as_complex":
                return complex(value["real"], value["imag"])
            case "as_scalar_type":
                return _DTYPES[value]
            case "as_memory_format":
                return _MEMORY_FORMATS[value]
            case "as_layout" if value == _STRIDED:
                return torch.strided
            case "as_device":
                # Where it was exported does not matter: it runs where it is judged.
                return self.device
            case _ if kind in _PLAIN_KINDS and _PLAIN_KINDS[kind](value):
                return value
        raise OperatorRefusedError(
            f"gives an operator a value of kind {kind[:50]}, which is not taken: export with plain tensors"
        )


def _freeing(steps: Sequence[tuple[Any, tuple[int, ...], Any, int]], kept: set[int]) -> tuple[Step, ...]:
    """The steps, each told which results nobody reads after it."""
    computed = {result for _, _, _, result in steps} - kept
    last: dict[int, int] = {}
    for at, (_, arguments, keywords, result) in enumerate(steps):
        for place in (*arguments, *(place for _, place in keywords), result):
            last[place] = at
    spent: dict[int, list[int]] = {}
    for place, at in last.items():
        if place in computed:
            spent.setdefault(at, []).append(place)
    return tuple(Step(*step, tuple(spent.get(at, ()))) for at, step in enumerate(steps))


def _one(union: Mapping[str, Any]) -> tuple[str, Any]:
    """The member of a union: an object with one key."""
    ((kind, value),) = union.items()
    return kind, value


def _written(kind: str, value: Any) -> str | None:
    """The name of a result, if it has one."""
    if kind == "as_tensor":
        return str(value["name"])
    if kind in ("as_sym_int", "as_sym_float", "as_sym_bool"):
        return str(value["as_name"])
    if kind in ("as_none", "as_tensors"):
        return None
    raise OperatorRefusedError(f"has an operator with a result of kind {kind[:50]}: export with plain tensors")


def _result(archive: Archive, spec: Mapping[str, Any]) -> str:
    kind, told = _one(spec)
    if kind != "user_output":
        raise archive.refused(
            f"changes what it was given ({kind}), so that one item alters the next: model.eval() first"
        )
    given, argument = _one(told["arg"])
    if given != "as_tensor":
        raise archive.refused(f"has an output that is no tensor ({given}): return tensors only")
    return str(argument["name"])


def _known(size: Mapping[str, Any]) -> int:
    return int(size["as_int"])


def _port(name: str, meta: Mapping[str, Any]) -> Port:
    shape = tuple(size.get("as_int") for size in meta["sizes"])
    return Port(name, dtype_name(_DTYPES[meta["dtype"]]), shape)


def _as_list(*values: Any) -> list[Any]:
    return list(values)

"""The packs of one evaluation: from a resource to what is planned, and whether several fit together."""

from collections.abc import Sequence

from paritygate.api import DataFile, PlannedPack, SliceColumn, SliceSource, Task
from paritygate.api.pack import PackSpec

PACK = "pack"
"""A slice column that every evaluation has: which pack an item is of."""


class PlanError(ValueError):
    """A contradiction between policy, packs and models: names the field and what to write instead."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message

    @property
    def of_policy(self) -> bool:
        """Whether the field is one of the policy's spec."""
        return self.field.startswith(("gates", "evaluation"))


def planned_pack(name: str, spec: PackSpec, inputs: DataFile, labels: DataFile) -> PlannedPack:
    """The pack as an evaluation plans with it, its files where they were found."""
    return PlannedPack(
        name=name,
        version=spec.version,
        task=spec.task,
        inputs=inputs,
        labels=labels,
        slices=tuple(column.column for column in spec.slices if not _derived(column)),
        derived=tuple(column for column in spec.slices if _derived(column)),
        declared=tuple(column for column in spec.slices if column.items),
        groups=tuple(column.column for column in spec.slices if column.groups),
        items=spec.items,
        output=spec.output,
        scores=spec.scores,
        critical_classes=spec.critical_classes,
        must_pass=spec.must_pass,
        perturbations=spec.perturbations,
        corpus=spec.corpus,
        unlabelled=spec.unlabelled,
        cluster=spec.cluster,
    )


def check_packs(packs: Sequence[PlannedPack]) -> Task:
    """The task of packs that can be judged together. Raises PlanError."""
    if not packs:
        raise PlanError("packs", "name at least one ScenarioPack: without items nothing can be proved")
    first = packs[0]
    _check_distinct(packs)
    for pack in packs:
        if PACK in (*pack.slices, *(column.column for column in pack.derived)):
            raise PlanError(
                "packs", f"{pack.name}: every evaluation has a slice column {PACK!r}; give yours another name"
            )
        for what, ours, theirs in (
            ("task", first.task, pack.task),
            ("output", first.output, pack.output),
            ("scores", first.scores, pack.scores),
            ("unlabelled", str(first.unlabelled).lower(), str(pack.unlabelled).lower()),
        ):
            if ours != theirs:
                said = f"{what} is {theirs or 'not said'} in {pack.name} and {ours or 'not said'} in {first.name}"
                raise PlanError("packs", f"{said}: packs that are judged together must agree")
        _check_derived(pack)
    _check_alike(packs)
    return first.task


def _check_distinct(packs: Sequence[PlannedPack]) -> None:
    """An item that comes twice counts twice, as if it were two: what one proves is far less."""
    for what, told in (
        ("name", [pack.name for pack in packs]),
        ("inputs", [pack.inputs.digest or pack.inputs.uri for pack in packs]),
    ):
        for place, one in enumerate(told):
            if (first := told.index(one)) != place:
                said = f"{packs[first].name} and {packs[place].name} have the same {what}: every item would count twice"
                raise PlanError("packs", f"{said}; leave one out")


def _check_alike(packs: Sequence[PlannedPack]) -> None:
    """What two packs call by one name must be one thing: only one of the two would be done, to the items of both."""
    for what in ("perturbations", "derived"):
        told: dict[str, tuple[str, object]] = {}
        for pack in packs:
            for one in getattr(pack, what):
                name = one.name if what == "perturbations" else one.column
                first, known = told.setdefault(name, (pack.name, one))
                if known != one:
                    said = f"{name!r} ({what}) is not the same in {first} and {pack.name}"
                    raise PlanError("packs", f"{said}: give one of them another name")


def common_columns(packs: Sequence[PlannedPack]) -> tuple[str, ...]:
    """The slice columns, read or derived, that every pack has."""
    own = [(*pack.slices, *(column.column for column in pack.derived)) for pack in packs]
    return tuple(column for column in own[0] if all(column in columns for columns in own))


def _derived(column: SliceColumn) -> bool:
    return bool(column.cross) or column.source is not SliceSource.LABELS


def _check_derived(pack: PlannedPack) -> None:
    for column in pack.derived:
        if column.source is SliceSource.BASELINE_CONFIDENCE and pack.scores is None:
            said = f"{pack.name}: slices ({column.column}) needs to know what the model's numbers are: write scores:"
            raise PlanError("packs", f"{said} Probabilities or Logits into the pack")
        unknown = [name for name in column.cross if name not in pack.slices]
        if unknown:
            known = ", ".join(pack.slices) or "none"
            raise PlanError(
                "packs", f"{pack.name}: slices ({column.column}).cross: no column {unknown[0]!r} in the labels: {known}"
            )

"""All exhibits, in the order in which they are told."""

from . import damaged_answers, damaged_behaviour, damaged_files, honest, undecided
from .entry import Exhibit

EXHIBITS: tuple[Exhibit, ...] = (
    *damaged_answers.EXHIBITS,
    *damaged_behaviour.EXHIBITS,
    *damaged_files.EXHIBITS,
    *honest.EXHIBITS,
    *undecided.EXHIBITS,
)

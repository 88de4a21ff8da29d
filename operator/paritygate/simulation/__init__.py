"""What a policy would decide, before anyone trusts it: whole evaluations of made-up candidates by the real judge.

Pure: chance comes from seeds that are given.
"""

from .candidates import Candidate, Kind, candidates
from .paths import Ending, evaluate
from .setting import Setting
from .summary import Row, summarize

__all__ = ["Candidate", "Ending", "Kind", "Row", "Setting", "candidates", "evaluate", "summarize"]

"""Work queue, workers and retry: controller-runtime's contract in small. Knows no Kubernetes."""

from .bucket import TokenBucket
from .errors import Conflict, RetryLater, Terminal
from .queue import Closed, WorkQueue
from .workers import Outcome, Workers

__all__ = ["Closed", "Conflict", "Outcome", "RetryLater", "Terminal", "TokenBucket", "WorkQueue", "Workers"]

"""The API server: client, store, what a decision sees, how a plan is carried out. The one door to `kubernetes`."""

from .access import access, configuration
from .client import Client, KubernetesClient, Manifest, Object, Request
from .errors import AlreadyExists, ListExpired, NotFound, Refused
from .events import EventRecorder
from .execute import Executor
from .gather import Gatherer
from .kinds import JOB, POD, TARGET, VALIDATION, Kind
from .lease import Elector, LeaseLost
from .refereelogs import RefereeLogs
from .relations import Key
from .resync import Resync, Watchdog
from .store import Store

__all__ = [
    "JOB",
    "POD",
    "TARGET",
    "VALIDATION",
    "AlreadyExists",
    "Client",
    "Elector",
    "EventRecorder",
    "Executor",
    "Gatherer",
    "Key",
    "Kind",
    "KubernetesClient",
    "LeaseLost",
    "ListExpired",
    "Manifest",
    "NotFound",
    "Object",
    "RefereeLogs",
    "Refused",
    "Request",
    "Resync",
    "Store",
    "Watchdog",
    "access",
    "configuration",
]

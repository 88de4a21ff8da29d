"""The API server: client, store, what a decision sees, how a plan is carried out. The one door to `kubernetes`."""

from .access import Access, access, configuration
from .client import Client, KubernetesClient, Manifest, Object, Request
from .errors import AlreadyExists, ListExpired, NotFound, Refused
from .events import EventRecorder
from .execute import Executed, Executor
from .gather import Gatherer
from .kinds import JOB, OWN, POD, TARGET, VALIDATION, WATCHED, Kind
from .lease import Elector, LeaseLost
from .refereelogs import RefereeLogs
from .relations import Key
from .resync import Resync, Resynced, Watchdog
from .store import Place, Store

__all__ = [
    "JOB",
    "OWN",
    "POD",
    "TARGET",
    "VALIDATION",
    "WATCHED",
    "Access",
    "AlreadyExists",
    "Client",
    "Elector",
    "EventRecorder",
    "Executed",
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
    "Place",
    "RefereeLogs",
    "Refused",
    "Request",
    "Resync",
    "Resynced",
    "Store",
    "Watchdog",
    "access",
    "configuration",
]

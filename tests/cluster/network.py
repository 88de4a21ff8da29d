"""One network namespace a cluster: every component lives in it, nothing of the host's network is touched."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.command import output, program, succeeds

SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
DNS_SERVICE_IP = "10.96.0.10"
GATEWAY_SERVICE_IP = "10.96.0.80"


@dataclass(frozen=True, slots=True)
class Namespace:
    """A named network namespace; the name follows from the state folder, so that two users never share one."""

    state: Path

    @property
    def name(self) -> str:
        """The name below /run/netns."""
        return f"paritygate-{hashlib.sha256(str(self.state).encode()).hexdigest()[:8]}"

    @property
    def path(self) -> Path:
        """What nsenter takes."""
        return Path("/run/netns") / self.name

    def enter(self) -> list[str]:
        """The words that put a command into the namespace; the pid stays the command's own."""
        return [program("nsenter"), f"--net={self.path}", "--"]

    def exists(self) -> bool:
        """Whether the namespace is there and can be entered: a crash may leave an empty file."""
        return self.path.exists() and succeeds([*self.enter(), "true"])

    def ensure(self) -> None:
        """Make the namespace with its loopback device up."""
        if not self.exists():
            self.remove()
            output([program("ip"), "netns", "add", self.name])
        self.ip("link", "set", "lo", "up")

    def bridge(self, device: str, gateway: str) -> None:
        """A bridge that holds ``gateway`` (address/prefix) and forwards for the pods behind it."""
        if not succeeds([*self.enter(), program("ip"), "link", "show", device]):
            self.ip("link", "add", device, "type", "bridge")
        self.ip("addr", "replace", gateway, "dev", device)
        self.ip("link", "set", device, "up")

    def route(self, destination: str, device: str) -> None:
        """A route, added or replaced."""
        self.ip("route", "replace", destination, "dev", device)

    def sysctl(self, values: Mapping[str, str]) -> None:
        """Kernel settings of this namespace alone, by their path below /proc/sys/net."""
        script = "; ".join(f"echo {value} > /proc/sys/net/{key}" for key, value in values.items())
        output([*self.enter(), program("sh"), "-ec", script])

    def ip(self, *words: str) -> None:
        """Run iproute2 inside the namespace."""
        output([*self.enter(), program("ip"), *words])

    def remove(self) -> None:
        """Take the namespace away, whatever state it is in."""
        if self.path.exists() and not succeeds([program("ip"), "netns", "delete", self.name]):
            self.path.unlink(missing_ok=True)


def in_namespace(namespace: Namespace, argv: Iterable[str | Path]) -> tuple[str, ...]:
    """A whole command line that runs inside the namespace."""
    return (*namespace.enter(), *map(str, argv))

"""What is written down about a named cluster, so that the next call finds it, extends it or clears it away."""

import json
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.cluster.cluster import Provider
from tests.cluster.places import Profile


@dataclass(frozen=True, slots=True)
class State:
    """The facts of one cluster. ``session``: a test session started it; its last user takes it down."""

    provider: Provider
    profile: Profile
    boot: str
    port: int
    entrance_port: int
    controller_manager: bool = False
    session: bool = False
    installed: str = ""

    def written(self, folder: Path) -> "State":
        """Write the facts whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = folder / "cluster.new"
        scratch.write_text(json.dumps(asdict(self), indent=1))
        scratch.rename(folder / "cluster.json")
        return self

    def with_(self, **changes: str | bool) -> "State":
        """The same facts but for some."""
        return replace(self, **changes)  # type: ignore[arg-type]


def read(folder: Path) -> State | None:
    """The facts of a cluster, None where there is none."""
    path = folder / "cluster.json"
    if not path.exists():
        return None
    facts = json.loads(path.read_text())
    facts["provider"] = Provider(facts["provider"])
    facts["profile"] = Profile(facts["profile"])
    return State(**facts)


def fresh(provider: Provider, profile: Profile) -> State:
    """The facts of a cluster that is about to be started: two free ports of the host's loopback."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return State(provider, profile, boot_id(), int(one.getsockname()[1]), int(two.getsockname()[1]))


def boot_id() -> str:
    """Changes when the machine starts anew: whatever ran before is gone."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()

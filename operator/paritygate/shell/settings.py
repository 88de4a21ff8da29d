"""Everything an installation decides, from flags and environment, read once."""

import argparse
import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from paritygate.lifecycle import durations

PREFIX = "PARITYGATE_"
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def _duration(value: object) -> object:
    return durations.parse(value) if isinstance(value, str) else value


def _own_namespace() -> str:
    return _NAMESPACE_FILE.read_text().strip() if _NAMESPACE_FILE.exists() else "default"


def _own_identity() -> str:
    # Unique to the process: one that was restarted knows nothing of what the one before it was about to write.
    return f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"


def _names(value: object) -> object:
    return tuple(filter(None, value.split(","))) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Span = Annotated[timedelta, BeforeValidator(_duration), Field(gt=timedelta())]


class OperatorSettings(BaseModel):
    """The settings of one operator process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    evaluator_image: str = Field(min_length=1, description="image of the evaluator, best by digest; required")
    torch_evaluator_image: str = Field("", description="image of the evaluator for pools whose runtime is torch")
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = Field("IfNotPresent", description="of evaluators")
    kubeconfig: str | None = Field(None, description="default: $KUBECONFIG, else the pod's service account")
    namespace: str = Field(default_factory=_own_namespace, description="where the Lease lies; default: the pod's own")
    lease: str = Field("paritygate-operator", description="name of the Lease")
    identity: str = Field(default_factory=_own_identity, description="of this replica; default: host and a random word")
    lease_duration: Span = Field(timedelta(seconds=15), description="others wait so long for a silent leader")
    watch_namespaces: Names = Field((), description="namespaces to work in, separated by commas; default: all")
    workers: int = Field(16, ge=1, le=256, description="validations worked on at once")
    write_rate: float = Field(20.0, gt=0, description="writes to the API server a second, sustained")
    write_burst: int = Field(50, ge=1, description="writes at once before the rate holds")
    resync: Span = Field(timedelta(minutes=10), description="how often everything is listed anew")
    release_poll: Span = Field(timedelta(seconds=2), description="how often a release in flight is looked at")
    log_patience: Span = Field(
        timedelta(seconds=60), description="how long a referee's log may lack its result after the referee's end"
    )
    retry_delay: Span = Field(timedelta(seconds=10), description="pause before a lost evaluator is tried again")
    grace: Span = Field(timedelta(seconds=20), description="at SIGTERM, how long work in flight may finish")
    bind_address: str = Field("0.0.0.0", description="address of /healthz, /readyz and /metrics")
    bind_port: int = Field(8080, ge=0, le=65535, description="port of the same; 0 chooses a free one")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least level that is logged")


def parse(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> OperatorSettings:
    """Settings from flags, else environment, else defaults. Ends the process with 2 and a message on wrong usage."""
    parser = argparse.ArgumentParser(
        prog="paritygate-operator",
        description="Gates compressed models: evaluates candidates and moves the traffic of InferenceServices.",
        epilog=f"Every option is an environment variable, too: --write-rate is {PREFIX}WRITE_RATE. "
        "Durations are written as 90s, 10m or 1h30m.",
    )
    for name, option in OperatorSettings.model_fields.items():
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, default=argparse.SUPPRESS, help=_help(option), metavar="VALUE")
    named = {name: environment.get(PREFIX + name.upper()) for name in OperatorSettings.model_fields}
    given = {name: value for name, value in named.items() if value} | vars(parser.parse_args(argv))
    try:
        return OperatorSettings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        parser.error(f"--{name.replace('_', '-')} (or {PREFIX}{name.upper()}): {first['msg']}")


def _help(option: FieldInfo) -> str:
    default = option.default
    if option.is_required() or default in (None, (), "") or option.default_factory is not None:
        return str(option.description)
    text = f"{default.total_seconds():g}s" if isinstance(default, timedelta) else default
    return f"{option.description} (default {text})"

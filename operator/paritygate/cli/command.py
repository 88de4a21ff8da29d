"""The command line: what can be asked, and which exit code answers."""

import argparse
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import FrameType

from pydantic import TypeAdapter, ValidationError

from paritygate.api import Purpose, Technique
from paritygate.api.manifest import ManifestError, instead
from paritygate.api.pool import Bytes, bytes_of
from paritygate.judge import PlanError

from .usage import EXIT_INTERRUPTED, EXIT_USAGE, UsageError

_DESCRIPTION = """\
Decide whether a compressed model may replace the model it was made from.

The candidate is judged against the baseline item by item; a pass is a proof that it is not worse than the policy's
margins, with at most the policy's alpha of being wrong. Nothing passes by default.
"""

_EXIT_CODES = """\
exit codes:
  0 Passed   1 Failed   2 wrong usage   3 Inconclusive (not enough evidence)   4 Error
"""

_CHECK_EXAMPLES = f"""\
examples:
  paritygate check --baseline fp32.onnx --candidate int8.onnx --pack pack.yaml
  paritygate check --baseline fp32/ --candidate int8/ --pack pack.yaml --policy policy.yaml \\
      --technique Int8Static --purpose Memory --evidence evidence.json
  paritygate check --baseline s3://models/fp32 --candidate int8.onnx@sha256:... --pack pack.yaml --json

{_EXIT_CODES}"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. Never a traceback for what a user did."""
    options = _parser().parse_args(arguments)
    # A terminate is an orderly end, like Ctrl-C: the processes of a check must not outlive it.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(options)
    except PlanError as error:
        where = f"{options.policy}: ValidationPolicy: spec." if error.of_policy and options.policy else ""
        print(f"paritygate {options.command}: {where}{error}", file=sys.stderr)
        return EXIT_USAGE
    except (UsageError, ManifestError) as error:
        print(f"paritygate {options.command}: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; keep the interpreter from complaining at its own end.
        sys.stderr.close()
        return EXIT_INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    """Imported here, so that `--help` answers at once."""
    match options.command:
        case "check":
            from .check import check

            return check(options)
        case "plan":
            from .power import plan

            return plan(options)
        case "simulate":
            from .simulate import simulate

            return simulate(options)
        case "verify":
            from .evidence import verify

            return verify(options)
        case _:
            from .digest import digest

            return digest(options)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "paritygate",
        description=_DESCRIPTION,
        epilog=f"{_EXIT_CODES}\n`paritygate COMMAND --help` shows examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"paritygate {version('paritygate')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _check(_command(commands, "check", "judge a candidate on this machine", _CHECK_EXAMPLES))
    _plan(
        _command(
            commands,
            "plan",
            "tell what a pack can prove, before any model is run",
            "example:\n  paritygate plan --pack pack.yaml --policy policy.yaml --technique Int8Static\n",
        )
    )
    _simulate(
        _command(
            commands,
            "simulate",
            "show how often a policy would be wrong, and what it costs, before anyone trusts it",
            "Made-up candidates (equal, exactly at a margin, broken, better) go through the real judge over the pack's "
            "real labels;\nno model is run. Of a candidate at a margin at most alpha may pass.\n\n"
            "example:\n  paritygate simulate --pack pack.yaml --policy policy.yaml --technique Int8Static\n",
        )
    )
    verify = _command(
        commands,
        "verify",
        "recompute a verdict from its evidence, offline",
        f"example:\n  paritygate verify evidence.json\n\n{_EXIT_CODES}  Evidence that does not hold is an Error (4).\n",
    )
    verify.add_argument("evidence", type=Path, metavar="EVIDENCE", help="file written by `check --evidence`")
    digest = _command(
        commands,
        "digest",
        "print the digest of a file or folder, as manifests want it",
        "example:\n  paritygate digest models/int8\n",
    )
    digest.add_argument("path", type=Path, metavar="PATH")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, what: str, epilog: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=what,
        description=what[0].upper() + what[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _check(parser: argparse.ArgumentParser) -> None:
    what = "file, folder or URI (s3://, gs://, hf://, https://), with @sha256:... its digest must be that"
    parser.add_argument("--baseline", required=True, metavar="URI", help=f"the model that serves now: {what}")
    parser.add_argument("--candidate", required=True, metavar="URI", help="the compressed model: the same forms")
    _packs_and_policy(parser)
    parser.add_argument(
        "--purpose",
        type=_purpose,
        metavar="PURPOSE",
        help=f"what the compression is for: makes the tier's latency gates decide; {_listed(Purpose)} (default: they "
        "are only reported, because this machine is not the device that will serve)",
    )
    parser.add_argument(
        "--runtime",
        default="onnxruntime",
        choices=["onnxruntime", "torch"],
        metavar="NAME",
        help="what runs the models: onnxruntime (default) or torch",
    )
    parser.add_argument(
        "--provider",
        action="append",
        metavar="NAME",
        help="execution provider, such as CUDAExecutionProvider; repeatable, best first (default "
        "CPUExecutionProvider). A candidate that falls back to a later one fails",
    )
    parser.add_argument(
        "--calibration",
        metavar="URI",
        help="inputs that the candidate was calibrated on (.npz or .parquet, the same forms as a model): items of a "
        "pack that are among them make the check Inconclusive",
    )
    _kept_answers(parser)
    parser.add_argument("--threads", type=_positive, metavar="N", help="cores to use (default: as many as are allowed)")
    parser.add_argument("--json", action="store_true", help="print verdict, plan and result as JSON on stdout")
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="write the record that `verify` rechecks")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def _kept_answers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="keep the baseline's answers here for the next candidate; made if it isn't there. Latency is never kept",
    )
    parser.add_argument(
        "--cache-size",
        type=_bytes,
        metavar="SIZE",
        help="what may be kept there: entries used longest ago are removed as a whole (default 10Gi)",
    )


def _plan(parser: argparse.ArgumentParser) -> None:
    _packs_and_policy(parser)
    parser.set_defaults(purpose=Purpose.MEMORY)
    parser.add_argument("--json", action="store_true", help="print the table as JSON on stdout")


def _simulate(parser: argparse.ArgumentParser) -> None:
    _packs_and_policy(parser)
    parser.add_argument(
        "--purpose",
        type=_purpose,
        default=Purpose.MEMORY,
        metavar="PURPOSE",
        help=f"what the compression is for: {_listed(Purpose)}; its latency gates share the risk of a wrong Failed",
    )
    parser.add_argument(
        "--paths",
        type=_positive,
        metavar="N",
        help="evaluations to simulate of each candidate (default: as many as fit into 20 seconds)",
    )
    parser.add_argument("--seed", type=_whole, default=0, metavar="N", help="of all that is drawn by lot (default 0)")
    parser.add_argument("--json", action="store_true", help="print the table as JSON on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def _packs_and_policy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pack", required=True, action="append", type=Path, metavar="FILE", help="ScenarioPack manifest; repeatable"
    )
    parser.add_argument("--policy", type=Path, metavar="FILE", help="ValidationPolicy manifest (default: Standard)")
    parser.add_argument(
        "--technique",
        type=_technique,
        default=Technique.OTHER,
        metavar="TECHNIQUE",
        help=f"how the candidate was made; says how many flips to plan for: {_listed(Technique)} (default Other)",
    )


def _listed(words: type[Purpose] | type[Technique]) -> str:
    return ", ".join(words)


def _technique(text: str) -> Technique:
    return Technique(_one_of(text, Technique))


def _purpose(text: str) -> Purpose:
    return Purpose(_one_of(text, Purpose))


def _one_of(text: str, words: type[Purpose] | type[Technique]) -> str:
    known = [word.value for word in words]
    if text not in known:
        raise argparse.ArgumentTypeError(instead(text, known))
    return text


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return number


def _bytes(text: str) -> int:
    try:
        return bytes_of(TypeAdapter(Bytes).validate_python(text))
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"{text} {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number

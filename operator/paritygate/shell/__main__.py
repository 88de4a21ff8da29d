"""`paritygate-operator`: settings in, operator run, exit code out."""

import asyncio
import sys

from . import logs
from .app import serve
from .settings import parse


def main() -> int:
    """Run the operator until it is told to stop: 0 stopped, 1 only a fresh process can go on, 2 wrong usage."""
    settings = parse(sys.argv[1:])
    logs.set_up(settings.log_level)
    return asyncio.run(serve(settings))


if __name__ == "__main__":
    sys.exit(main())

"""The one error of wrong usage: a bad manifest, a path that is not there, an argument that makes no sense."""

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class UsageError(Exception):
    """One sentence for the person at the keyboard: what is wrong and what to write instead. Exit code 2."""

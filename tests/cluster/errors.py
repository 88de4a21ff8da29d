"""What can go wrong with a cluster, each with what to do about it."""


class ClusterError(Exception):
    """A cluster could not be had.

    ``remedy`` is one line a person can act on, a command where there is one.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy

    def __str__(self) -> str:
        message = str(self.args[0])
        return f"{message}\n  what to do: {self.remedy}" if self.remedy else message


class ProgramMissing(ClusterError):
    """A host program, compiler or package that this way of running needs is not there."""


class ProviderUnavailable(ClusterError):
    """The asked way of getting a cluster, or every way, is closed on this machine."""


class CommandFailed(ClusterError):
    """A command that must succeed did not; the message carries the end of what it said."""


class NotReady(ClusterError):
    """Something was started and did not become ready in its time."""

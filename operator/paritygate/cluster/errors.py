"""What the API server may answer other than success. `Conflict` and `RetryLater` are the engine's."""


class NotFound(Exception):
    """No such object, or no such kind is served."""


class AlreadyExists(Exception):
    """An object of that name is there."""


class Refused(Exception):
    """The server understood and will not: forbidden or invalid. Its own message says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"the API server answered {status}: {message}")
        self.status = status
        self.message = message


class ListExpired(Exception):
    """The list changed too much between two of its pages: it has to be read from its start."""

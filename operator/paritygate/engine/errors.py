"""The three ways in which work on a key may end other than well. Anything else raised is a bug and backs off."""


class RetryLater(Exception):
    """Nothing is wrong with the key; the world is busy. `after` is in seconds."""

    def __init__(self, message: str, after: float) -> None:
        super().__init__(message)
        self.after = after


class Conflict(Exception):
    """Someone wrote first: what was read is stale. Look again, backing off."""


class Terminal(Exception):
    """Trying again changes nothing until somebody changes something. `reason` is for machines, `message` for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message

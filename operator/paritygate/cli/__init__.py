"""`paritygate`: the gate without a cluster."""

from .command import main

__all__ = ["main"]

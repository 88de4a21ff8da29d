"""ParityGate's judge beside its peers: the same paired outcomes, each peer's own public functions, one run.

Start at `__main__.main`. A peer never shares an environment with us or with another peer: `adapters/` holds one small
script for each, run by that peer's own Python.
"""

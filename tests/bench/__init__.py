"""Measurements against the limits we hold ourselves to. `make bench` runs them all."""

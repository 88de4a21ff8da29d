"""Holds the labels, asks for outputs, scores, and decides as soon as there is evidence enough."""

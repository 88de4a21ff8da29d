"""Holds the two models and sees inputs only: no label, no margin, no token."""

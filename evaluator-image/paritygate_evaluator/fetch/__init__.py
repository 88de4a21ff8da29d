"""Brings artefacts in and proves what they are before anything is loaded."""

"""What to do next, as a pure function of what was observed: no clock, no chance, no input or output."""

"""Tests of ParityGate, and the cluster they run on."""

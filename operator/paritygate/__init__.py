"""ParityGate: a release gate for compressed models. `operator/ARCHITECTURE.md` is the map."""

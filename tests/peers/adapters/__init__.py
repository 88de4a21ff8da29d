"""One script a peer, run by that peer's own Python. They share `outcomes` and `batch` and import nothing of ours."""

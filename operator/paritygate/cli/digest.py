"""`paritygate digest`: the digest of an artefact, for manifests."""

import argparse

from paritygate.evidence import manifest_digest

from .usage import UsageError


def digest(options: argparse.Namespace) -> int:
    """Print the manifest digest of a file or folder."""
    try:
        print(manifest_digest(options.path))
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from error
    return 0

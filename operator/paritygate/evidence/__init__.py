"""Canonical JSON, digests and the record of a verdict. No Kubernetes word in it."""

from .canonical import canonical_json, digest_of
from .manifest import ArtefactFile, manifest_digest, manifest_of

__all__ = ["ArtefactFile", "canonical_json", "digest_of", "manifest_digest", "manifest_of"]

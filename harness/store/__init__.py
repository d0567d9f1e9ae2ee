"""The content-addressed store: every artefact under the SHA-256 of what it was made from."""

from harness.store.objects import Arrays, Manifest, Store

__all__ = ["Arrays", "Manifest", "Store"]

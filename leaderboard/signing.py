"""Signatures of submissions, offline: an in-toto statement about the manifest in a DSSE envelope, signed with ed25519.

Whoever knows the signer's public key can tell that a bundle is the one that was signed; without it a signature only
says that one holder of some key made the whole bundle. Needs the extra ``sign`` (the package cryptography).

Source: DSSE 1.0 (github.com/secure-systems-lab/dsse), in-toto Statement v1 (github.com/in-toto/attestation).
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from harness.digests import canonical_json, digest_bytes
from harness.errors import BadSetting, HarnessError
from leaderboard.archive import MANIFEST

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:unlearning-harness:submission:v1"


class BadSignature(HarnessError):
    """A signature that does not hold."""


@frozen(kw_only=True)
class Signed:
    """Who signed: the SHA-256 of the raw public key, and whether that key was one that the verifier trusts."""

    fingerprint: str
    trusted: bool


def sign(manifest: bytes, key: Path) -> bytes:
    """Return the envelope that signs a manifest.

    Args:
        manifest: the bytes of ``manifest.json``.
        key: file of an ed25519 private key without a passphrase, PEM or OpenSSH.
    """
    private = _private_key(key)
    raw = private.public_key().public_bytes_raw()
    payload = canonical_json({
        "_type": STATEMENT, "subject": [{"name": MANIFEST, "digest": {"sha256": digest_bytes(manifest)}}],
        "predicateType": PREDICATE, "predicate": {"publicKey": _encode(raw)}})
    return _envelope(payload, digest_bytes(raw), private.sign(_preauthentication(payload)))


def check_signature(envelope: bytes, manifest: bytes, trusted: Path | None) -> Signed:
    """Return who signed a manifest.

    Args:
        envelope: the bytes of ``signature.json``.
        manifest: the bytes of ``manifest.json``.
        trusted: file of the public key that must have signed, PEM or OpenSSH; any key will do when None.

    Raises:
        BadSignature: if the envelope is malformed, is about something else, or does not hold.
    """
    _require()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    payload, keyid, signature = _open(envelope)
    try:
        statement = json.loads(payload)
        raw = _decode(statement["predicate"]["publicKey"])
        subject, key = statement["subject"], Ed25519PublicKey.from_public_bytes(raw)
        key.verify(signature, _preauthentication(payload))
    except (KeyError, TypeError, ValueError, RecursionError, InvalidSignature) as error:
        raise BadSignature(f"signature.json does not hold ({type(error).__name__})") from error
    if statement.get("_type") != STATEMENT or statement.get("predicateType") != PREDICATE:
        raise BadSignature("signature.json is a statement about something else")
    if subject != [{"name": MANIFEST, "digest": {"sha256": digest_bytes(manifest)}}]:
        raise BadSignature("signature.json signs another manifest")
    if keyid != digest_bytes(raw):
        raise BadSignature("signature.json names another key than it holds")
    expected = None if trusted is None else _public_key(trusted).public_bytes_raw()
    if expected is not None and expected != raw:
        raise BadSignature(f"signed by key {digest_bytes(raw)[:16]}, not by {trusted}")
    return Signed(fingerprint=digest_bytes(raw), trusted=expected is not None)


def _preauthentication(payload: bytes) -> bytes:
    """Return what DSSE signs: type and payload, each with its length."""
    kind = PAYLOAD.encode()
    return b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])


def _envelope(payload: bytes, keyid: str, signature: bytes) -> bytes:
    return canonical_json({"payload": _encode(payload), "payloadType": PAYLOAD,
                           "signatures": [{"keyid": keyid, "sig": _encode(signature)}]})


def _open(envelope: bytes) -> tuple[bytes, str, bytes]:
    """Return (payload, key id, signature); an envelope that is not spelt as `_envelope` spells it is refused."""
    try:
        content: Any = json.loads(envelope)
        (only,) = content["signatures"]
        payload, keyid, signature = _decode(content["payload"]), str(only["keyid"]), _decode(only["sig"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BadSignature("signature.json is no DSSE envelope with one signature") from error
    if _envelope(payload, keyid, signature) != envelope:
        raise BadSignature("signature.json is not in canonical form")
    return payload, keyid, signature


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _require() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise HarnessError("signatures need the package cryptography; "
                           "pip install 'unlearning-harness[sign]'") from error


def _private_key(path: Path) -> Ed25519PrivateKey:
    _require()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    data = _read(path)
    load = load_ssh_private_key if b"OPENSSH" in data[:64] else load_pem_private_key
    try:
        key = load(data, password=None)
    except (ValueError, TypeError) as error:
        raise BadSetting(f"{path}: no private key without a passphrase: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadSetting(f"{path}: holds a {type(key).__name__}, expected an ed25519 key")
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key

    data = _read(path)
    load = load_ssh_public_key if data.startswith(b"ssh-") else load_pem_public_key
    try:
        key = load(data)
    except ValueError as error:
        raise BadSetting(f"{path}: no public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise BadSetting(f"{path}: holds a {type(key).__name__}, expected an ed25519 key")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadSetting(f"{path}: cannot be read: {error.strerror}") from error

import base64
import json
import shutil
import subprocess

import pytest

from harness.errors import BadSetting
from leaderboard.signing import BadSignature, check_signature, sign

pytest.importorskip("cryptography", reason="the package cryptography (extra 'sign') is not installed")
MANIFEST = b'{"files":{}}'


@pytest.fixture
def keys(tmp_path):
    """Return the files of a private and a public key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def test_a_signature_holds_for_its_manifest_and_key(keys):
    private, public = keys

    signed = check_signature(sign(MANIFEST, private), MANIFEST, public)

    assert signed.trusted
    assert not check_signature(sign(MANIFEST, private), MANIFEST, None).trusted


def test_the_envelope_is_a_dsse_envelope_of_an_in_toto_statement(keys):
    envelope = json.loads(sign(MANIFEST, keys[0]))
    statement = json.loads(base64.b64decode(envelope["payload"]))

    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"][0]["name"] == "manifest.json"


def test_another_manifest_is_not_signed(keys):
    with pytest.raises(BadSignature, match="signs another manifest"):
        check_signature(sign(MANIFEST, keys[0]), MANIFEST + b" ", keys[1])


def test_another_key_is_not_trusted(keys, tmp_path):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    (tmp_path / "other.pub").write_bytes(other.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))

    with pytest.raises(BadSignature, match="signed by key"):
        check_signature(sign(MANIFEST, keys[0]), MANIFEST, tmp_path / "other.pub")


def test_every_flipped_bit_of_an_envelope_is_found(keys):
    envelope = sign(MANIFEST, keys[0])
    for place in range(len(envelope)):
        for bit in (0, 3, 5):
            flipped = bytearray(envelope)
            flipped[place] ^= 1 << bit
            with pytest.raises(BadSignature):
                check_signature(bytes(flipped), MANIFEST, None)


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed")
def test_an_openssh_key_signs_too(tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"], check=True)

    assert check_signature(sign(MANIFEST, tmp_path / "id"), MANIFEST, tmp_path / "id.pub").trusted


def test_a_file_that_is_no_key_is_told(tmp_path):
    (tmp_path / "key").write_text("secret", encoding="utf-8")

    with pytest.raises(BadSetting, match="no private key"):
        sign(MANIFEST, tmp_path / "key")
    with pytest.raises(BadSetting, match="cannot be read"):
        sign(MANIFEST, tmp_path / "missing")

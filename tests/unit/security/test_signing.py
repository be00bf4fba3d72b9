"""Keys in files: made once and whole, read only when nobody else could have read them."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from corpactions.domain.errors import Fatal
from corpactions.security import signing
from corpactions.security.signing import FileSigner, verify

# RFC 8032, section 7.1, test 2.
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_the_rfc_s_own_signature_verifies_and_no_other() -> None:
    assert verify(PUBLIC, SIGNATURE, b"\x72")
    assert not verify(PUBLIC, SIGNATURE, b"\x73")
    assert not verify(PUBLIC, SIGNATURE[:-1], b"\x72")
    assert not verify(PUBLIC, b"", b"\x72")
    assert not verify(PUBLIC[:-1], SIGNATURE, b"\x72")
    assert not verify(b"", SIGNATURE, b"\x72")


def test_a_key_that_was_made_signs_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    signing.create(path)
    first, second = FileSigner("name", path), FileSigner("name", path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert first.public_key == second.public_key
    assert verify(first.public_key, second.sign(b"message"), b"message")
    assert [file.name for file in tmp_path.iterdir()] == ["key.pem"]


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    signing.create(path)
    before = path.read_bytes()
    with pytest.raises(Fatal, match="never replaced"):
        signing.create(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["key.pem"]


def test_a_key_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="cannot be made: No such file or directory"):
        signing.create(tmp_path / "missing" / "key.pem")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o700, 0o4600])
def test_a_key_that_others_may_have_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    signing.create(path)
    path.chmod(mode)
    with pytest.raises(Fatal, match=f"mode {mode:03o}.*chmod 600"):
        FileSigner("name", path)


def test_a_key_may_be_read_only(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    signing.create(path)
    path.chmod(0o400)
    assert FileSigner("name", path).name == "name"


def test_a_key_is_a_file_and_no_link_folder_or_pipe(tmp_path: Path) -> None:
    real, link, pipe = tmp_path / "key.pem", tmp_path / "link.pem", tmp_path / "pipe.pem"
    signing.create(real)
    link.symlink_to(real)
    os.mkfifo(pipe, 0o600)
    for path, reason in ((link, "cannot be opened"), (tmp_path, "not a regular file"), (pipe, "not a regular file")):
        with pytest.raises(Fatal, match=reason):
            FileSigner("name", path)
    with pytest.raises(Fatal, match="No such file"):
        FileSigner("name", tmp_path / "missing.pem")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    signing.create(path)
    os.chown(path, 12345, -1)
    with pytest.raises(Fatal, match="belongs to user 12345"):
        FileSigner("name", path)


def test_what_holds_no_ed25519_key_is_refused(tmp_path: Path) -> None:
    curve = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for number, content in enumerate((b"", b"nonsense", b"\0" * 10_000, curve)):
        path = tmp_path / f"{number}.pem"
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(Fatal, match="no Ed25519 private key"):
            FileSigner("name", path)


def test_a_folder_s_keys_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("0002.pem", "0010.pem", "0001.pem", "0003.pem.old", "key.pem"):
        signing.create(tmp_path / name)
    found = signing.load_keys(tmp_path, "name")
    assert [signer.public_key for signer in found] == [
        FileSigner("name", tmp_path / name).public_key for name in ("0001.pem", "0002.pem", "0010.pem")
    ]
    with pytest.raises(Fatal, match="cannot be read"):
        signing.load_keys(tmp_path / "missing", "name")


def test_of_many_who_make_one_key_at_once_one_succeeds(tmp_path: Path) -> None:
    failures: list[Fatal] = []

    def make() -> None:
        try:
            signing.create(tmp_path / "key.pem")
        except Fatal as error:
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 7
    assert FileSigner("name", tmp_path / "key.pem").sign(b"")

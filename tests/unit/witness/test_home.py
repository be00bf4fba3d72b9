"""The witness's folder and its list of trusted keys: made whole once, and anything half or wrong stops the process."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from consumers.witness import home
from consumers.witness.book import Seen
from consumers.witness.store import SqliteBook
from consumers.witness.trust import read_trusted
from corpactions.domain.audit.notes import Key
from corpactions.domain.errors import Fatal, Unavailable
from tests.support.signing import LOG, WITNESS, MemorySigner

VKEY = MemorySigner().key.vkey


def test_the_first_start_makes_key_and_book_and_the_next_finds_them(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "witness"
    book, signer = home.enter(folder, WITNESS)
    book.close()
    again, same = home.enter(folder, WITNESS)
    again.close()
    assert same.public_key == signer.public_key
    assert Key.parse(home.show_vkey(folder, signer)) == Key(WITNESS, 4, signer.public_key)
    assert (folder / "public" / "vkey").read_text() == home.show_vkey(folder, signer) + "\n"
    assert sorted(file.name for file in folder.iterdir()) == ["key.pem", "public", "witness.db"]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_start_cut_short_before_the_key_is_simply_repeated(tmp_path: Path) -> None:
    SqliteBook(tmp_path / "witness.db").close()
    book, signer = home.enter(tmp_path, WITNESS)
    book.close()
    assert signer.sign(b"")


def test_a_witness_without_its_memory_does_not_start(tmp_path: Path) -> None:
    home.enter(tmp_path, WITNESS)[0].close()
    (tmp_path / "witness.db").unlink()
    with pytest.raises(Fatal, match="the witness's memory; restore it"):
        home.enter(tmp_path, WITNESS)
    assert not (tmp_path / "witness.db").exists()


def test_a_witness_without_its_key_does_not_take_another(tmp_path: Path) -> None:
    book, _ = home.enter(tmp_path, WITNESS)
    book.accept(Seen(LOG, 1, bytes(32), b"", b""), None)
    book.close()
    (tmp_path / "key.pem").unlink()
    with pytest.raises(Fatal, match=r"key\.pem is missing"):
        home.enter(tmp_path, WITNESS)
    assert not (tmp_path / "key.pem").exists()


def test_a_folder_that_cannot_be_made_or_written_stops_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Fatal, match="CA_WITNESS_STORE"):
        home.enter(tmp_path / "file" / "below", WITNESS)
    book, signer = home.enter(tmp_path, WITNESS)
    book.close()
    (tmp_path / "public").touch()
    with pytest.raises(Fatal, match="vkey cannot be written"):
        home.show_vkey(tmp_path, signer)


def test_what_is_no_store_or_a_later_one_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all, only some text that is long enough" * 50)
    with pytest.raises(Fatal, match="cannot be used"):
        SqliteBook(tmp_path / "text.db")
    with sqlite3.connect(tmp_path / "later.db") as later:
        later.execute("PRAGMA user_version = 2")
    with pytest.raises(Fatal, match="run the newer program"):
        SqliteBook(tmp_path / "later.db")


def test_the_file_itself_refuses_that_anything_is_forgotten_or_changed(tmp_path: Path) -> None:
    book = SqliteBook(tmp_path / "witness.db")
    book.accept(Seen(LOG, 1, bytes(32), b"first", b"first"), None)
    other = sqlite3.connect(tmp_path / "witness.db")
    for statement in ("DELETE FROM checkpoints", "UPDATE checkpoints SET root = x'00'", "UPDATE checkpoints SET first = x'00'"):
        with pytest.raises(sqlite3.IntegrityError, match="witness"):
            other.execute(statement)
    other.close()
    assert book.at(LOG, 1) == Seen(LOG, 1, bytes(32), b"first", b"first")
    book.close()
    with pytest.raises(Unavailable, match="store is unavailable"):
        book.newest(LOG)


def test_two_processes_on_one_file_accept_one_of_two(tmp_path: Path) -> None:
    one, two = SqliteBook(tmp_path / "witness.db"), SqliteBook(tmp_path / "witness.db")
    seen = Seen(LOG, 1, bytes(32), b"", b"")
    assert [one.accept(seen, None), two.accept(seen, None)] == [True, False]
    assert [two.accept(seen._replace(size=3), 1), one.accept(seen._replace(size=2), 1)] == [True, False]
    assert [one.accept(seen._replace(root=bytes(31) + b"x", size=3), 3), one.newest(LOG)] == [False, seen._replace(size=3)]
    one.close()
    two.close()


def test_logs_are_told_apart(tmp_path: Path) -> None:
    book = SqliteBook(tmp_path / "witness.db")
    for origin in ("b", "a", "c"):
        for size in range(3):
            assert book.accept(Seen(origin, size, bytes(32), b"", b""), size - 1 if size else None)
    assert book.origins() == ["a", "b", "c"]
    assert [seen.size for seen in book.between("b", 1, 9, 9)] == [1, 2]
    assert [seen.size for seen in book.between("b", 0, 9, 2)] == [0, 1]
    book.close()


def test_the_trusted_keys_are_read(tmp_path: Path) -> None:
    path = tmp_path / "trusted"
    path.write_text(f"# the audit log\n\n{LOG} {VKEY}\n{LOG}   {MemorySigner(number=2).key.vkey}\nelse {MemorySigner('else').key.vkey}\n")
    assert [key.name for key in read_trusted(path)] == [LOG, LOG, "else"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names no log"),
        ("# nothing\n", "names no log"),
        (f"{LOG}\n", "line 1: `<log name> <vkey>`"),
        (f"\n{LOG} {VKEY} more\n", "line 2: `<log name> <vkey>`"),
        (f"{LOG} {VKEY[:-1]}\n", "line 1: the key of a vkey"),
        (f"else {VKEY}\n", "line 1: a plain Ed25519 key"),
        (f"{LOG} {MemorySigner().cosigning_key.vkey}\n", r"line 1: a plain Ed25519 key \(type 1\)"),
    ],
)
def test_a_list_that_is_not_quite_one_names_the_line(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "trusted"
    path.write_text(text)
    with pytest.raises(Fatal, match=reason):
        read_trusted(path)


def test_a_list_that_cannot_be_read_stops_it(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="cannot be read"):
        read_trusted(tmp_path / "missing")
    (tmp_path / "latin").write_bytes(b"\xff")
    with pytest.raises(Fatal, match="cannot be read"):
        read_trusted(tmp_path / "latin")

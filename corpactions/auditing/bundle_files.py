"""Export bundles as files: a folder, or a tar archive of its contents. Nothing here knows a database or a network.

Invariant: a bundle appears under its name only when it is whole, and an existing one is never touched.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from corpactions.domain.audit.bundle import Files
from corpactions.domain.audit.bundle_verification import BundleReport, verify_bundle
from corpactions.domain.audit.notes import Key
from corpactions.domain.audit.ranges import Rules
from corpactions.domain.errors import Fatal
from corpactions.security.signing import verify
from corpactions.serde.canonical import decode


class Sink(Protocol):
    """Takes the files of a new bundle."""

    def add(self, path: str, data: bytes) -> None:
        """Write one file."""


def check_bundle(files: Files, trusted: Key, witness: Key | None) -> BundleReport:
    """Verify a bundle with nothing but these keys."""
    return verify_bundle(files, Rules(trusted.name, (), verify, decode, witness), trusted)


@contextmanager
def opened(path: Path) -> Iterator[Files]:
    """The files of a bundle, from a folder or a tar archive. Raises Fatal when it is neither."""
    try:
        if path.is_dir():
            yield _Folder(path)
            return
        with tarfile.open(path) as archive:
            yield _Tar(archive)
    except (OSError, tarfile.TarError) as error:
        raise Fatal(f"{path} is no folder and no tar archive that can be read: {error}") from error


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir()}

    def names(self) -> set[str]:
        return self._names

    def read(self, path: str) -> bytes:
        if path not in self._names:
            raise KeyError(path)
        return (self._folder / path).read_bytes()


class _Tar:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._members = {member.name.removeprefix("./"): member for member in archive.getmembers() if not member.isdir()}

    def names(self) -> set[str]:
        return set(self._members)

    def read(self, path: str) -> bytes:
        file = self._archive.extractfile(self._members[path]) if self._members[path].isreg() else None
        return b"" if file is None else file.read()


class _FolderSink:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, path: str, data: bytes) -> None:
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


class _TarSink:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive

    def add(self, path: str, data: bytes) -> None:
        member = tarfile.TarInfo(path)
        member.size, member.mode = len(data), 0o644
        self._archive.addfile(member, io.BytesIO(data))


@contextmanager
def new_bundle(target: Path) -> Iterator[Sink]:
    """Where a new bundle's files are put: a ``.tar`` file or a folder, under another name until it is whole. Raises Fatal when the target is there already."""
    if target.exists():
        raise Fatal(f"{target} is there already; give a name that is not")
    draft = target.with_name(f".{target.name}.part")
    if target.suffix == ".tar":
        with tarfile.open(draft, "x") as archive:
            yield _TarSink(archive)
    else:
        draft.mkdir(parents=True)
        yield _FolderSink(draft)
    draft.rename(target)

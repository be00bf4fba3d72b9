"""Export bundles on disk: written from the log in MySQL, read back from a folder or a tar archive, and verified there.

Invariant: a bundle is verified as it lies where it was written, by reading it again; whoever writes one to let entries go relies on that and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from corpactions.auditing.bundle_files import check_bundle, new_bundle, opened
from corpactions.auditing.verification import newest_log
from corpactions.bootstrap.mysql import build_engine
from corpactions.domain.audit.bundle import CHECKPOINT, MANIFEST, Manifest, bundles_for, tiles_for
from corpactions.domain.audit.keys import KeyPeriod, key_for, read_statement, walk
from corpactions.domain.audit.notes import Key
from corpactions.domain.audit.ranges import CheckpointNote
from corpactions.domain.audit.tiles import bundle_path, tile_path
from corpactions.domain.errors import Fatal
from corpactions.persistence.audit_reading import AuditReader, MissingTile
from corpactions.ports.audit import LogRow
from corpactions.security.published import read_key
from corpactions.security.signing import verify
from corpactions.settings import Settings
from corpactions.system import SystemClock

Told = Callable[[int], None]
"""Told how many more entries were written."""


class Exported(NamedTuple):
    """A bundle that was written: where, what, and the SHA-256 of its manifest, which names it as a whole."""

    location: Path
    manifest: Manifest
    sha256: bytes


def export(reader: AuditReader, log: LogRow, span: tuple[int, int], target: Path, told: Told) -> Exported:
    """Write a bundle with the entries of a span, rounded outwards to whole batches, to a new folder or a new ``.tar`` file.

    Args:
        reader: reads the log.
        log: which.
        span: first entry, and the one behind the last.
        target: must not be there yet.
        told: told of entries written.

    Raises:
        Fatal: the target is there already or cannot be written, the span is none of the log, entries of it are missing, or no checkpoint covers it yet.
        Unavailable: MySQL does not answer.
    """
    first, end = _whole_batches(reader, log, span)
    checkpoint = _checkpoint(reader, log, end)
    try:
        with new_bundle(target) as sink:
            digests: dict[str, str] = {}
            for path, data, entries in _contents(reader, log, (first, end), checkpoint):
                sink.add(path, data)
                digests[path] = sha256(data).hexdigest()
                told(entries)
            manifest = Manifest(log.origin, log.log_id, first, end, checkpoint.size, SystemClock().now(), digests)
            sink.add(MANIFEST, manifest.encode())
    except MissingTile as error:
        raise Fatal(
            f"entries {first} to {end - 1} of {log.origin} cannot be exported whole: {error}; run `corpactions audit verify`"
        ) from error
    except OSError as error:
        raise Fatal(f"{target} cannot be written: {error.strerror}") from error
    return Exported(target, manifest, sha256(manifest.encode()).digest())


def export_segment(settings: Settings, log_id: int, first: int, end: int, folder: Path) -> tuple[str, bytes]:
    """Write the bundle of a segment below a folder and verify it there.

    Returns:
        Where it lies, and the SHA-256 of its manifest.

    Raises:
        Fatal: it cannot be written, or does not verify.
        Unavailable: MySQL does not answer.
    """
    reader = AuditReader(build_engine(settings, pool_size=1))
    log = newest_log(reader, log_id)
    target = folder / f"{log.origin.replace('/', '-')}-{first}-{end}-{SystemClock().now():%Y%m%dT%H%M%S.%f}.tar"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Fatal(f"{folder} cannot be made: {error.strerror}") from error
    exported = export(reader, log, (first, end), target, lambda _entries: None)
    trusted = read_key(settings.audit_trusted_key, "CA_AUDIT_TRUSTED_KEY") or own_key(reader)
    witness = read_key(settings.witness_vkey, "CA_WITNESS_VKEY")
    with opened(target) as files:
        report = check_bundle(files, trusted, witness)
    span = report.manifest and (report.manifest.first, report.manifest.end)
    if not report.verified or report.manifest_sha256 != exported.sha256 or span != (first, end):
        told = "; ".join(f"{each.check} {each.place}: {each.detail}" for each in report.findings[:3])
        raise Fatal(f"the export {target} does not verify: {told or f'it holds {span}, not {(first, end)}'}; nothing may rest on it")
    return str(target), exported.sha256


def own_key(reader: AuditReader) -> Key:
    """The first key of the log's own history. Raises Fatal when there is none."""
    history = reader.key_history()
    try:
        return read_statement(history[0][1], verify).key
    except (IndexError, ValueError) as error:
        raise Fatal(f"the log's key history cannot be read: {error}") from error


def history_of(reader: AuditReader) -> tuple[KeyPeriod, ...]:
    """The key history as the log itself tells it, from its first key on. Raises Fatal when it does not hold together."""
    try:
        return walk([statement for _, statement, _ in reader.key_history()], own_key(reader), verify)
    except ValueError as error:
        raise Fatal(f"the log's key history does not hold together: {error}") from error


def _contents(reader: AuditReader, log: LogRow, span: tuple[int, int], checkpoint: CheckpointNote) -> Iterator[tuple[str, bytes, int]]:
    """The files of a bundle but its manifest: path, contents, and how many entries they hold."""
    first, end = span
    periods = history_of(reader)
    yield CHECKPOINT, checkpoint.note, 0
    for number, statement, _ in reader.key_history():
        yield f"keys/{number}", statement, 0
    for row in reader.batches(log.log_id, first, end):
        yield f"batches/{row.first}", row.note(key_for(periods, log.origin, row.first), log.origin).encode(), 0
    for tile in tiles_for(first, end, checkpoint.size):
        yield tile_path(tile), reader.tile(log.log_id, tile), 0
    for bundle in bundles_for(first, end, checkpoint.size):
        yield bundle_path(bundle.index, bundle.width), reader.bundle(log.log_id, bundle.index, bundle.width), bundle.width


def _whole_batches(reader: AuditReader, log: LogRow, span: tuple[int, int]) -> tuple[int, int]:
    size = reader.ends(log.log_id).batches
    first, end = span
    if not 0 <= first < end <= size:
        raise Fatal(f"entries {first} to {end - 1} are none of {log.origin}, which has {size}")
    begin, last = reader.batch_of(log.log_id, first), reader.batch_of(log.log_id, end - 1)
    if begin is None or last is None:
        raise Fatal(f"entries {first} to {end - 1} of {log.origin} are in no batch; run `corpactions audit verify`")
    return begin.first, last.size


def _checkpoint(reader: AuditReader, log: LogRow, end: int) -> CheckpointNote:
    """The newest checkpoint over these entries, a witnessed one if there is any."""
    for witnessed in (True, False):
        note = reader.newest_checkpoint(log.log_id, witnessed=witnessed)
        if note is not None and note.size >= end:
            return note
    raise Fatal(f"no checkpoint is over entry {end - 1} of {log.origin} yet; try again in some seconds")

"""`corpactions audit open-log`: a new log beside one that was damaged. The damaged one stays as it is, as evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from corpactions.domain.errors import Fatal, Rejected


def open_log(
    *,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="The last checkpoint that can be relied on, as a signed note; by default the witness is asked.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only say what would be done.")] = False,
) -> None:
    """Open a new log (as the audit consumer's account, with the consumer stopped). Its first entry names the last witnessed checkpoint of the damaged one.

    The consumer then reads the audit topic from its beginning: what no log holds is logged anew, and what was changed under its id shows as a CONFLICT.
    """
    from corpactions.bootstrap.audit_writer import build_audit_store
    from corpactions.domain.audit.keys import log_number
    from corpactions.ports.audit import LogRow
    from corpactions.settings import load
    from corpactions.system import SystemClock

    settings, clock = load(), SystemClock()
    store = build_audit_store(settings)
    if not store.lead(1.0):
        raise Rejected("writer_running", "an audit consumer holds the log; stop every instance first")
    try:
        damaged = store.newest_log(settings.audit_origin, clock.now())
        number = log_number(settings.audit_origin, damaged.origin) + 1
        opened = LogRow(damaged.log_id + 1, f"{settings.audit_origin}/{number}", _predecessor(damaged.origin, checkpoint))
        if yes:
            store.open_log(opened, clock.now())
    finally:
        store.resign()
    print(
        f"{'opened' if yes else 'would open'} {opened.origin} behind {damaged.origin}, whose last checkpoint is:\n\n{opened.predecessor}",
        end="",
    )
    if not yes:
        print("\nnothing was changed; add --yes to do it")


def _predecessor(origin: str, file: Path | None) -> str:
    """The checkpoint, with the signatures of the log and, where it comes from the witness, of the witness.

    Raises:
        Fatal: there is none, or it is of another log.
        Unavailable: the witness does not answer.
    """
    from corpactions.domain.audit.notes import Checkpoint, Note
    from corpactions.security.published import read_key
    from corpactions.security.witness import WitnessClient
    from corpactions.settings import load

    settings = load()
    try:
        if file is not None:
            note = Note.parse(file.read_bytes())
        else:
            if not settings.witness_url:
                raise Fatal("CA_WITNESS_URL is empty: give the last checkpoint that can be relied on with --checkpoint")
            key = read_key(settings.witness_vkey, "CA_WITNESS_VKEY")
            found = WitnessClient(settings.witness_url, [] if key is None else [key.vkey]).newest(origin)
            if found is None:
                raise Fatal(f"the witness has seen no checkpoint of {origin}: there is nothing to continue from")
            note = found
        named = Checkpoint.parse(note.text).origin
    except ValueError as error:
        raise Fatal(f"this is no checkpoint: {error}") from error
    if named != origin:
        raise Fatal(f"the checkpoint is of {named}, and the log to be continued is {origin}")
    return note.encode().decode()

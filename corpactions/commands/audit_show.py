"""`corpactions audit show`, `prove`, `verify-proof` and `keys`: single entries and what proves them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from corpactions.commands.audit_options import AsJson, KeyOption, Pinned, WitnessOption, chosen_log, given_key
from corpactions.domain.errors import Fatal

if TYPE_CHECKING:
    from corpactions.auditing.access import AuditAccess, ShownEntry, ShownPage

REFUSED: Final = 1
Seq = Annotated[int, typer.Argument(min=0, metavar="SEQ", help="The entry's number.", show_default=False)]


def show(seq: Seq, key: KeyOption = "", as_json: AsJson = False) -> None:
    """Show an entry, verified. Ends with status 1 when there is none, or it does not verify."""
    page = _access(key).entries([seq])
    if not page.entries:
        print(f"there is no entry {seq} in {page.log.origin}", file=sys.stderr)
        raise typer.Exit(REFUSED)
    print(json.dumps(_document(page))) if as_json else _print(page, page.entries[0])
    raise typer.Exit(0 if page.verdict.verified else REFUSED)


def prove(
    seq: Seq,
    out: Annotated[Path | None, typer.Option(help="Write the proof there instead of printing it.")] = None,
) -> None:
    """Make a proof of an entry that stands on its own, as JSON. Ends with status 1 when there is no such entry, or no checkpoint over it yet."""
    proof = _access("").proof(seq)
    if proof is None:
        print(f"entry {seq} cannot be proved: there is none, or no checkpoint is over it yet", file=sys.stderr)
        raise typer.Exit(REFUSED)
    text = json.dumps(proof.document(), indent=2) + "\n"
    if out is None:
        print(text, end="")
        return
    try:
        out.write_text(text)
    except OSError as error:
        raise Fatal(f"--out: {out} cannot be written: {error.strerror}") from error
    print(f"proof of entry {seq} of {proof.origin} written to {out}")


def verify_proof(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE", help="A proof.", show_default=False)],
    key: Pinned,
    witness: WitnessOption = "",
) -> None:
    """Verify a proof of an entry: needs no database, no network and no settings. Ends with status 1 when it does not prove its entry."""
    from corpactions.domain.audit.proof import Proof, check_proof
    from corpactions.domain.audit.ranges import Rules
    from corpactions.security.published import read_key
    from corpactions.security.signing import verify
    from corpactions.serde.canonical import decode

    trusted = given_key(key)
    try:
        proof = Proof.parse(file.read_bytes())
    except ValueError as error:
        print(f"{file} is no proof: {error}", file=sys.stderr)
        raise typer.Exit(REFUSED) from None
    wrong = check_proof(proof, trusted, Rules(proof.origin, (), verify, decode, read_key(witness, "--witness")))
    for each in wrong:
        print(each)
    who = "signed and witnessed" if witness else "signed"
    print(
        "the proof does NOT hold"
        if wrong
        else f"entry {proof.seq} of {proof.origin} is proved: under a checkpoint that is {who}, and in a signed batch"
    )
    raise typer.Exit(REFUSED if wrong else 0)


def keys(as_json: AsJson = False) -> None:
    """Show the history of the log's keys, oldest first; verifiers pin number 1, or a later one."""
    from corpactions.auditing.bundles import history_of

    access = _access("")
    added = {number: at for number, _, at in access.reader.key_history()}
    periods = history_of(access.reader)
    if as_json:
        rows = [
            {
                "number": each.number,
                "log": each.log_origin,
                "from": each.from_seq,
                "vkey": each.key.vkey,
                "added_at": added[each.number].isoformat(),
            }
            for each in periods
        ]
        print(json.dumps(rows))
        return
    for each in periods:
        print(f"{each.number:>4}  from entry {each.from_seq} of {each.log_origin}, added {added[each.number]:%Y-%m-%d %H:%M:%S} UTC")
        print(f"      {each.key.vkey}")


def _access(key: str) -> AuditAccess:
    from corpactions.auditing.access import AuditAccess
    from corpactions.settings import load

    settings = load()
    return AuditAccess(settings.model_copy(update={"audit_trusted_key": key}) if key else settings, chosen_log.get())


def _document(page: ShownPage) -> dict[str, Any]:
    shown = page.entries[0]
    return {
        "entry": json.loads(shown.body) if shown.entry is not None else None,
        "verified": page.verdict.verified,
        "failed": list(shown.verdict.failed),
        "checkpoint": page.verdict.size if shown.verdict.checkpointed else None,
        "witnessed_at": None if page.verdict.witnessed_at is None else page.verdict.witnessed_at.isoformat(),
        "key_trusted": page.pinned,
        "findings": [finding._asdict() for finding in page.verdict.findings],
    }


def _print(page: ShownPage, shown: ShownEntry) -> None:
    if shown.entry is None:
        print(f"entry {shown.seq}: its bytes cannot be read: {shown.body[:200]!r}")
    else:
        entry, content = shown.entry, shown.entry.content
        print(f"entry {entry.seq} of {entry.log}, recorded {entry.recorded_at:%Y-%m-%d %H:%M:%S.%f} UTC")
        about = " ".join(item for item in (content.event_type, content.symbol) if item)
        print(f"  {content.action} by {content.actor}: {content.resource}" + (f" ({about})" if about else ""))
        print(f"  record     {content.record_id}")
        if entry.source is not None:
            print(f"  from       {entry.source.topic} partition {entry.source.partition} offset {entry.source.offset}")
        for name, value in content.detail.items():
            if value not in (None, [], ""):
                print(f"  {name:<10} {value if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False)}")
    for finding in page.verdict.findings:
        print(f"  {finding.check} {finding.place}: {finding.detail}")
    print(f"  {_verdict(page, shown)}")


def _verdict(page: ShownPage, shown: ShownEntry) -> str:
    if shown.verdict.failed:
        return f"NOT verified: {', '.join(shown.verdict.failed)} does not fit"
    under = "under no checkpoint yet" if not shown.verdict.checkpointed else f"under the checkpoint of {page.verdict.size} entries"
    witnessed = "" if page.verdict.witnessed_at is None else f", witnessed {page.verdict.witnessed_at:%Y-%m-%d %H:%M:%S} UTC"
    key = "" if page.pinned else "; the key was taken from the log itself, which proves only that the log fits itself"
    return f"verified: signed, {under}{witnessed}{key}"

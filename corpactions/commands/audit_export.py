"""`corpactions audit export` and `verify-bundle`: a part of the log with all that proves it, and its verification by somebody who has nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from corpactions.commands.audit_options import AsJson, Pinned, WitnessOption, chosen_log, given_key, progress

if TYPE_CHECKING:
    from corpactions.domain.audit.bundle_verification import BundleReport

FOUND: Final = 1


def export(
    out: Annotated[Path, typer.Option(help="A new folder, or a new file that ends with .tar.", show_default=False)],
    first: Annotated[int, typer.Option("--from", min=0, help="First entry; rounded down to the beginning of its batch.")] = 0,
    end: Annotated[
        int | None, typer.Option("--to", min=1, help="Stop before this entry; rounded up. By default at the newest checkpoint.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write entries, tiles, checkpoint, keys and manifest of a part of the log. `verify-bundle` verifies it, and so does any reader of docs/audit-format.md."""
    from corpactions.auditing.access import AuditAccess
    from corpactions.auditing.bundles import export as write
    from corpactions.domain.errors import Fatal
    from corpactions.settings import load

    access = AuditAccess(load(), chosen_log.get())
    if end is None:
        newest = access.checkpoint()
        if newest is None:
            raise Fatal("no checkpoint is over the log's first entries yet; try again in some seconds")
        end = newest.size
    total = end - first
    with progress("exporting", shown=not as_json) as told:
        done = write(access.reader, access.log(), (first, end), out, lambda count: told(count, total))
    manifest = done.manifest
    if as_json:
        about = {name: getattr(manifest, name) for name in ("origin", "log_id", "first", "end", "size")}
        print(json.dumps({**about, "files": len(manifest.files), "location": str(done.location), "manifest_sha256": done.sha256.hex()}))
        return
    print(
        f"entries {manifest.first} to {manifest.end - 1} of {manifest.origin} written to {done.location}, under the checkpoint of {manifest.size}"
    )
    print(f"SHA-256 of its manifest: {done.sha256.hex()}")


def verify_bundle(
    bundle: Annotated[Path, typer.Argument(exists=True, metavar="DIR|TAR", help="The bundle.", show_default=False)],
    key: Pinned,
    witness: WitnessOption = "",
    as_json: AsJson = False,
) -> None:
    """Verify an export: needs no database, no network and no settings. Ends with status 1 when something is found."""
    from corpactions.auditing.bundle_files import check_bundle, opened
    from corpactions.security.published import read_key

    with opened(bundle) as files:
        report = check_bundle(files, given_key(key), read_key(witness, "--witness"))
    print(json.dumps(report.document())) if as_json else _print(report, witnessed=bool(witness))
    raise typer.Exit(0 if report.verified else FOUND)


def _print(report: BundleReport, *, witnessed: bool) -> None:
    for finding in report.findings:
        print(f"{finding.check:<11}{finding.place:<26}{finding.detail}")
    if (untold := sum(report.counts.values()) - len(report.findings)) > 0:
        print(f"and {untold} more findings: {', '.join(f'{count} {check}' for check, count in report.counts.items())}")
    manifest = report.manifest
    if not report.verified or manifest is None:
        print(f"the bundle is NOT verified: {sum(report.counts.values())} findings")
        return
    print(f"bundle verified: entries {manifest.first} to {manifest.end - 1} of {manifest.origin}, {report.batches} signed batches")
    print(
        f"under the signed checkpoint of {manifest.size} entries"
        + ("" if report.cosigned_at is None else f", witnessed {report.cosigned_at:%Y-%m-%d %H:%M:%S} UTC")
    )
    if not witnessed:
        print("the witness was not looked at: give its key with --witness to know that nobody was shown another log")

"""`corpactions securities load FILE`: what is known of securities, from a CSV file into the built-in security master.

Exit status: 0 all lines were loaded; 1 some were refused, all others loaded; 2 the file is unusable.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer

from corpactions.domain.currencies import EXPONENTS
from corpactions.domain.fields import isin_problem, symbol_problem
from corpactions.domain.rules import MAX_INTEGER_DIGITS, MAX_SCALE, Problem
from corpactions.domain.securities import Security
from corpactions.domain.texts import Unreadable, amount_of, date_of
from corpactions.persistence.securities import SecurityFact

app = typer.Typer(help="The built-in security master.", no_args_is_help=True)

COLUMNS: Final = ("symbol", "valid_from", "isin", "currency", "status", "successor", "reference_price")
SOME_REFUSED: Final = 1
UNUSABLE: Final = 2
_STATUS = re.compile(r"[A-Z][A-Z_]{0,15}", re.ASCII)


@app.callback()
def _group() -> None:
    """The built-in security master."""  # a group even with one command, so that `securities load` stays its name when others join


@app.command()
def load(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=f"CSV in UTF-8 with the columns {', '.join(COLUMNS)}.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Load facts about securities; the same symbol and day again replaces what was known, so a file may be loaded twice.

    Lines that break a rule are reported on standard error and left out; all others are loaded.
    """
    from corpactions.bootstrap.mysql import build_engine
    from corpactions.persistence import securities
    from corpactions.settings import load as load_settings

    refused = 0

    def facts(stream: TextIO) -> Iterator[SecurityFact]:
        nonlocal refused
        for number, row in _rows(stream):
            made = to_fact(row)
            if isinstance(made, SecurityFact):
                yield made
                continue
            refused += 1
            for problem in made:
                print(f"{file}:{number}: {problem}", file=sys.stderr)

    engine = build_engine(load_settings())
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            loaded = securities.load(engine, facts(stream))
    except (UnicodeDecodeError, csv.Error) as error:
        print(f"{file}: {error}; give CSV in UTF-8. Batches before it are loaded: mend the file and load it again", file=sys.stderr)
        raise typer.Exit(UNUSABLE) from None
    print(
        json.dumps({"loaded": loaded, "refused": refused})
        if as_json
        else f"{loaded:,} facts about securities loaded, {refused:,} lines refused"
    )
    raise typer.Exit(SOME_REFUSED if refused else 0)


def to_fact(row: dict[str, str]) -> SecurityFact | list[Problem]:
    """A line of the file as a fact, or every problem that forbids it."""
    problems = [problem for problem in (symbol_problem(row["symbol"]), isin_problem(row["isin"] or None)) if problem is not None]
    if row["successor"] and (problem := symbol_problem(row["successor"], "successor")):
        problems.append(problem)
    if row["currency"] not in EXPONENTS:
        problems.append(
            Problem("currency", row["currency"], "is not an ISO 4217 currency code", "use three capital letters, for example USD")
        )
    if not _STATUS.fullmatch(row["status"]):
        problems.append(
            Problem("status", row["status"], "is not a status", "use ACTIVE, or what ended the security in capitals, for example MERGED")
        )
    valid_from, price = date.min, None
    try:
        valid_from = date_of(row["valid_from"])
    except Unreadable as error:
        problems.append(Problem("valid_from", row["valid_from"], error.detail, error.mend))
    try:
        price = _price(row["reference_price"])
    except Unreadable as error:
        problems.append(Problem("reference_price", row["reference_price"], error.detail, error.mend))
    if problems:
        return problems
    security = Security(row["symbol"], row["isin"] or None, row["currency"], row["status"], row["successor"] or None, price)
    return SecurityFact(valid_from, security)


def _price(text: str) -> Decimal | None:
    if not text:
        return None
    price = amount_of(text)
    if price < 0 or len(text.partition(".")[2]) > MAX_SCALE or price >= Decimal(10) ** MAX_INTEGER_DIGITS:
        raise Unreadable(
            "is out of range", f"give a price of at most {MAX_INTEGER_DIGITS} digits and {MAX_SCALE} decimal places, or leave it empty"
        )
    return price


def _rows(stream: TextIO) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(stream, strict=True)
    header = next(reader, [])
    if sorted(header) != sorted(COLUMNS):
        raise csv.Error(f"the header is {','.join(header)!r}, not {','.join(COLUMNS)!r}")
    for cells in reader:
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise csv.Error(f"line {reader.line_num} has {len(cells)} cells where the header has {len(header)}")
        yield reader.line_num, dict(zip(header, cells, strict=True))

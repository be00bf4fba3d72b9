"""Public keys that an operator gives: as text, or as the path of a file that holds one."""

from __future__ import annotations

from pathlib import Path

from corpactions.domain.audit.notes import Key
from corpactions.domain.errors import Fatal


def read_key(value: str, setting: str) -> Key | None:
    """The public key that a setting names; None when the setting is empty.

    Args:
        value: a vkey, or the path of a file whose first line ends with one (the witness's list of trusted keys has the log's name before it).
        setting: its variable, for the message.

    Raises:
        Fatal: it is neither, or the file cannot be read.
    """
    if not value:
        return None
    try:
        text = value if "+" in value else Path(value).read_text(encoding="utf-8").splitlines()[0].rpartition(" ")[2]
        return Key.parse(text)
    except OSError as error:
        raise Fatal(
            f"{setting}: {value} is no public key of the form name+id+key, and no file that can be read: {error.strerror}"
        ) from error
    except (IndexError, ValueError) as error:
        raise Fatal(f"{setting}: {value} does not give a public key: {error}") from error

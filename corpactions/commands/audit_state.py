"""How far a verification came, in a file: after an interrupt it goes on from there, and a later run begins where the last one ended.

Invariant: the file is whole or as it was before, and it is only ever continued with the same log, key and sources. Whoever trusts it must keep it as safe as the key:
what it says was verified is not looked at again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corpactions.domain.audit.joined import Joined
from corpactions.domain.errors import Fatal


class StateFile:
    """See above.

    Args:
        path: the file; made when it is not there.
        question: what is verified, with which key and against what: it must be the same each time.
    """

    def __init__(self, path: Path, question: Mapping[str, Any]) -> None:
        self._path = path
        self._question = dict(question)

    def load(self) -> Joined | None:
        """How far the last run came; None when there was none.

        Raises:
            Fatal: the file cannot be read, or is about something else.
        """
        try:
            kept = json.loads(self._path.read_text())
            if kept["question"] != self._question:
                raise Fatal(f"--state: {self._path} is about {kept['question']}, not {self._question}; give another file")
            return Joined.read(kept["joined"])
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Fatal(f"--state: {self._path} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise Fatal(f"--state: {self._path} is no state of a verification: {error}; delete it to begin anew") from error

    def keep(self, joined: Joined) -> None:
        """Write it down. Raises Fatal when the file cannot be written."""
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            draft.write_text(json.dumps({"question": self._question, "joined": joined.document()}))
            draft.replace(self._path)
        except OSError as error:
            raise Fatal(f"--state: {self._path} cannot be written: {error.strerror}") from error

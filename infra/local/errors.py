"""The one error type of the local stack: what went wrong and what to do, in one line."""

import errno


class LocalStackError(Exception):
    """Something a person can mend: ``problem`` says what is wrong, ``mend`` what to do about it."""

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(f"{problem}; {mend}")
        self.problem = problem
        self.mend = mend


class Cancelled(LocalStackError):
    """Work given up because another part failed or the person pressed Ctrl-C; never the cause itself."""

    def __init__(self) -> None:
        super().__init__("stopped", "run the command again")


def explain_os_error(error: OSError) -> LocalStackError:
    """Turn an operating-system error into a line that says what to do."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LocalStackError(f"the disk is full{where}", "free some space (`df -h` shows where) and run the command again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return LocalStackError(
            f"no permission to write{where}", "give this user the folder, or set CA_RUN_DIR and XDG_CACHE_HOME to folders of yours"
        )
    if error.errno == errno.ENOENT and error.filename:
        return LocalStackError(f"{error.filename} is missing", "run `make install`")
    return LocalStackError(f"{error.strerror or error}{where}", "mend that and run the command again")

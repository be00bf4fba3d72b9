"""`make audit`: are the installed packages what is pinned, do they fit together, and is any of them known to be vulnerable?

The first two need no network and are part of `make check` (``--offline``). The third asks the vulnerability service through pip-audit; where that cannot be
reached, it says so and fails nothing, for silence must not pass for an answer.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

_CLONE = Path(__file__).parents[1]
_LOCK = _CLONE / "requirements" / "dev.lock"
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?:\s*;\s*([^\\]+))?", re.MULTILINE)
_OURS = {"corporate-actions"}
_TOOLS = {"pip", "setuptools", "wheel", "uv"}


def differences() -> list[str]:
    """Packages that are installed in another version than pinned, or not pinned at all."""
    pinned = {_name(name): version for name, version, _ in _PINNED.findall(_LOCK.read_text())}
    found = []
    for package in distributions():
        name = _name(package.metadata["Name"])
        if name not in _OURS | _TOOLS and pinned.get(name) != package.version:
            found.append(f"{name} {package.version} is installed, {pinned.get(name, 'nothing')} is pinned; run `make install`")
    return sorted(found)


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def vulnerabilities() -> tuple[list[str], int]:
    """Known vulnerabilities, and how many packages the service could not say anything about."""
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "-r",
        str(_LOCK),
        "--disable-pip",
        "--require-hashes",
        "--timeout",
        "10",
        "--format",
        "json",
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    try:
        packages = json.loads(run.stdout)["dependencies"]
    except (ValueError, KeyError):
        return [], -1
    bad = [
        f"{item['name']} {item['version']}: {flaw['id']}, fixed in {flaw['fix_versions']}"
        for item in packages
        for flaw in item.get("vulns", ())
    ]
    return bad, sum("skip_reason" in item for item in packages)


def main() -> int:
    """The exit status: 1 for a difference, a conflict or a vulnerability."""
    failures = differences()
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    if check.returncode != 0 and "No module named pip" not in check.stderr:
        failures += check.stdout.splitlines()
    if "--offline" not in sys.argv:
        bad, unknown = vulnerabilities()
        failures += bad
        if unknown:
            print("the vulnerability service could not be reached" if unknown < 0 else f"{unknown} packages could not be audited")
    print("\n".join(failures) if failures else "installed as pinned, no conflict, no known vulnerability found")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())

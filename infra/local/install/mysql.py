"""MySQL: the one on PATH if it is new enough, else Debian's newest, unpacked privately and run by its own loader."""

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from infra.local import versions
from infra.local.errors import LocalStackError
from infra.local.install.atomic import install
from infra.local.process import run_to_end


@dataclass(frozen=True)
class MySQL:
    """An installed MySQL: how to run ``mysqld`` and which version it is."""

    command: tuple[str, ...]
    version: str


def install_mysql(cancel: Event) -> MySQL:
    """A MySQL of at least :data:`versions.MYSQL_MINIMUM`.

    Raises:
        LocalStackError: none is on PATH and none can be unpacked.
    """
    found = shutil.which("mysqld") or shutil.which("mysqld", path="/usr/sbin:/usr/local/sbin")
    if found is not None:
        system = (found, "--no-defaults")
        version = _version(system)
        if version and _is_new_enough(version):
            return MySQL(system, version)
    root = install(f"mysql-{versions.MYSQL_SUITE}", lambda folder: _unpack(folder, cancel))
    command = _private_command(root / "usr")
    version = _version(command)
    if version is None:
        raise LocalStackError(f"the MySQL in {root} does not run", "remove that folder and run the command again")
    return MySQL(command, version)


def install_data_template(mysql: MySQL, cancel: Event) -> Path:
    """A fresh data directory to copy from: root without a password, no identity of its own yet.

    Raises:
        LocalStackError: ``mysqld`` cannot initialise one.
    """

    def build(folder: Path) -> None:
        log = folder.parent / f"{folder.name}.log"
        argv = [*mysql.command, "--initialize-insecure", *user_option(), f"--datadir={folder}", "--mysqlx=OFF"]
        try:
            if run_to_end(argv, log, os.environ, folder, cancel) != 0:
                errors = [line for line in log.read_text(errors="replace").splitlines() if "[ERROR]" in line]
                raise LocalStackError(
                    f"MySQL cannot make a data directory: {(errors or [''])[0][:300]}", "mend that and run the command again"
                )
        finally:
            log.unlink(missing_ok=True)
        (folder / "auto.cnf").unlink()  # two servers must never share an identity

    return install(f"mysql-data-{mysql.version}-{versions.MYSQL_TEMPLATE}", build)


def user_option() -> list[str]:
    """``mysqld`` refuses to run as root unless told so by name."""
    return ["--user=root"] if os.getuid() == 0 else []


def _private_command(usr: Path) -> tuple[str, ...]:
    """The unpacked ``mysqld``, run through the loader and libraries it came with: no chroot, no upgrade of this system's libc."""
    libraries = usr / "lib" / f"{platform.machine()}-linux-gnu"
    loader = next(iter(sorted(libraries.glob("ld-linux-*.so.*"))), None)
    if loader is None:
        raise LocalStackError(f"{usr.parent} has no loader for {platform.machine()}", "remove that folder and run the command again")
    share = usr / "share" / "mysql"
    return (
        *(str(loader), "--inhibit-cache", "--library-path", str(libraries), str(usr / "sbin" / "mysqld"), "--no-defaults"),
        *(f"--basedir={usr}", f"--lc-messages-dir={share}", f"--character-sets-dir={share / 'charsets'}"),
        f"--plugin-dir={usr / 'lib' / 'mysql' / 'plugin'}",
    )


def _version(command: tuple[str, ...]) -> str | None:
    """The version a ``mysqld`` tells of itself; None for MariaDB or a program that does not run."""
    answer = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False, timeout=30)
    match = re.search(r"Ver (\d+\.\d+\.\d+)", answer.stdout)
    return match[1] if match and "MariaDB" not in answer.stdout else None


def _is_new_enough(version: str) -> bool:
    return tuple(int(part) for part in version.split(".")[:2]) >= versions.MYSQL_MINIMUM


def _unpack(folder: Path, cancel: Event) -> None:
    """Fetch Debian's MySQL with all its libraries and keep ``usr`` of it."""
    program = shutil.which("mmdebstrap")
    if program is None:
        minimum = ".".join(str(part) for part in versions.MYSQL_MINIMUM)
        raise LocalStackError(
            f"there is no mysqld {minimum} or newer on PATH and mmdebstrap is missing",
            "run `make install` on Debian, or install MySQL yourself",
        )
    # Unprivileged users may lack user namespaces; unpacking needs none in chrootless mode, which mmdebstrap refuses to root.
    mode = "root" if os.getuid() == 0 else "chrootless"
    tree = folder / "tree"
    argv = [
        *(program, "--variant=extract", f"--mode={mode}", '--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=Acquire::Retries "3"'),
        *("--include=mysql-server-core,mysql-client-core", "--skip=output/dev,output/mknod", versions.MYSQL_SUITE, str(tree), _mirror()),
    ]
    log = folder.parent / f"{folder.name}.log"
    try:
        if run_to_end(argv, log, os.environ, folder, cancel) != 0:
            errors = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("E:")]
            raise LocalStackError(
                f"MySQL cannot be unpacked: {(errors or [''])[0][:300]}",
                "check the network and run the command again, or install MySQL yourself so that mysqld is on PATH",
            )
    finally:
        log.unlink(missing_ok=True)
    (tree / "usr").rename(folder / "usr")
    shutil.rmtree(tree)


def _mirror() -> str:
    """The mirror this machine takes its own packages from; no address is written down here."""
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    argv = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Release: {codename}"]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    addresses = answer.stdout.split()
    if not addresses:
        raise LocalStackError("apt has no package lists yet", "run `sudo apt-get update` and run the command again")
    return addresses[0]

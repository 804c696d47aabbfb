"""Leave the interpreter and what it links to; remove everything that installs or becomes root.

Runs as root in a stage of the base image's build. Whole packages go, file by file as the system
lists them, and leave that list too: scanners and `sbom.py` read it, so it has to stay true.
"""

import ctypes.util
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

INFO = Path("/var/lib/dpkg/info")
STATUS = Path("/var/lib/dpkg/status")
STDLIB = Path(sysconfig.get_path("stdlib"))

# Package managers, accounts, disks, archives, and what only they need.
GONE = (
    "adduser", "apt", "bsdutils", "debconf*", "debian-archive-keyring", "diffutils", "dpkg",
    "e2fsprogs", "fdisk", "findutils", "gpgv", "gzip", "hostname", "init-system-helpers", "login*",
    "logsave", "mawk", "mount", "ncurses-bin", "openssl", "passwd", "perl*", "python3*-distutils",
    "python3*-lib2to3", "python3*-pip*", "python3*-setuptools*", "python3*-venv", "sqv",
    "sysvinit-utils", "tar", "util-linux*",
)  # fmt: skip
# Libraries that go unless something that stays links to them.
UNUSED = (
    "libapt-pkg*", "libaudit*", "libblkid1", "libcap-ng0", "libcom-err2", "libdb5*",
    "libdebconfclient0", "libext2fs2*", "libfdisk1", "libgcrypt20", "libgdbm*", "libgnutls30*",
    "libgpg-error0", "libgssapi-krb5-2", "libhogweed6*", "libidn2-0", "libk5crypto3",
    "libkeyutils1", "libkrb5*", "libmount1", "libnettle8*", "libnsl2", "libp11-kit0", "libpam*",
    "libperl*", "libseccomp2", "libsemanage*", "libsepol2", "libsmartcols1", "libss2",
    "libsystemd0", "libtasn1-6", "libtirpc*", "libudev1", "libunistring*", "libxxhash0",
)  # fmt: skip
# Parts of the interpreter that install, draw, test, or speak to services of the last century.
STDLIB_PARTS = (
    "config-*", "distutils", "ensurepip", "idlelib", "lib-dynload/_dbm.*", "lib-dynload/_gdbm.*",
    "lib-dynload/_tkinter.*", "lib-dynload/nis.*", "lib2to3", "msilib", "pydoc_data", "test",
    "tkinter", "turtledemo",
)  # fmt: skip
FOLDERS = (
    "/etc/apt", "/etc/cron.d", "/etc/cron.daily", "/etc/dpkg", "/etc/logrotate.d", "/etc/pam.d",
    "/etc/skel", "/root/.cache", "/usr/include", "/usr/local/include", "/usr/lib/apt",
    "/usr/lib/dpkg", "/usr/libexec/dpkg", "/usr/share/info", "/usr/share/lintian",
    "/usr/share/locale", "/usr/share/man", "/usr/share/pixmaps", "/usr/share/python-wheels",
    "/usr/lib/python3/dist-packages", "/usr/share/zoneinfo/posix", "/usr/share/zoneinfo/right",
    "/var/cache", "/var/lib/apt", "/var/log",
)  # fmt: skip
USER = "regatta:x:10001:10001::/tmp:/usr/sbin/nologin\n"


def main() -> int:
    """Remove what is not needed, add the user, compile the standard library."""
    if not ctypes.util.find_library("gomp"):  # LightGBM links to it and does not bring it
        subprocess.run(["apt-get", "update"], check=True)
        install = ["apt-get", "install", "-y", "--no-install-recommends", "libgomp1"]
        subprocess.run(install, check=True)
    remove_parts()
    remove_packages()
    remove_files()
    for path in files("/"):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            path.chmod(stat.S_IMODE(mode) & 0o777)
    with open("/etc/passwd", "a") as users, open("/etc/group", "a") as groups:
        users.write(USER)
        groups.write("regatta:x:10001:\n")
    # A read-only file system cannot keep what the interpreter would compile at each start.
    # Without columns in tracebacks it is a fifth smaller.
    compiled = [sys.executable, "-X", "no_debug_ranges", "-m", "compileall", "-qf"]
    subprocess.run([*compiled, "--invalidation-mode", "unchecked-hash", STDLIB], check=False)
    return check()


def remove_parts() -> None:
    """Remove parts of the standard library, which may be all that a library is for."""
    for path in (path for pattern in STDLIB_PARTS for path in STDLIB.glob(pattern)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def remove_packages() -> None:
    """Remove packages from the disk and from the list of packages."""
    if not STATUS.is_file():
        return
    stanzas = STATUS.read_text(encoding="utf-8").strip().split("\n\n")
    names = [re.match(r"Package: (.+)", stanza).group(1) for stanza in stanzas]  # type: ignore[union-attr]
    gone = {name for name in names if matches(name, GONE)}
    unused = {name for name in names if matches(name, UNUSED)}
    for name in gone:
        remove(name)
    mine = {name: owned(name) for name in unused}
    others = set(files("/usr", "/opt")) - set().union(*mine.values())
    wanted = linked(path for path in others if is_program(path))
    gone |= {name for name, paths in mine.items() if not paths & wanted}
    for name in gone & unused:
        remove(name)
    kept = [stanza for name, stanza in zip(names, stanzas, strict=True) if name not in gone]
    STATUS.write_text("\n\n".join(kept) + "\n", encoding="utf-8")


def remove_files() -> None:
    """Remove what belongs to no package, or to one that stays."""
    for name in FOLDERS:
        shutil.rmtree(name, ignore_errors=True)
    site = Path(sysconfig.get_path("purelib"))
    for path in site.iterdir() if site.is_dir() else ():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    patterns = ("pip*", "wheel*", "idle*", "2to3*", "pydoc*", "python*-config", "py3*")
    for path in (p for pattern in patterns for p in Path("/usr/local/bin").glob(pattern)):
        path.unlink()
    for path in Path("/var/lib/dpkg").glob("*"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path != STATUS:
            path.unlink()
    # Licences stay. Converters between encodings of the last century are not Python's.
    for path in files("/usr/share/doc"):
        if path.name != "copyright" and not path.is_symlink():
            path.unlink()
    for folder in Path("/usr/lib").glob("*-linux-gnu*/gconv"):
        shutil.rmtree(folder)
    for path in files("/usr/lib", "/usr/local/lib"):
        if path.name.startswith("libpython") and path.suffix == ".a":
            path.unlink()


def check() -> int:
    """Return 1 if a program that stays lacks a library, 0 if all is well."""
    for path in files("/usr/bin", "/usr/local/bin", STDLIB):
        if is_program(path):
            said = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
            if "not found" in said:
                sys.stderr.write(f"system.py: {path} lacks a library that was removed:\n{said}\n")
                return 1
    return 0


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Return whether one of the patterns fits a name."""
    return any(fnmatch(name, pattern) for pattern in patterns)


def remove(package: str) -> None:
    """Remove the files of a package."""
    for path in owned(package):
        path.unlink(missing_ok=True)


def owned(package: str) -> set[Path]:
    """Return the files of a package, by their real folders."""
    found: set[Path] = set()
    for listing in (*INFO.glob(f"{package}.list"), *INFO.glob(f"{package}:*.list")):
        for line in listing.read_text(encoding="utf-8").splitlines():
            path = Path(os.path.realpath(os.path.dirname(line)), os.path.basename(line))
            if path.name and not path.is_dir():  # /bin is a link to a folder, and not theirs
                found.add(path)
    return found


def linked(programs: Iterator[Path]) -> set[Path]:
    """Return the libraries that programs link to, and the links by which they are found."""
    found: set[Path] = set()
    for program in programs:
        said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
        for name in re.findall(r"(/\S+) \(0x", said.stdout):
            folder = os.path.realpath(os.path.dirname(name))
            found |= {Path(folder, os.path.basename(name)), Path(os.path.realpath(name))}
    return found


def is_program(path: Path) -> bool:
    """Return whether a file is a program or a library."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def files(*folders: str | Path) -> Iterator[Path]:
    """Yield all files below folders of this file system, links as themselves."""
    for top in folders:
        device = os.lstat("/").st_dev
        for folder, names, found in os.walk(top):
            names[:] = [n for n in names if os.lstat(os.path.join(folder, n)).st_dev == device]
            yield from (Path(folder, name) for name in found)


if __name__ == "__main__":
    sys.exit(main())

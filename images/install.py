"""Install into /opt/regatta and put what came new into a folder, which becomes one layer.

``install.py requirements.txt|regatta.whl FOLDER`` runs in the builder stage of an image, so that
neither pip nor what it leaves behind is in the image. Images share the layers of the base, and
each adds what is its own.
"""

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

VENV = Path("/opt/regatta")
PYTHON = VENV / "bin" / "python"
TOOL = Path("/tmp/tool")
WHEELS = Path("/wheels")
# Modules that must be importable; they are compiled ahead, with all that they import.
IMPORTS = Path("/build/imports.txt")

# What only tests and compilers read.
FOLDERS = ("tests", "include")
SUFFIXES = (".a", ".c", ".cc", ".cpp", ".h", ".hpp", ".pxd", ".pxi", ".pyi", ".pyx", ".tp")
# Arrow's clients of other servers and the second and third name of its library; sample data; and
# modules that only tests, compilers or nobody imports.
PARTS = (
    "joblib/test", "numpy/_core/_simd.*.so", "numpy/distutils", "pyarrow/*flight*", "pyarrow/*s3*",
    "pyarrow/_azurefs*", "pyarrow/_gcsfs*", "pyarrow/_hdfs*", "pyarrow/_pyarrow_cpp_tests*",
    "pyarrow/_parquet_encryption*", "pyarrow/libarrow_python*.so", "pyarrow/src",
    "pyarrow/libarrow_python*.so.*.*", "pyarrow/libarrow_python_parquet_encryption*",
    "scipy/io/_fast_matrix_market", "scipy/odr",
    "sklearn/datasets/data", "sklearn/datasets/images", "sklearn/datasets/descr",
)  # fmt: skip


def main(what: str, new: str) -> int:
    """Install a requirements file or a wheel."""
    before: set[Path] = set()
    if VENV.is_dir():
        before = files()
    else:
        # It finds the interpreter in the final stage too: that comes from the same image.
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", VENV], check=True)
        for path in VENV.glob("bin/[Aa]ctivate*"):
            path.unlink()
    install(what)
    prune()
    for path in files() - before:
        if ".so" in path.name and not path.is_symlink():
            strip(path)
    compile_ahead(what, files() - before)
    for path in sorted(files() - before):
        copied = Path(new, path.relative_to(VENV))
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copied, follow_symlinks=False)
    # Times are no content: the same lock gives the same layer.
    for folder, names, found in os.walk(new):
        for name in (".", *names, *found):
            os.utime(os.path.join(folder, name), (0, 0), follow_symlinks=False)
    return 0


def install(what: str) -> None:
    """Run pip, which lives outside of what becomes the image."""
    if not TOOL.is_dir():
        subprocess.run([sys.executable, "-m", "venv", TOOL], check=True)
    command: list[str | Path] = [
        TOOL / "bin" / "pip",
        "--quiet",
        "--disable-pip-version-check",
        "--no-cache-dir",
    ]
    command += ["--python", PYTHON, "install", "--no-deps", "--no-compile"]
    if what.endswith(".whl"):
        command += ["--no-index", what]
    else:
        command += ["--only-binary", ":all:", "--require-hashes", "--requirement", what]
        if any(WHEELS.glob("*.whl")):  # what the builder was given spares it the network
            command += ["--no-index", "--find-links", WHEELS]
    subprocess.run(command, check=True)


def prune() -> None:
    """Remove what no image reads."""
    site = next(VENV.glob("lib/python3*/site-packages"))
    for folder, names, found in os.walk(site):
        for name in (name for name in names if name in FOLDERS):
            shutil.rmtree(Path(folder, name))
        names[:] = [name for name in names if name not in FOLDERS]
        for name in (name for name in found if name.endswith(SUFFIXES)):
            Path(folder, name).unlink()
    for path in (path for pattern in PARTS for path in site.glob(pattern)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)  # two patterns may name it


def strip(path: Path) -> None:
    """Cut what only debuggers read off the end of a library: symbols and section headers.

    The loader reads nothing behind the last segment that the program headers name. A library
    whose segments reach to its end stays as it is.
    """
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":  # 64 bits, little-endian
        return
    (start,) = struct.unpack_from("<Q", data, 0x20)
    size, count = struct.unpack_from("<HH", data, 0x36)
    end = start + size * count
    for header in range(start, end, size):
        (offset,) = struct.unpack_from("<Q", data, header + 8)
        (length,) = struct.unpack_from("<Q", data, header + 32)
        end = max(end, offset + length)
    if end < len(data):
        kept = bytearray(data[:end])
        struct.pack_into("<Q", kept, 0x28, 0)
        struct.pack_into("<HH", kept, 0x3C, 0, 0)
        path.write_bytes(kept)


def compile_ahead(what: str, new: Iterable[Path]) -> None:
    """Compile modules, because a read-only file system could not keep what a start compiles."""
    chosen = [path for path in new if path.suffix == ".py"]
    if not what.endswith(".whl"):
        script = (
            "import importlib, sys\n"
            "for name in sys.stdin.read().split(): importlib.import_module(name)\n"
            "print(*(m.__file__ for m in list(sys.modules.values())"
            " if str(getattr(m, '__file__', None)).endswith('.py')), sep='\\n')\n"
        )
        names = IMPORTS.read_text(encoding="utf-8")
        said = subprocess.run(
            [PYTHON, "-B", "-c", script],
            input=names,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "_KFP_RUNTIME": "true"},  # as in a pod: without its compiler
        )
        if said.returncode:
            raise SystemExit(f"install.py: a module of {IMPORTS} is missing:\n{said.stderr}")
        chosen = [path for line in said.stdout.split("\n") if VENV in (path := Path(line)).parents]
    # Without columns in tracebacks it is a fifth smaller. Some files are templates, not Python.
    command: list[str | Path] = [
        PYTHON,
        "-X",
        "no_debug_ranges",
        "-m",
        "compileall",
        "-q",
        "-i",
        "-",
    ]
    command += ["--invalidation-mode", "unchecked-hash"]
    listed = "".join(f"{path}\n" for path in chosen if not _compiled(path))
    subprocess.run(command, input=listed, text=True, check=False)


def _compiled(path: Path) -> bool:
    return any(path.parent.glob(f"__pycache__/{path.stem}.cpython-*.pyc"))


def files() -> set[Path]:
    """Return all files of the environment, links as themselves."""
    found = set()
    for folder, names, plain in os.walk(VENV):
        paths = [Path(folder, name) for name in (*names, *plain)]
        found |= {path for path in paths if path.is_symlink() or not path.is_dir()}
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))

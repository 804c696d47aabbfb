"""Print how many bytes an image holds unpacked. `build.sh --sizes` runs it inside the image."""

import os
import sys


def unpacked_bytes(top: str = "/") -> int:
    """Return the bytes of all files below a folder, hard links once, other mounts left out."""
    device = os.lstat(top).st_dev
    seen = set()
    total = 0
    for folder, names, files in os.walk(top):
        names[:] = [
            name
            for name in names
            if os.path.ismount(os.path.join(folder, name)) is False
            and os.lstat(os.path.join(folder, name)).st_dev == device
        ]
        for name in files:
            found = os.lstat(os.path.join(folder, name))
            if found.st_dev == device and found.st_ino not in seen:
                seen.add(found.st_ino)
                total += found.st_size
    return total


if __name__ == "__main__":
    sys.stdout.write(f"{unpacked_bytes() / 1e6:8.1f} MB  {sys.argv[1]}\n")

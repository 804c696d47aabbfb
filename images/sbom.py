"""Write a bill of materials (CycloneDX 1.5, JSON) of the image that this runs in.

`build.sh --sbom` runs it inside the image with the image's name as argument. It needs the standard
library only, reads what is installed rather than what was asked for, and gives the same text for
the same image: no serial number, no time of its own.
"""

import json
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

STATUS = Path("/var/lib/dpkg/status")
RELEASE = Path("/etc/os-release")


def bill(image: str) -> dict[str, Any]:
    """Return the bill of materials of this image."""
    name, _, tag = image.rpartition(":")
    components = [*python_packages(), interpreter(), *system_packages()]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": image,
                "name": name or image,
                "version": tag,
            }
        },
        "components": sorted(components, key=lambda component: str(component["bom-ref"])),
    }


def python_packages() -> list[dict[str, Any]]:
    """Return the installed Python packages."""
    found = {}
    for package in metadata.distributions():
        name = re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower()
        purl = f"pkg:pypi/{name}@{quote(package.version)}"
        found[purl] = _component(purl, name, package.version, _license(package.metadata))
    return list(found.values())


def interpreter() -> dict[str, Any]:
    """Return the interpreter, which an image may hold without a package of the system."""
    version = platform.python_version()
    return _component(f"pkg:generic/python@{version}", "python", version, "PSF-2.0")


def system_packages() -> list[dict[str, Any]]:
    """Return the Debian packages that are listed as installed."""
    if not STATUS.is_file():
        return []
    system = dict(line.split("=", 1) for line in RELEASE.read_text().splitlines() if "=" in line)
    distro = f"{system.get('ID', 'debian')}-{system.get('VERSION_ID', '')}".replace('"', "")
    found = []
    for stanza in STATUS.read_text(encoding="utf-8").split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Architecture|Status): (.+)$", stanza, re.M))
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            purl = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='')}"
            purl += f"?arch={fields['Architecture']}&distro={distro}"
            found.append(_component(purl, name, version, ""))
    return found


def _component(purl: str, name: str, version: str, terms: str) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
    }
    if terms:
        component["licenses"] = [{"license": {"name": terms}}]
    return component


def _license(fields: Any) -> str:
    """Return what a package says of its licence: expression, short text or classifier."""
    if expression := fields.get("License-Expression"):
        return str(expression)
    text = str(fields.get("License") or "").strip()
    if text and "\n" not in text and len(text) < 80:
        return text
    said = [line for line in fields.get_all("Classifier") or () if line.startswith("License ::")]
    return said[0].rpartition(" :: ")[2] if said else ""


if __name__ == "__main__":
    json.dump(bill(sys.argv[1]), sys.stdout, indent=1, ensure_ascii=True)
    sys.stdout.write("\n")

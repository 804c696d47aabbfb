"""Where the components and pipelines are: beside the library in a checkout, inside if installed.

They are no part of the library, because Kubeflow Pipelines asks for modules of their own; the
wheel carries copies, so that an installed Regatta runs the same pipelines as a checkout.
"""

import sys
from pathlib import Path

import regatta
from regatta.errors import ArtifactError

__all__ = ["activate", "locate"]


def locate() -> Path:
    """Return the folder that holds ``components``, ``pipelines`` and ``images``.

    Raises
    ------
    ArtifactError
        There is none, because the installation is incomplete.
    """
    package = Path(regatta.__file__).parent
    for root in (package.parent.parent, package / "workflows"):
        if (root / "pipelines" / "train" / "pipeline.py").is_file():
            return root
    raise ArtifactError(
        f"the pipelines are neither in {str(package.parent.parent)!r} nor in the package",
        expected="pipelines/train/pipeline.py",
        fix="install regatta again, in its checkout: pip install --force-reinstall '.[local]'",
    )


def activate() -> Path:
    """Make ``components`` and ``pipelines`` importable, and return their folder."""
    root = locate()
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return root

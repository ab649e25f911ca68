"""An environment of pinned packages beside the one that runs, and a child in it.

Knows venv and pip. The child sees this checkout and its own packages, and nothing of this process.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
INSTALL_S, CHILD_S = 600.0, 600.0


def python_with(requirements: Path) -> Path:
    """Return the interpreter of an environment with those packages; made once for each text."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = ROOT / "build" / "environments" / f"{requirements.stem}-{digest}"
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--only-binary", ":all:", "--require-hashes", "--requirement", requirements]
        subprocess.run(command, check=True, timeout=INSTALL_S)
        stamp.touch()
    return python


def run(python: Path, module: str, arguments: Sequence[Path]) -> None:
    """Run a module of this checkout there; raises CalledProcessError if it fails."""
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run(
        [python, "-P", "-m", module, *arguments],
        check=True,
        env=environment,
        cwd=ROOT,
        timeout=CHILD_S,
    )

"""An environment of pinned packages beside the one that runs, and a child in it.

Knows venv and pip. The child sees this checkout and its own packages, and nothing of this process.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
INSTALL_S, CHILD_S = 600.0, 600.0
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def python_with(requirements: Path, *, from_source: Sequence[str] = ()) -> Path:
    """Return the interpreter of an environment with those packages; made once for each text.

    Args:
        requirements: all of them, what they depend on too, pinned by hash.
        from_source: names of those that have no wheels; the setuptools that is here makes them.

    Raises:
        CalledProcessError: pip refused one, or there is no network.
        TimeoutExpired: pip did not end in its time.
    """
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = ROOT / "build" / "environments" / f"{requirements.stem}-{digest}"
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        with tempfile.TemporaryDirectory() as wheels:
            command = [*PIP, "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
            command += ["--only-binary", ":all:"]
            for name in from_source:
                command += ["--no-binary", name]
            command += ["--require-hashes", "--requirement", str(requirements)]
            subprocess.run([*command, "--wheel-dir", wheels], check=True, timeout=INSTALL_S)
            command = [*PIP, "--python", str(python), "install", "--quiet", "--no-index"]
            command += ["--no-deps", *map(str, sorted(Path(wheels).iterdir()))]
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

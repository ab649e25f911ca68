"""The issuer that is nothing but openssl stands beside the library's own tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "emrtd"))

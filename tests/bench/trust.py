"""Importing a state's master list: processor time and memory for 588 country signers.

Needs the list that TRAM_TESTDATA names; without it there are no rows, and that is said.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.utils import CryptographyDeprecationWarning

from emrtd import TrustStore, master_list
from tests.bench.measure import median_cpu_ms, row
from tram.trust import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.measure import Row

VARIABLE = "TRAM_TESTDATA"
LIST = ("data", "csca", "DE_ML_2026-05-28.ml")
TIMES = 5
CANNOT = (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature)
LOADED = "cryptography reading the same certificates"
VERIFIED = "cryptography reading them, and verifying the roots that it can"
NOTHING = "the same process before it"
PEAK = """
import sys
from pathlib import Path
from emrtd import TrustStore
from tests.bench.chip_memory import memory_mib, reset_peak
from tram.trust import parts_of
before = reset_peak()
parts = list(parts_of(Path(sys.argv[1]).read_bytes()))
TrustStore([each.der for each in parts]).list()
print(before, memory_mib("VmHWM"))
"""


def rows() -> Iterator[Row]:
    """Measure what `tram trust import` and `tram trust list` compute."""
    path = Path(os.environ.get(VARIABLE, "")).joinpath(*LIST)
    if VARIABLE not in os.environ or not path.exists():
        print(f"{VARIABLE}: {'/'.join(LIST)} is absent", file=sys.stderr)
        return
    raw = path.read_bytes()
    certificates = master_list.parse(raw).certificates
    loaded = median_cpu_ms(lambda: _load(certificates), times=TIMES)
    verified = median_cpu_ms(lambda: _load(certificates, verify=True), times=TIMES)
    taken_apart = median_cpu_ms(lambda: list(parts_of(raw)), times=TIMES)
    judged = median_cpu_ms(lambda: TrustStore(certificates).list(), times=TIMES)
    yield row("trust_import_list", taken_apart, "ms", baseline=loaded, of=LOADED)
    yield row("trust_store_of_list", judged, "ms", baseline=verified, of=VERIFIED)
    before, peak = _memory_mib(path)
    yield row("trust_import_memory", peak, "MiB", baseline=before, of=NOTHING)


def _load(certificates: tuple[bytes, ...], *, verify: bool = False) -> None:
    """Load each and its key; cryptography fails on some of them, and warns of others."""
    for each in certificates:
        with contextlib.suppress(*CANNOT), warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            certificate = x509.load_der_x509_certificate(each)
            certificate.public_key()
            if verify and certificate.issuer == certificate.subject:
                certificate.verify_directly_issued_by(certificate)


def _memory_mib(path: Path) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True
    )
    before, peak = done.stdout.split()
    return float(before), float(peak)

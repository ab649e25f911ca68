from __future__ import annotations

import json
import subprocess
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_material import SINCE, UNTIL, make_pki, stream

from emrtd.errors import ChipMalformed
from emrtd.sim import CardImage, TestPKI

if TYPE_CHECKING:
    from pathlib import Path


def openssl(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["openssl", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def pem(path: Path, der: bytes) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    path.write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    return path.name


@pytest.fixture
def kept(pki: TestPKI, tmp_path: Path) -> Path:
    pem(tmp_path / "csca.pem", pki.csca.certificate)
    pem(tmp_path / "ds.pem", pki.signer.certificate)
    pem(tmp_path / "old.pem", pki.expired_signer.certificate)
    return tmp_path


def test_openssl_accepts_the_chain(kept: Path) -> None:
    assert openssl(kept, "verify", "-x509_strict", "-CAfile", "csca.pem", "ds.pem").returncode == 0


def test_openssl_finds_the_expired_signer_expired(kept: Path) -> None:
    done = openssl(kept, "verify", "-CAfile", "csca.pem", "old.pem")
    assert "certificate has expired" in done.stderr


def test_openssl_does_not_know_a_stranger(kept: Path) -> None:
    pem(kept / "stranger.pem", make_pki("stranger").signer.certificate)
    assert openssl(kept, "verify", "-CAfile", "csca.pem", "stranger.pem").returncode != 0


@pytest.mark.parametrize("changed", [None, -1, -90])
def test_openssl_verifies_the_security_object(
    kept: Path, card: CardImage, changed: int | None
) -> None:
    sod = bytearray(card.files["SOD"])
    assert sod[:2] == b"\x77\x82"
    if changed is not None:
        sod[changed] ^= 1
    (kept / "sod").write_bytes(sod[4:])
    done = openssl(
        kept, "cms", "-verify", "-inform", "DER", "-in", "sod", "-CAfile", "csca.pem",
        "-purpose", "any", "-out", "content",
    )  # fmt: skip
    assert (done.returncode == 0) == (changed is None)
    if changed is None:
        listed = openssl(kept, "asn1parse", "-inform", "DER", "-in", "content").stdout
        assert listed.count("OCTET STRING") == 5


@pytest.mark.parametrize("curve", ["P-256", "brainpoolP512r1", "P-521"])
def test_openssl_accepts_other_curves(tmp_path: Path, curve: str) -> None:
    pki = TestPKI.create(
        stream(curve), valid_from=SINCE, valid_until=UNTIL, csca_curve=curve, signer_curve=curve
    )
    pem(tmp_path / "csca.pem", pki.csca.certificate)
    pem(tmp_path / "ds.pem", pki.signer.certificate)
    assert openssl(tmp_path, "verify", "-CAfile", "csca.pem", "ds.pem").returncode == 0


def test_it_says_that_it_is_a_test(pki: TestPKI) -> None:
    csca = x509.load_der_x509_certificate(pki.csca.certificate)
    assert csca.subject.rfc4514_string() == "CN=Tram Test CSCA,O=Tram Test,C=VN"
    assert (csca.not_valid_before_utc, csca.not_valid_after_utc) == (SINCE, UNTIL)


def test_the_same_randomness_gives_the_same_pki(pki: TestPKI) -> None:
    assert make_pki() == pki
    assert make_pki("other") != pki


def test_it_survives_its_json(pki: TestPKI) -> None:
    assert TestPKI.from_json(pki.to_json()) == pki


def test_a_key_that_is_not_the_certificates_is_refused(pki: TestPKI) -> None:
    tree = json.loads(pki.to_json())
    tree["signer"]["key"] = tree["csca"]["key"]
    with pytest.raises(ChipMalformed):
        TestPKI.from_json(json.dumps(tree))


@pytest.mark.parametrize("cut", range(0, 1200, 37))
def test_a_cut_off_pki_is_refused(pki: TestPKI, cut: int) -> None:
    with pytest.raises(ChipMalformed):
        TestPKI.from_json(pki.to_json()[:cut])


@given(raw=st.one_of(st.binary(max_size=200), st.text(max_size=200)))
@settings(max_examples=100)
def test_any_bytes_are_refused(raw: bytes | str) -> None:
    with pytest.raises(ChipMalformed):
        TestPKI.from_json(raw)


def test_naive_instants_are_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        TestPKI.create(stream("x"), valid_from=datetime(2020, 1, 1), valid_until=UNTIL)  # noqa: DTZ001 - the point of it


def test_it_shows_no_key(pki: TestPKI) -> None:
    assert pki.csca.key.hex()[:20] not in repr(pki)

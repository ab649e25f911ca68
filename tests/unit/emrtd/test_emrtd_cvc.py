"""CV certificates: Germany's and BSI's, openpace's tools, and chains that must not hold."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import re
import shutil
import subprocess
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from cvc_issuer import (
    CVCA,
    DV,
    DV_NAME,
    FOREIGN_DV,
    IS,
    IS_NAME,
    ROOT,
    ROOT_NAME,
    TERMINAL,
    VERIFIER,
    Holder,
    bsi,
    certificate,
    openpace,
    root,
    terminal,
    tlv,
    unsigned,
    verifier,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from openssl_issuer import needs_openssl

from emrtd import cvc
from emrtd.cvc import (
    CVC,
    ECKey,
    Right,
    Role,
    RSAKey,
    TerminalKind,
    VerifiedTerminal,
    parse_cvc,
    path,
    reference,
    verify_chain,
)
from emrtd.errors import ChipLied, ChipMalformed, Fault

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs_openssl

DAY = date(2026, 6, 1)
needs_openpace = pytest.mark.skipif(
    not (shutil.which("cvc-create") and shutil.which("cvc-print")), reason="openpace's commands"
)


def chain() -> tuple[CVC, CVC]:
    return verifier(), terminal()


def refused(
    made: Any, trust_point: CVC, fault: Fault = Fault.SIGNATURE_INVALID, **facts: Any
) -> None:
    with pytest.raises(ChipLied) as caught:
        verify_chain(made, trust_point, **{"on": DAY} | facts)
    assert caught.value.fault is fault


# --- what holds


def test_a_chain_of_an_authority_a_verifier_and_an_inspection_system() -> None:
    found = verify_chain(chain(), root(), on=DAY)
    assert (found.holder, found.rights, found.chain) == (IS_NAME, 3, chain())
    found.check(TERMINAL.sign(b"challenge"), b"challenge")
    with pytest.raises(ChipLied):
        found.check(TERMINAL.sign(b"challenge"), b"another")
    with pytest.raises(ChipLied):
        found.check(VERIFIER.sign(b"challenge"), b"challenge")


def test_what_a_certificate_says() -> None:
    made = verifier(rights=1, role=FOREIGN_DV)
    assert (made.issuer, made.holder, made.kind) == (ROOT_NAME, DV_NAME, TerminalKind.INSPECTION)
    assert (made.role, made.rights) == (Role.FOREIGN_VERIFIER, Right.FINGERS)
    assert (made.effective, made.expires) == (date(2025, 1, 1), date(2027, 12, 31))
    assert made.body in made.raw
    assert (root().role, terminal().role) == (Role.AUTHORITY, Role.TERMINAL)
    assert "key" not in repr(made)


def test_rights_are_those_of_the_whole_chain() -> None:
    first, second = verifier(rights=Right.FINGERS), terminal(rights=3)
    assert verify_chain((first, second), root(), on=DAY).rights == Right.FINGERS
    assert verify_chain((first, second), root(rights=2), on=DAY).rights == 0
    assert verify_chain((verifier(), terminal(rights=2)), root(), on=DAY).rights == Right.IRIS


@pytest.mark.parametrize("role", [DV, FOREIGN_DV])
def test_a_verifier_may_be_of_either_kind(role: int) -> None:
    assert verify_chain((verifier(role=role), terminal()), root(), on=DAY).holder == IS_NAME


@pytest.mark.parametrize("curve", [
    "prime192v1", "secp224r1", "prime256v1", "secp384r1", "secp521r1", "brainpoolP192r1",
    "brainpoolP224r1", "brainpoolP256r1", "brainpoolP320r1", "brainpoolP384r1", "brainpoolP512r1",
])  # fmt: skip
def test_every_curve_by_openssls_signatures(curve: str) -> None:
    one, two, three = (Holder(f"ec:{curve}", at=at) for at in (511, 512, 513))
    made = (verifier(one, two), terminal(two, three))
    assert verify_chain(made, root(one), on=DAY).holder == IS_NAME
    refused((verifier(one, two), terminal(one, three)), root(one))


@pytest.mark.parametrize("md", ["sha1", "sha224", "sha256", "sha384", "sha512"])
def test_every_digest_of_ecdsa(md: str) -> None:
    one, two, three = (Holder(md=md, at=at) for at in (521, 522, 523))
    made, point = (verifier(one, two), terminal(two, three)), root(one)
    assert verify_chain(made, point, on=DAY, allow_sha1=True).key == dataclasses.replace(
        made[1].key,
        curve=point.key.curve,  # type: ignore[union-attr, call-arg] # on a curve
    )
    if md == "sha1":
        refused(made, point)
    else:
        verify_chain(made, point, on=DAY)


@pytest.mark.parametrize("padding", ["pkcs1", "pss"])
@pytest.mark.parametrize("md", ["sha1", "sha256", "sha512"])
def test_every_scheme_of_rsa(padding: str, md: str) -> None:
    one, two, three = (Holder("rsa:2048", md, padding, at) for at in (531, 532, 533))
    made, point = (verifier(one, two), terminal(two, three)), root(one)
    found = verify_chain(made, point, on=DAY, allow_sha1=True)
    found.check(three.sign(b"x"), b"x")
    other = "pss" if padding == "pkcs1" else "pkcs1"
    with pytest.raises(ChipLied):
        found.check(Holder("rsa:2048", md, other, 533).sign(b"x"), b"x")
    if md == "sha1":
        refused(made, point)


def test_a_link_leads_from_an_older_key_that_ran_out() -> None:
    new, name = Holder(at=541), "VNCVCA00002"
    old = root(expires="260131")
    link = parse_cvc(
        certificate(ROOT, new, car=ROOT_NAME, chr_=name, role=CVCA, effective="260101")
    )
    first = verifier(new, VERIFIER, car=name, effective="260201")
    assert verify_chain((link, first, terminal(effective="260301")), old, on=DAY).rights == 3
    refused((first, terminal(effective="260301")), old)  # a gap
    late = parse_cvc(
        certificate(ROOT, new, car=ROOT_NAME, chr_=name, role=CVCA, effective="260201")
    )
    refused((late, first, terminal(effective="260301")), old, Fault.SIGNER_EXPIRED)


def test_a_link_may_leave_the_domain_parameters_as_they_were() -> None:
    new, name = Holder(at=541), "VNCVCA00002"
    link = parse_cvc(certificate(ROOT, new, car=ROOT_NAME, chr_=name, role=CVCA, domain=False))
    assert verify_chain((link, verifier(new, VERIFIER, car=name), terminal()), root(), on=DAY)


def test_a_trust_point_may_be_a_link_itself() -> None:
    older = Holder(at=551)
    link = parse_cvc(certificate(older, ROOT, car="VNCVCA00000", chr_=ROOT_NAME, role=CVCA))
    assert verify_chain(chain(), link, on=DAY).holder == IS_NAME


# --- what must not hold


def test_a_chain_by_another_key() -> None:
    other = Holder(at=561)
    refused(chain(), root(other))  # the authority's name, and its own key
    refused((verifier(other), terminal()), root())
    refused((verifier(), terminal(other)), root())


def test_a_gap_in_the_chain() -> None:
    refused((terminal(),), root())
    refused((verifier(car="VNCVCA00009"), terminal()), root())
    refused((verifier(), terminal(car="VNDV00009")), root())
    refused((terminal(), verifier()), root())
    refused((), root())
    refused((verifier(),), root())
    refused((*[verifier()] * 8, terminal()), root())


def test_a_terminal_does_not_issue() -> None:
    """Role escalation: a terminal that signs itself a second certificate, or a verifier's."""
    below = terminal(TERMINAL, Holder(at=571), car=IS_NAME, chr_="VNIS00002")
    refused((*chain(), below), root())
    promoted = terminal(TERMINAL, Holder(at=571), car=IS_NAME, chr_=DV_NAME, role=DV)
    refused((*chain(), promoted, terminal(Holder(at=571))), root())


def test_a_verifier_does_not_issue_verifiers_or_authorities() -> None:
    for role in (DV, FOREIGN_DV, CVCA):
        second = verifier(VERIFIER, Holder(at=572), car=DV_NAME, chr_="VNDV00002", role=role)
        refused((verifier(), second, terminal(Holder(at=572), car="VNDV00002")), root())


def test_an_authority_does_not_issue_terminals() -> None:
    refused((terminal(ROOT, car=ROOT_NAME),), root())


def test_the_trust_point_is_an_authority_for_this_kind() -> None:
    refused(chain(), verifier(ROOT, ROOT, chr_=ROOT_NAME))
    refused(chain(), root(kind="3"))
    refused((verifier(), terminal(kind="3")), root())
    refused((verifier(kind="3"), terminal(kind="3")), root())
    signing = (verifier(kind="3"), terminal(kind="3"))
    refused(signing, root(kind="3"))
    verify_chain(signing, root(kind="3"), on=DAY, kind=TerminalKind.SIGNATURE)


def test_a_damaged_trust_point_is_found() -> None:
    made = parse_cvc(certificate(Holder(at=581), ROOT, car=ROOT_NAME, chr_=ROOT_NAME, role=CVCA))
    refused(chain(), made)


@pytest.mark.parametrize("on", [date(2024, 12, 31), date(2028, 1, 1)])
def test_out_of_the_validity_of_all(on: date) -> None:
    refused(chain(), root(), Fault.SIGNER_EXPIRED, on=on)


@pytest.mark.parametrize("on", [date(2025, 1, 1), date(2027, 12, 31)])
def test_both_ends_are_within(on: date) -> None:
    assert verify_chain(chain(), root(), on=on).holder == IS_NAME


def test_each_of_the_chain_must_be_valid_on_the_day() -> None:
    for made, point in (
        ((verifier(), terminal(expires="260531")), root()),
        ((verifier(), terminal(effective="260602")), root()),
        ((verifier(expires="260531"), terminal()), root()),
        ((verifier(), terminal()), root(expires="260531")),
        ((verifier(effective="260602"), terminal(effective="260602")), root()),
        ((verifier(effective="260102"), terminal()), root()),  # older than its issuer
        ((verifier(expires="260102"), terminal(effective="260103")), root()),
        ((verifier(effective="241231"), terminal()), root()),
    ):
        refused(made, point, Fault.SIGNER_EXPIRED)


def test_a_changed_bit_anywhere_in_the_body_breaks_the_chain() -> None:
    raw = terminal().raw
    start = raw.index(terminal().body)
    for at in range(start + 8, start + len(terminal().body), 5):
        changed = raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]
        try:
            made = parse_cvc(changed)
        except ChipMalformed:
            continue
        with pytest.raises((ChipLied, ChipMalformed)):
            verify_chain((verifier(), made), root(), on=DAY)


def test_domain_parameters_are_the_authoritys() -> None:
    """A verifier with a curve of its own may not bring it, nor may a terminal."""
    for role, car in ((DV, ROOT_NAME), (IS, DV_NAME)):
        with pytest.raises(ChipMalformed):
            parse_cvc(certificate(ROOT, VERIFIER, car=car, chr_=DV_NAME, role=role, domain=True))
    bare = parse_cvc(
        certificate(ROOT, ROOT, car=ROOT_NAME, chr_=ROOT_NAME, role=CVCA, domain=False)
    )
    with pytest.raises(ChipMalformed, match="domain parameters"):
        verify_chain(chain(), bare, on=DAY)
    rsa = Holder("rsa:2048", at=531)
    with pytest.raises(ChipMalformed, match="domain parameters"):
        verify_chain((verifier(rsa, VERIFIER), terminal()), root(rsa), on=DAY)
    other = Holder("ec:prime256v1", at=591)
    with pytest.raises(ChipMalformed, match="not on its curve"):
        verify_chain((verifier(ROOT, other), terminal(other)), root(), on=DAY)


def test_signatures_of_another_form_are_none() -> None:
    found = verify_chain(chain(), root(), on=DAY)
    plain = TERMINAL.sign(b"x")
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    r, s = int.from_bytes(plain[:32], "big"), int.from_bytes(plain[32:], "big")
    for signature in (
        b"", plain[:-1], plain + b"\0", encode_dss_signature(r, s), bytes(64), b"\xff" * 64,
        plain[32:] + plain[:32],
    ):  # fmt: skip
        with pytest.raises(ChipLied):
            found.check(signature, b"x")


def test_nobody_else_makes_a_verified_terminal() -> None:
    found = verify_chain(chain(), root(), on=DAY)
    for seal in ({}, {"seal": None}, {"seal": object()}):
        with pytest.raises(TypeError, match="only verify_chain"):
            VerifiedTerminal(found.chain, found.key, 3, **seal)
    for copying in (copy.copy, copy.deepcopy, pickle.dumps, dataclasses.replace):
        with pytest.raises(TypeError):
            copying(found)


# --- which certificates lead to a terminal


def test_a_path_is_found_in_any_order() -> None:
    stranger = verifier(chr_="VNDV00007")
    for order in ((terminal(), stranger, verifier()), (verifier(), terminal(), stranger)):
        assert path(order, known=(ROOT_NAME,)) == chain()
    assert path(chain(), known=("VNCVCA00009",)) == ()
    assert path((), known=(ROOT_NAME,)) == ()
    assert path((verifier(),), known=(ROOT_NAME,)) == ()


def test_the_shortest_path_is_taken() -> None:
    new, name = Holder(at=541), "VNCVCA00002"
    link = parse_cvc(certificate(ROOT, new, car=ROOT_NAME, chr_=name, role=CVCA))
    first = verifier(new, VERIFIER, car=name)
    made = (terminal(), first, link)
    assert path(made, known=(ROOT_NAME, name)) == (first, terminal())
    assert path(made, known=(ROOT_NAME,)) == (link, first, terminal())


def test_a_circle_ends() -> None:
    one = verifier(car="VNDV00002", chr_=DV_NAME)
    two = verifier(car=DV_NAME, chr_="VNDV00002")
    assert path((one, two, terminal()), known=(ROOT_NAME,)) == ()
    many = [verifier(car=DV_NAME, expires=f"2712{at:02}") for at in range(1, 32)]
    assert path((*many, terminal()), known=(ROOT_NAME,)) == ()


# --- what others made


@pytest.mark.testdata
def test_germanys_certificates_are_read() -> None:
    made = {name: raw for name, raw in openpace().items() if raw[:2] == b"\x7f\x21"}
    requests = {"MY_cvreq", "req_18102010_csr"}
    assert len(made) == 21
    for name, raw in made.items():
        if name in requests:
            with pytest.raises(ChipMalformed):
                parse_cvc(raw)
        else:
            assert parse_cvc(raw).kind is TerminalKind.AUTHENTICATION
    dv, kba = parse_cvc(made["kba_dvca_cert_2"]), parse_cvc(made["kba_cert_2"])
    assert (dv.role, dv.holder, kba.issuer) == (
        Role.FOREIGN_VERIFIER, "DEDVeIDDTR101401", "DEDVeIDDTR101401",
    )  # fmt: skip


@pytest.mark.testdata
@pytest.mark.parametrize("name", ["kba_cert_2", "kba_cert_3", "schufa_cert", "allianz_cert"])
def test_germanys_terminals_are_signed_by_their_verifier(name: str) -> None:
    """The authority's certificate is not at hand; its curve is known from the lengths."""
    import ecdsa

    made = openpace(name, "kba_dvca_cert_2")
    dv, terminal_ = parse_cvc(made["kba_dvca_cert_2"]), parse_cvc(made[name])
    assert isinstance(dv.key, ECKey)
    issuer = ECKey(dv.key.digest, ecdsa.BRAINPOOLP256r1, dv.key.point)
    cvc._check(cvc._with_curve(dv.key, issuer), terminal_.signature, terminal_.body, doing="x")
    with pytest.raises(ChipLied):
        cvc._check(issuer, terminal_.signature, terminal_.body + b"\0", doing="x")


@pytest.mark.testdata
@pytest.mark.parametrize(("name", "top"), [("bsi_eac2_ecdh", "cvca_cert"), ("bsi_eac2_dh", "cvca")])
def test_bsis_worked_chain_holds_link_by_link(name: str, top: str) -> None:
    """BSI's authority is for inspection systems and its terminal is not: no whole chain."""
    fields = bsi(name)
    point, dv, terminal_ = (parse_cvc(fields[each]) for each in (top, "dv_cert", "ta_cert"))
    cvc._check_issued(point, cvc._with_curve(point.key, None), allow_sha1=True)
    authority = dataclasses.replace(point, kind=TerminalKind.AUTHENTICATION)
    found = verify_chain(
        (dv, terminal_), authority, on=dv.effective, kind=TerminalKind.AUTHENTICATION,
        allow_sha1=True,
    )  # fmt: skip
    assert found.holder == "DETESTATDE019"
    refused((dv, terminal_), point, on=dv.effective, allow_sha1=True)
    refused((dv, terminal_), authority, Fault.SIGNER_EXPIRED, on=DAY, allow_sha1=True,
            kind=TerminalKind.AUTHENTICATION)  # fmt: skip
    assert isinstance(found.key, RSAKey if name.endswith("_dh") else ECKey)


SCHEMES = [
    ("ECDSA_SHA_1", "brainpoolP256r1"), ("ECDSA_SHA_224", "secp224r1"),
    ("ECDSA_SHA_256", "prime256v1"), ("ECDSA_SHA_384", "brainpoolP384r1"),
    ("ECDSA_SHA_512", "brainpoolP512r1"), ("RSA_v1_5_SHA_1", None), ("RSA_v1_5_SHA_256", None),
    ("RSA_v1_5_SHA_512", None), ("RSA_PSS_SHA_1", None), ("RSA_PSS_SHA_256", None),
    ("RSA_PSS_SHA_512", None),
]  # fmt: skip


@needs_openpace
@pytest.mark.parametrize(("scheme", "curve"), SCHEMES)
def test_chains_that_openpace_makes(scheme: str, curve: str | None, tmp_path: Path) -> None:
    kind = f"ec:{curve}" if curve else "rsa:2048"
    for name, at in (("cvca", 601), ("dv", 602), ("is", 603)):
        _pkcs8(tmp_path / f"{name}.key", Holder(kind, at=at).private)

    def create(name: str, role: str, chr_: str, issuer: str | None) -> CVC:
        arguments = ["cvc-create", f"--role={role}", "--type=is", f"--chr={chr_}",
                     "--issued=250101", "--expires=271231", f"--scheme={scheme}",
                     f"--key={name}.key", f"--sign-with={issuer or name}.key",
                     f"--out-cert={name}.cvc", "--read-finger"]  # fmt: skip
        if issuer:
            arguments.append(f"--sign-as={issuer}.cvc")
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, check=False, timeout=30)
        assert done.returncode == 0, done.stderr
        return parse_cvc((tmp_path / f"{name}.cvc").read_bytes())

    point = create("cvca", "cvca", ROOT_NAME, None)
    made = (
        create("dv", "dv_domestic", DV_NAME, "cvca"), create("is", "terminal", IS_NAME, "dv"),
    )  # fmt: skip
    found = verify_chain(made, point, on=DAY, allow_sha1=True)
    assert (found.holder, found.rights & Right.FINGERS) == (IS_NAME, Right.FINGERS)
    if scheme.endswith("SHA_1"):
        refused(made, point)
    refused((made[0], dataclasses.replace(made[1], body=made[1].body + b"\0")), point,
            allow_sha1=True)  # fmt: skip


def _pkcs8(where: Path, pem: bytes) -> None:
    from openssl_issuer import openssl

    where.write_bytes(openssl("pkcs8", "-topk8", "-nocrypt", "-in", "k", "-outform", "DER", k=pem))


@needs_openpace
def test_openpace_reads_ours_as_we_do(tmp_path: Path) -> None:
    for made in (root(), verifier(), terminal(), verifier(role=FOREIGN_DV, rights=1)):
        (tmp_path / "made").write_bytes(made.raw)
        done = subprocess.run(
            ["cvc-print", "--cvc=made"], cwd=tmp_path, capture_output=True, check=False, timeout=30
        )
        text = done.stdout.decode("latin-1")
        assert re.search(r"CAR: (\S+)", text).group(1) == made.issuer  # type: ignore[union-attr] # there
        assert re.search(r"CHR: (\S+)", text).group(1) == made.holder  # type: ignore[union-attr] # there
        assert f"Effective Date: {made.effective}" in text
        assert f"Expiration Date: {made.expires}" in text
        assert "Inspection system" in text


# --- the parser


BASE: dict[str, Any] = {"car": ROOT_NAME, "chr_": DV_NAME, "role": DV}


def malformed(**changed: Any) -> None:
    with pytest.raises(ChipMalformed):
        parse_cvc(certificate(ROOT, VERIFIER, **BASE | changed))


def test_extensions_are_kept_signed_and_skipped() -> None:
    known = tlv("65", tlv("73", tlv("06", b"\1") + tlv("80", b"x")))
    assert parse_cvc(certificate(ROOT, VERIFIER, **BASE, extensions=known)).holder == DV_NAME
    malformed(extensions=tlv("65", tlv("74", b"")))
    malformed(extensions=known + known)
    malformed(extensions=tlv("66", b""))


@pytest.mark.parametrize(
    "changed",
    [
        {"t5F29": tlv("5F29", b"\1")},
        {"t5F29": tlv("5F29", b"")},
        {"t5F29": b""},
        {"t42": tlv("42", b"VN00001")},
        {"t42": tlv("42", b"VN" + b"x" * 10 + b"00001")},
        {"t42": tlv("42", b"vnCVCA00001")},
        {"t42": tlv("42", b"V1CVCA00001")},
        {"t42": tlv("42", b"VNCVCA0000-")},
        {"t42": tlv("42", b"VNCV\n00001")},
        {"t5F20": tlv("5F20", b"")},
        {"t7F4C": tlv("7F4C", tlv("06", bytes.fromhex("04007F000703010204")) + tlv("53", b"\x80"))},
        {"t7F4C": tlv("7F4C", tlv("06", bytes.fromhex("04007F000703010201")) + tlv("53", b"\0\0"))},
        {"t7F4C": tlv("7F4C", tlv("06", bytes.fromhex("04007F000703010201")) + tlv("53", b""))},
        {"t7F4C": tlv("7F4C", tlv("53", b"\x80"))},
        {"t5F25": tlv("5F25", bytes(6))},
        {"t5F25": tlv("5F25", b"250101")},  # digits as text
        {"t5F25": tlv("5F25", bytes((2, 5, 0, 2, 3, 0)))},
        {"t5F25": tlv("5F25", bytes((2, 5, 0, 2, 3)))},
        {"t5F25": tlv("5F25", b"")},
        {"t5F24": tlv("5F24", bytes((2, 4, 0, 1, 0, 1)))},  # over before it begins
        {"t7F49": tlv("7F49", b"")},
        {"t7F49": tlv("7F49", tlv("06", b"\1\2\3"))},
        {"t7F49": TERMINAL.key_object(domain=False).replace(b"\2\2\2\2\3", b"\2\2\2\2\6")},
        {"t7F49": TERMINAL.key_object(domain=False).replace(b"\x86\x41\x04", b"\x86\x41\x02")},
        {"t7F49": tlv("7F49", tlv("06", bytes.fromhex("04007F00070202020203"))
                      + tlv("86", b"\4" + bytes(65)))},
        {"t7F49": tlv("7F49", tlv("06", bytes.fromhex("04007F00070202020203"))
                      + tlv("86", b"\4" + bytes(134)))},
        {"t7F49": tlv("7F49", tlv("06", bytes.fromhex("04007F00070202020203"))
                      + tlv("87", b"\4" + bytes(64)))},
    ],
    ids=range(27),
)  # fmt: skip
def test_a_field_of_another_form_is_none(changed: dict[str, bytes]) -> None:
    malformed(**changed)


def test_fields_have_one_order() -> None:
    made = verifier().raw
    swapped = certificate(
        ROOT, VERIFIER, **BASE, t5F25=tlv("5F24", bytes((2, 7, 0, 1, 0, 1))),
        t5F24=tlv("5F25", bytes((2, 5, 0, 1, 0, 1))),
    )  # fmt: skip
    with pytest.raises(ChipMalformed):
        parse_cvc(swapped)
    for trailing in (made + b"\0", made + made, made[:-1], b"", tlv("7F21", b"")):
        with pytest.raises(ChipMalformed):
            parse_cvc(trailing)


def test_lengths_have_one_form_but_the_outermost() -> None:
    """What is signed has one encoding; one country's outermost length was longer than need be."""
    made = verifier()
    inside = made.raw[3:] if made.raw[2] < 0x80 else made.raw[3 + (made.raw[2] & 0x7F) :]
    outer = b"\x7f\x21\x83" + len(inside).to_bytes(3, "big") + inside
    assert parse_cvc(outer).body == made.body
    content = made.body[3:] if made.body[2] < 0x80 else made.body[3 + (made.body[2] & 0x7F) :]
    long_body = b"\x7f\x4e\x83" + len(content).to_bytes(3, "big") + content
    with pytest.raises(ChipMalformed):
        parse_cvc(tlv("7F21", long_body + tlv("5F37", made.signature)))
    with pytest.raises(ChipMalformed):
        parse_cvc(certificate(ROOT, VERIFIER, **BASE, t5F29=b"\x5f\x29\x81\x01\x00"))


def test_an_empty_signature_is_none() -> None:
    with pytest.raises(ChipMalformed):
        parse_cvc(tlv("7F21", verifier().body + tlv("5F37", b"")))


@pytest.mark.parametrize(
    ("modulus", "exponent"),
    [
        (b"\0" + b"\xff" * 128, b"\1\0\1"),
        (b"\xff" * 128, b"\0\1\0\1"),
        (b"\xff" * 127, b"\1\0\1"),
        (b"\xff" * 513, b"\1\0\1"),
        (b"\xff" * 128, b"\1" * 9),
        (b"\xff" * 128, b""),
        (b"\xff" * 128, b"\2"),
        (b"\xfe" * 128, b"\1\0\1"),
        (b"", b"\3"),
    ],
)
def test_an_rsa_key_out_of_bounds_is_none(modulus: bytes, exponent: bytes) -> None:
    fields = tlv("06", bytes.fromhex("04007F00070202020102"))
    malformed(t7F49=tlv("7F49", fields + tlv("81", modulus) + tlv("82", exponent)))


def domain_with(**changed: bytes) -> bytes:
    domain = ROOT.domain
    point = ROOT.key_object(domain=False)
    fields = {
        "81": unsigned(int(domain["field_id"]["parameters"])),
        "82": bytes(domain["curve"]["a"]), "83": bytes(domain["curve"]["b"]),
        "84": bytes(domain["base"]), "85": unsigned(int(domain["order"])),
        "86": point[point.index(b"\x86\x41") + 2 :], "87": b"\1",
    }  # fmt: skip
    fields |= {tag[1:]: value for tag, value in changed.items()}
    name = tlv("06", bytes.fromhex("04007F00070202020203"))
    return tlv("7F49", name + b"".join(tlv(tag, value) for tag, value in fields.items()))


@pytest.mark.parametrize(
    "changed",
    [
        {"t81": b"\xff"}, {"t82": b"\xff"}, {"t83": b"\xff"}, {"t84": b"\4" + bytes(64)},
        {"t85": b"\xff"}, {"t87": b"\2"}, {"t87": b""}, {"t82": bytes(134)},
        {"t84": bytes(ROOT.domain["base"])[:33].replace(b"\4", b"\2", 1)},
    ],
)  # fmt: skip
def test_one_domain_parameter_of_ones_own_makes_no_curve(changed: dict[str, bytes]) -> None:
    parts: dict[str, Any] = {"car": ROOT_NAME, "chr_": ROOT_NAME, "role": CVCA}
    assert parse_cvc(certificate(ROOT, ROOT, **parts, t7F49=domain_with())).key == root().key
    with pytest.raises(ChipMalformed):
        parse_cvc(certificate(ROOT, ROOT, **parts, t7F49=domain_with(**changed)))


def test_a_reference_is_country_mnemonic_and_number() -> None:
    for good in ("DEDVeIDDTR101401", "ZZDKB20000R", "VNx00001", "VNĐ00001".replace("Đ", "Ð")):
        assert reference(good.encode("latin-1")) == good


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_any_bytes_are_a_certificate_or_none(raw: bytes, at: int, byte: int) -> None:
    whole = root().raw
    changed = whole[: at % len(whole)] + bytes((byte,)) + whole[at % len(whole) + 1 :]
    for each in (raw, tlv("7F21", raw), changed):
        try:
            made = parse_cvc(each)
        except ChipMalformed:
            continue
        with pytest.raises((ChipLied, ChipMalformed)):
            verify_chain((verifier(), terminal()), dataclasses.replace(made, raw=raw), on=DAY,
                         kind=TerminalKind.SIGNATURE)  # fmt: skip


def test_a_certificate_cut_short_anywhere_is_none() -> None:
    raw = root().raw
    for size in range(len(raw)):
        with pytest.raises(ChipMalformed):
            parse_cvc(raw[:size])

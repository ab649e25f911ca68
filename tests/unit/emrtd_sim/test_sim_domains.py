from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_material import stream

from emrtd.sim._curves import CURVES
from emrtd.sim._domains import DOMAINS, GROUPS
from emrtd.sim._protocols import PACEOffer

IDS = {
    0: "modp1024-160", 1: "modp2048-224", 2: "modp2048-256", 8: "P-192", 9: "brainpoolP192r1",
    10: "P-224", 11: "brainpoolP224r1", 12: "P-256", 13: "brainpoolP256r1", 14: "brainpoolP320r1",
    15: "P-384", 16: "brainpoolP384r1", 17: "brainpoolP512r1", 18: "P-521",
}  # fmt: skip


def test_every_standardised_domain_is_there() -> None:
    assert {each.parameter_id: name for name, each in DOMAINS.items()} == IDS


@pytest.mark.parametrize("name", GROUPS)
def test_the_groups_are_openssls(name: str) -> None:
    group = GROUPS[name]
    options = ["-algorithm", "DHX", "-pkeyopt", f"dh_rfc5114:{group.parameter_id + 1}"]
    made = subprocess.run(
        ["openssl", "genpkey", "-genparam", *options], capture_output=True, check=True
    ).stdout
    shown = subprocess.run(
        ["openssl", "asn1parse"], input=made, capture_output=True, check=True, text=False
    ).stdout.decode()
    numbers = [int(line.rsplit(":", 1)[1], 16) for line in shown.splitlines() if "INTEGER" in line]
    assert numbers == [group.prime, group.generator, group.order]


@pytest.mark.parametrize("name", DOMAINS)
def test_two_ends_agree(name: str) -> None:
    domain = DOMAINS[name]
    numbers = [domain.private_number(stream(f"{name} {end}")) for end in (1, 2)]
    sent = [domain.encode(domain.power(domain.generator, each)) for each in numbers]
    shared = {
        domain.secret(domain.power(domain.decode(theirs), own))
        for own, theirs in zip(numbers, reversed(sent), strict=True)
    }
    assert len(shared) == 1
    assert len(shared.pop()) == domain.field_bytes


@pytest.mark.parametrize("name", [name for name in DOMAINS if name != "P-224"])
def test_a_number_maps_to_an_element_of_the_domain(name: str) -> None:
    domain = DOMAINS[name]
    number = int.from_bytes(stream(name)(domain.field_bytes), "big") % domain.prime
    element = domain.element_of(number)
    assert domain.encode(domain.decode(domain.encode(element))) == domain.encode(element)
    assert not domain.is_neutral(element)
    for useless in (0, 1) if name in GROUPS else (0,):
        with pytest.raises(ValueError, match="maps to no"):
            domain.element_of(useless)


@pytest.mark.parametrize("name", DOMAINS)
def test_elements_that_everybody_can_guess_are_refused(name: str) -> None:
    domain = DOMAINS[name]
    width = domain.field_bytes
    if name in CURVES:
        bad = [b"\0", b"\x04" + bytes(2 * width), b"\x04" + b"\xff" * (2 * width)]
    else:
        minus_one = (domain.prime - 1).to_bytes(width, "big")
        bad = [b"", b"\0", b"\x01", minus_one, domain.prime.to_bytes(width, "big"), b"\x02",
               bytes(width + 1)]  # fmt: skip
    for raw in bad:
        with pytest.raises(ValueError, match=r"no|not"):
            domain.decode(raw)


@given(raw=st.binary(max_size=300))
@settings(max_examples=50, deadline=None)
@pytest.mark.parametrize("name", ["modp1024-160", "brainpoolP256r1"])
def test_any_bytes_are_an_element_or_refused(name: str, raw: bytes) -> None:
    domain = DOMAINS[name]
    try:
        element = domain.decode(raw)
    except ValueError:
        return
    assert domain.encode(element) == raw.lstrip(b"\0")


@pytest.mark.parametrize(
    "offer",
    [("cam", "modp2048-256", "AES-128"), ("cam", "P-256", "3DES"), ("im", "P-224", "AES-128"),
     ("gm", "P-255", "AES-128"), ("gm", "P-256", "AES"), ("xx", "P-256", "AES-128")],
)  # fmt: skip
def test_there_are_ways_that_the_standard_does_not_have(offer: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match=r"no|needs"):
        PACEOffer(*offer)  # type: ignore[arg-type]  # the point of it

"""The library's file parsers: data groups, a chip's limits, lists of issuers and of the revoked."""

from __future__ import annotations

from emrtd import crl, master_list, mrz
from emrtd.errors import ChipLied, ChipMalformed
from emrtd.lds import dg2, dg3, dg7, dg11, dg12, dg16
from emrtd.read_plan import parse_atr_info, plan_for
from emrtd.tlv import encode


def _faces(raw: bytes) -> object:
    """Read a face image data block inside the nesting that every file has."""
    template = encode(0x7F60, encode(0xA1, b"") + encode(0x7F2E, raw))
    return dg2.parse(encode(0x75, encode(0x7F61, encode(2, b"\1") + template)))


def _fingers(raw: bytes) -> object:
    """Read a record of fingerprints inside the nesting that every file has."""
    template = encode(0x7F60, encode(0xA1, b"") + encode(0x5F2E, b"FIR\x00" + raw))
    return dg3.parse(encode(0x63, encode(0x7F61, encode(2, b"\1") + template)))


def _details(raw: bytes) -> object:
    """Read fields of data groups 11, 12 and 16 behind a head that is right."""
    listed = encode(0x5C, b"") + raw
    found = [dg11.parse(encode(0x6B, listed)), dg12.parse(encode(0x6C, listed))]
    return found, dg16.parse(encode(0x70, encode(2, b"\1") + encode(0xA1, raw)))


_MALFORMED = (ChipMalformed,)

TARGETS = {
    "emrtd.mrz.two_lines": (lambda raw: mrz.parse(raw[:72].decode("latin-1")), _MALFORMED),
    "emrtd.lds.dg2.39794_5": (_faces, _MALFORMED),
    "emrtd.lds.dg3": (dg3.parse, _MALFORMED),
    "emrtd.lds.dg3.19794_4": (_fingers, _MALFORMED),
    "emrtd.lds.dg3.record": (lambda raw: dg3.parse_record(b"FIR\x00" + raw), _MALFORMED),
    "emrtd.lds.dg7": (dg7.parse, _MALFORMED),
    "emrtd.lds.dg11": (dg11.parse, _MALFORMED),
    "emrtd.lds.dg12": (dg12.parse, _MALFORMED),
    "emrtd.lds.dg16": (dg16.parse, _MALFORMED),
    "emrtd.lds.details": (_details, _MALFORMED),
    "emrtd.read_plan.atr_info": (lambda raw: plan_for(65_544, parse_atr_info(raw)), _MALFORMED),
    "emrtd.crl": (crl.parse, _MALFORMED),
    "emrtd.master_list": (
        lambda raw: master_list.check_intact(master_list.parse(raw)),
        (ChipMalformed, ChipLied),
    ),
}

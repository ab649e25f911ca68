"""CBEFF's nesting, which the biometric data groups share: templates, one data block in each.

Knows how blocks are nested. Does not look into one, nor into the header beside it: what a block is
shows in its own first bytes.

Spec: [9303-10] EF.DG2 and EF.DG3; [7816-11].
"""

from __future__ import annotations

from emrtd import tlv
from emrtd.errors import ChipMalformed

MAX_TEMPLATES = 16

_TEMPLATES, _COUNT, _TEMPLATE = 0x7F61, 0x02, 0x7F60
_DATA_BLOCKS = frozenset({0x5F2E, 0x7F2E})


def data_blocks(raw: bytes, tag: int, *, what: str, least: int) -> tuple[bytes, ...]:
    """Return the data blocks of a file, in its order.

    Args:
        raw: the file.
        tag: its outer tag.
        what: its name, for the error.
        least: how many templates there must be.

    Raises:
        ChipMalformed: another nesting, or not as many templates as it says.
    """
    group = tlv.parse(tlv.parse_one(tlv.parse_one(raw, tag).value, _TEMPLATES).value)
    templates = [part.value for part in group if part.tag == _TEMPLATE]
    counts = [part.value for part in group if part.tag == _COUNT]
    if not least <= len(templates) <= MAX_TEMPLATES or counts != [bytes((len(templates),))]:
        raise ChipMalformed(what, "not as many templates as it says")
    return tuple(_data_block(template, what) for template in templates)


def _data_block(template: bytes, what: str) -> bytes:
    blocks = [part.value for part in tlv.parse(template) if part.tag in _DATA_BLOCKS]
    if len(blocks) != 1:
        raise ChipMalformed(what, "not one data block in a template")
    return blocks[0]

"""Seeds of the finger drivers' parsers: what a module and a device service say when all is well."""

from __future__ import annotations

import io

from PIL import Image

from hw.finger.packets import Kind, pack
from tests.fuzz import hw_finger


def seeds() -> dict[str, list[bytes]]:
    """Return the seeds of every target of a finger driver, by its name."""
    answer, data = pack(Kind.ANSWER, b"\0"), pack(Kind.DATA, b"\x7f" * 64)
    last = pack(Kind.LAST_DATA, b"\xf0" * 64)
    false_head = b"\xef\x01\xff\xff\xff\xff\x02\x01\x02"
    picture = io.BytesIO()
    Image.new("L", (40, 30), 90).save(picture, "PNG")
    portable = b"P5 4 2 255\n" + bytes(8)
    error = b'"error":{"errorCode":"0","errorInfo":""}'
    return {
        "hw.finger.packets": [answer + data + last, false_head + answer, b"\x55" + answer],
        "hw.finger.module.parameters": [bytes.fromhex("0008000900C80003FFFFFFFF0003000C")],
        "hw.finger.module.image": [b"\x4b" * 18_432],
        "hw.finger.pictures": [picture.getvalue(), portable],
        "hw.finger.jws": [hw_finger.signed(b"{}")],
        "hw.finger.jws.base64": [b"RklSAA", b"RklSAA=="],
        "hw.finger.sbi.chunks": [b"2;a=b\r\n[]\r\n0\r\n\r\n", b"1\r\n[\r\n1\r\n]\r\n0\r\n\r\n"],
        "hw.finger.sbi.discovered": [b'[{"deviceId":"1","deviceStatus":"Ready",' + error + b"}]"],
        "hw.finger.sbi.information": [b'[{"deviceInfo":"a.b.c",' + error + b"}]"],
        "hw.finger.sbi.captured": [b'{"biometrics":[{"data":"a.b.c",' + error + b"}]}"],
    }

"""A process with bounds that meets one bad picture after the other, and says what came of it.

Arguments: MiB of address space, seconds of processor time, the folder of the models, a portrait.
"""

from __future__ import annotations

import io
import json
import resource
import struct
import sys
import time
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from models import portrait
from models.face import detect, mesh
from models.face.acquire import acquire
from models.face.picture import PictureError
from models.face.quality import assess
from models.manifest import load_verified
from models.portrait import PortraitError

MAX_MIB, MAX_CPU_S, FOLDER, FACE = (
    int(sys.argv[1]),
    int(sys.argv[2]),
    Path(sys.argv[3]),
    sys.argv[4],
)
BOX = (170, 40, 290, 190)
resource.setrlimit(resource.RLIMIT_AS, (MAX_MIB * 2**20,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))


def coded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def plain(mode, size=(300, 400), value=90):
    return Image.new(mode, size, value)


def turned(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return coded(plain("RGB", value=(9, 9, 9)), "JPEG", exif=exif)


def claims(width, height):
    raw = coded(plain("RGB", value=(9, 9, 9)), "JPEG")
    at = raw.index(b"\xff\xc0") + 5
    return raw[:at] + struct.pack(">HH", height, width) + raw[at + 4 :]


def in_layers(count, **options):
    raw = coded(plain("RGB", (2000, 2000), (1, 1, 1)), "JPEG2000", no_jp2=True, **options)
    at = raw.index(b"\xff\x52") + 6
    return raw[:at] + struct.pack(">H", count) + raw[at + 2 :]


def png_bomb():
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(10**7)))
        + chunk(b"IEND", b"")
    )


grey = plain("RGB", value=(90, 90, 90))
numbers = np.random.default_rng(1)
noise = Image.fromarray(numbers.integers(0, 256, (300, 300, 3), dtype=np.uint8))
CODED = {
    "nothing": b"",
    "zeros": bytes(50_000),
    "noise": numbers.bytes(50_000),
    "one pixel": coded(plain("RGB", (1, 1), (1, 1, 1)), "JPEG"),
    "one pixel, JPEG 2000": coded(plain("RGB", (1, 1), (1, 1, 1)), "JPEG2000"),
    "a line": coded(plain("RGB", (16, 3000), (1, 1, 1)), "JPEG"),
    "four megapixels": coded(plain("RGB", (2000, 2000), (1, 1, 1)), "JPEG2000"),
    "a hundred megapixels": claims(10_000, 10_000),
    "a bomb": claims(65_500, 65_500),
    "CMYK": coded(plain("CMYK", value=(1, 2, 3, 4)), "JPEG"),
    "16 bit": coded(Image.fromarray(np.full((300, 300), 9999, np.uint16)), "JPEG2000"),
    "16 bit PNG": coded(Image.fromarray(np.full((300, 300), 9999, np.uint16)), "PNG"),
    "palette": coded(noise.convert("P"), "PNG"),
    "alpha": coded(plain("RGBA"), "JPEG2000"),
    "animated": coded(grey, "GIF", save_all=True, append_images=[noise] * 9),
    "animated WebP": coded(grey, "WEBP", save_all=True, append_images=[grey] * 9),
    "several in one": coded(grey, "MPO", save_all=True, append_images=[grey] * 3),
    "PNG bomb": png_bomb(),
    "layers": in_layers(65_535),
    "layers and precincts": in_layers(65_535, precinct_size=(64, 64), codeblock_size=(32, 32)),
    "as many layers as may be": in_layers(64, precinct_size=(256, 256)),
    "cut short": coded(noise, "JPEG")[:9000],
    "cut short, JPEG 2000": coded(noise, "JPEG2000")[:9000],
    **{f"EXIF {value}": turned(value) for value in (0, 6, 8, 9, 65535)},
}
detector = detect.Detector(load_verified(FOLDER, detect.NAME))
mesher = mesh.Mesher(load_verified(FOLDER, mesh.NAME))


def crowd(across, down):
    size = (640 // across, 480 // down)
    face = Image.open(FACE).convert("RGB").crop(BOX).resize(size)
    out = Image.new("RGB", (640, 480), (120, 120, 120))
    for number in range(across * down):
        out.paste(face, (number % across * size[0], number // across * size[1]))
    return np.asarray(out)


FRAMES = {
    "nothing": np.zeros((0, 0, 3), np.uint8),
    "one pixel": np.zeros((1, 1, 3), np.uint8),
    "grey": np.full((480, 640), 90, np.uint8),
    "four channels": np.zeros((480, 640, 4), np.uint8),
    "16 bit": np.zeros((480, 640, 3), np.uint16),
    "black": np.zeros((480, 640, 3), np.uint8),
    "white": np.full((480, 640, 3), 255, np.uint8),
    "noise": np.asarray(noise),
    "a hundred megapixels": np.zeros((8200, 12_200, 3), np.uint8),
    "thirty megapixels": np.zeros((4096, 8192, 3), np.uint8),
    "a line": np.zeros((16, 8192, 3), np.uint8),
    "forty faces": crowd(8, 5),
    "twelve faces": crowd(4, 3),
}
said, took = {}, {}


def note(name, work):
    begun = time.process_time()
    try:
        said[name] = work()
    except (PortraitError, PictureError) as error:
        said[name] = f"{type(error).__name__}: {error}"
    took[name] = time.process_time() - begun


def see(rgb):
    found = acquire(rgb, detector=detector, mesher=mesher)
    if found.mesh is not None:
        assess(rgb, found.mesh)
    return found.faces


def read(raw):
    rgb = portrait.decode(raw)
    return [list(rgb.shape), see(rgb)]


for name, raw in CODED.items():
    note(f"portrait: {name}", partial(read, raw))
for name, rgb in FRAMES.items():
    note(f"frame: {name}", partial(see, rgb))
# Not getrusage's: that one remembers how large the process was which this one was started from.
status = Path("/proc/self/status").read_text()
resident = int(status.partition("VmHWM:")[2].split()[0]) / 1024
print(json.dumps({"said": said, "took": took, "resident_mib": resident}))

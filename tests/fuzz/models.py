"""Portraits of chips, manifests, calibrations, and what an evaluation set is made of."""

from __future__ import annotations

from models import calibration
from models.calibration import CalibrationError
from models.codestream import CODESTREAM_BEGIN
from models.evaluate import pad, pairs, pictures
from models.evaluate.pairs import PairsError
from models.evaluate.pictures import PictureFileError
from models.face import texture
from models.face.texture import TextureError
from models.finger import fusion
from models.finger.fusion import WeightsError
from models.manifest import parse
from models.portrait import PortraitError, decode
from models.prelu import shortened
from models.runtime import ModelError

TARGETS = {
    "models.portrait.decode": (decode, (PortraitError,)),
    "models.portrait.decode.jpeg": (lambda raw: decode(b"\xff\xd8\xff" + raw), (PortraitError,)),
    "models.portrait.decode.j2k": (
        lambda raw: decode(b"\xff\x4f\xff\x51\x00\x2f" + raw),
        (PortraitError,),
    ),
    "models.portrait.decode.stream": (
        lambda raw: decode(CODESTREAM_BEGIN + raw),
        (PortraitError,),
    ),
    "models.manifest.parse": (parse, (ModelError,)),
    "models.prelu": (shortened, ()),
    "models.calibration.parse": (calibration.parse, (CalibrationError,)),
    "models.face.texture": (texture.parse, (TextureError,)),
    "models.finger.fusion": (fusion.parse, (WeightsError,)),
    "models.evaluate.pad": (lambda raw: pad.parse(b"file,attack\n" + raw), (PairsError,)),
    "models.evaluate.pairs": (lambda raw: pairs.parse(b"a,b,same\n" + raw), (PairsError,)),
    "models.evaluate.picture": (
        lambda raw: pictures.decode(raw, where="here"),
        (PictureFileError,),
    ),
    "models.evaluate.picture.stream": (
        lambda raw: pictures.decode(CODESTREAM_BEGIN + raw, where="here"),
        (PictureFileError,),
    ),
}

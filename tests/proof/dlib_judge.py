"""`python -m tests.proof.dlib_judge NET IN OUT`: what dlib itself makes of faces.

Reads IN, an npz file of chips, a picture and parts on it; writes OUT with dlib's descriptors of the
chips, and the chip that it cuts out of the picture. Needs dlib and numpy alone.
"""

from __future__ import annotations

import sys

import dlib
import numpy as np


def main() -> None:
    """Read, compute, write."""
    _, net, given, out = sys.argv
    judge = dlib.face_recognition_model_v1(net)
    with np.load(given) as opened:
        chips, picture, parts = opened["chips"], opened["picture"], opened["parts"]
    found = [np.array(judge.compute_face_descriptor(np.ascontiguousarray(each))) for each in chips]
    points = [dlib.point(int(x), int(y)) for x, y in parts]
    face = dlib.full_object_detection(dlib.rectangle(0, 0, 10, 10), points)
    chip = dlib.get_face_chip(picture, face, size=150, padding=0.25)
    np.savez(out, descriptors=np.stack(found), chip=chip)


if __name__ == "__main__":
    main()

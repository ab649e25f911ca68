"""`python -m tests.proof.leader_judge IN OUT`: what the authors' own LEADER makes of pictures.

Reads IN, an npz file of grey pictures; writes OUT, of each all that the net says of every pixel:
how sure a minutia is there, its direction in radians, how sure the ridge ends, and how sure once
more, blurred, where it is the surest around. Needs pyfing and what that needs; nothing of ours.
"""

from __future__ import annotations

import sys

import keras
import numpy as np
import tensorflow as tf
from pyfing.minutiae_end_to_end import Leader


def main() -> None:
    """Read, compute, write."""
    _, given, out = sys.argv
    judge = Leader().model
    found = {"versions": np.array(f"keras {keras.__version__}, tensorflow {tf.__version__}")}
    with np.load(given) as pictures:
        for name, grey in pictures.items():
            found[name] = judge(grey[None, ..., None], training=False).numpy()[0]
    np.savez(out, **found)


if __name__ == "__main__":
    main()

"""One worker for one citizen: `python -m kiosk.vision --fd N --camera URL --models DIR`.

With `--touch` instead of a camera it compares fingers.

Knows the command line. Whoever starts it holds the other end of the socket; systemd hands it over
as descriptor 3.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NoReturn

SINGLE_THREADED = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
"""Their matrices here are tiny, and each of their threads reserves memory."""


def main() -> NoReturn:
    """Parse the options, serve, and end the process at once."""
    options = argparse.ArgumentParser(prog="kiosk.vision", allow_abbrev=False)
    options.add_argument("--fd", type=int, required=True, help="The socket to the station.")
    kind = options.add_mutually_exclusive_group(required=True)
    kind.add_argument("--camera", help="Look at faces: the camera's URL.")
    kind.add_argument("--touch", action="store_true", help="Compare fingers.")
    options.add_argument("--models", type=Path, required=True, help="The model files' folder.")
    options.add_argument(
        "--net",
        help="The net that embeds; strict: two that must agree; empty: the one that is there.",
    )
    options.add_argument("--production", action="store_true", help="Refuse simulated cameras.")
    given = options.parse_args()
    os.environ.update(dict.fromkeys(SINGLE_THREADED, "1"))
    from kiosk.vision.worker import Phase, run, say

    code = 1
    try:
        if given.touch:
            from kiosk.vision import touch

            code = touch.run(fd=given.fd, models=given.models)
        else:
            code = run(
                fd=given.fd,
                camera=given.camera,
                models=given.models,
                net=given.net or None,
                production=given.production,
            )
    except BaseException:  # noqa: BLE001 -- a traceback may quote what it was about
        say(Phase.FAILED)
    # No interpreter is taken down around a camera thread that may be stuck, nor nets that run.
    os._exit(code)


if __name__ == "__main__":
    main()

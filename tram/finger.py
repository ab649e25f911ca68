"""`tram finger`: try a fingerprint sensor, with no card and no station.

Knows options, exit codes, and what whoever installs a sensor needs to know: how it is spoken to,
and how good one touch was. Prints figures of the touch alone, never its image nor a minutia;
nothing of it is kept, and what the module holds is overwritten.

Exit codes: 0 the touch was good; 1 it would be asked for again, or nobody touched; 2 usage; 3 the
sensor or a model file failed.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from hw.finger.port import FingerImage, FingerPort, Phase, Touch
    from models.finger.extract import Extractor

AGAIN, FAILED = 1, 3
TOUCH_S: Final = 20.0


@click.group()
def finger() -> None:
    """Try a fingerprint sensor.

    Example: tram finger check --finger serial:///dev/ttyUSB0
    """


@finger.command("check")
@click.option(
    "--finger", "url", required=True, metavar="URL", help="serial:///dev/ttyUSB0, fprint://, ..."
)
@click.option(
    "--models",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/models"),
    show_default=True,
    help="The model files.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 600),
    default=TOUCH_S,
    show_default=True,
    help="How long a touch is waited for.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def check(url: str, models: Path, seconds: float, as_json: bool) -> None:
    """Say which sensor answers, and how good one touch is: figures, never the image.

    Exit codes: 0 the touch was good; 1 it would be asked for again, or nobody touched; 2 usage; 3
    the sensor or a model file failed.

    Example: tram finger check --finger serial:///dev/ttyUSB0 --json
    """
    from hw.errors import DeviceError
    from hw.finger.errors import NoFinger
    from hw.open import open_finger
    from models.runtime import ModelError

    try:
        found = _tried(open_finger(url), models, seconds)
    except NoFinger as error:
        click.echo(f"tram finger: {error}", err=True)
        raise SystemExit(AGAIN) from error
    except (DeviceError, ModelError) as error:
        click.echo(f"tram finger: {error}", err=True)
        raise SystemExit(FAILED) from error
    click.echo(json.dumps(found, indent=2) if as_json else _lines(found))
    if found["touch"] is not None and not found["touch"]["good"]:
        raise SystemExit(AGAIN)


def _tried(port: FingerPort, models: Path, seconds: float) -> dict[str, Any]:
    """Return what a sensor and one touch of it are like. Raises DeviceError, ModelError."""
    from hw.errors import DeviceError
    from hw.finger.port import FingerImage, OnLine
    from models.finger.extract import Extractor

    extractor = Extractor(models)
    port.open()
    try:
        agreed = port.agreed if isinstance(port, OnLine) else None
        touch = port.capture(timeout_s=seconds, on_phase=_say)
        with suppress(DeviceError):
            port.forget()
    finally:
        port.close()
    return {
        "source": touch.source,
        "simulated": port.simulated,
        "sensor": _sensor(touch),
        "line": agreed and {"baud": agreed.baud, "packet_bytes": agreed.packet_bytes},
        "touch": _quality(touch, extractor) if isinstance(touch, FingerImage) else None,
    }


def _say(phase: Phase) -> None:
    click.echo(f"tram finger: {phase}", err=True)


def _sensor(touch: Touch) -> dict[str, Any]:
    from hw.finger.module import SENSORS
    from hw.finger.port import CodedFinger

    if isinstance(touch, CodedFinger):
        return {"format": touch.format, "bytes": len(touch.coded)}
    height, width = touch.pixels.shape
    alike = [
        each.models
        for each in SENSORS.values()
        if (each.width_px, each.height_px, each.dpi) == (width, height, touch.dpi)
    ]
    return {
        "models": alike[0] if alike else None,
        "width_px": width,
        "height_px": height,
        "dpi": touch.dpi,
        "bits": touch.bits,
    }


def _quality(touch: FingerImage, extractor: Extractor) -> dict[str, Any]:
    """Return figures of a touch, by the gate that a kiosk asks for another touch by."""
    from kiosk.vision.feel import HINTS
    from models.finger.picture import FingerPictureError, from_pixels
    from models.finger.quality import assess, shipped

    try:
        grey = from_pixels(touch.pixels, dpi=touch.dpi).grey
        quality = assess(grey, extractor.extract(grey))
    except FingerPictureError:
        return {"good": False, "hint": None, "minutiae": 0}
    failure = shipped().failure(quality)
    return {
        "good": failure is None,
        "hint": None if failure is None else HINTS[failure],
        "minutiae": quality.count,
        "strong": quality.strong,
        "area_mm2": round(quality.area_mm2),
        "offset_mm": round(quality.offset_mm, 1),
    }


def _lines(found: dict[str, Any]) -> str:
    """Return the same for people."""
    from kiosk.i18n.catalogue import words
    from kiosk.i18n.labels import Hint

    sensor, touch = found["sensor"], found["touch"]
    told = ", ".join(f"{key} {value}" for key, value in sensor.items() if value is not None)
    lines = [f"{found['source']}{' (simulated)' if found['simulated'] else ''}: {told}"]
    if found["line"] is not None:
        lines.append("line: {baud} baud, {packet_bytes} bytes a packet".format(**found["line"]))
    if touch is not None:
        better = words("en").say(Hint(touch["hint"])) if touch["hint"] else "again"
        figures = ", ".join(
            f"{key} {value}" for key, value in touch.items() if key not in {"good", "hint"}
        )
        lines.append(f"touch: {'good' if touch['good'] else better}; {figures}")
    return "\n".join(lines)

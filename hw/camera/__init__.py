"""Cameras: the port and its frames."""

from hw.camera.port import CameraPort, Cue, Frame

__all__ = ["CameraPort", "Cue", "Frame"]

"""Photographs, nets, and two ways of turning a picture that the models know nothing of.

`slanted` is a print before a pinhole camera. `turned` moves the pixels of a picture by a depth that
is spread smoothly from the mesh: a rough head, written for these tests alone.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from models.face import detect, embed, mesh
from models.manifest import load_verified, manifests

ROOT = Path(__file__).parents[3]
MODELS = ROOT / "build" / "models"
PORTRAITS = ROOT / "build" / "portraits"
DATA = os.environ.get("TRAM_TESTDATA")
NAMES = ("astronaut", "biden", "obama", "obama2", "obama3")
WIDTH, HEIGHT = 360, 360
EYES_PX = 80.0
FOCAL_PX = 600.0
BACKGROUND = (90, 90, 95)
READY = all((MODELS / f"{name}.tflite").exists() for name in manifests()) and all(
    any(PORTRAITS.glob(f"{name}.*")) for name in NAMES
)
WHY_NOT = "build/models and build/portraits: made by `make setup`"


@cache
def detector():
    return detect.Detector(load_verified(MODELS, detect.NAME))


@cache
def mesher():
    return mesh.Mesher(load_verified(MODELS, mesh.NAME))


@cache
def embedder():
    return embed.Embedder(load_verified(MODELS, embed.NAME))


@cache
def photograph(name):
    (path,) = PORTRAITS.glob(f"{name}.*")
    return read(path)


def read(path):
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def look(rgb):
    """Return the mesh of the surest face, or None."""
    faces = detector().detect(rgb)
    found = mesher().mesh(rgb, faces[0]) if faces else None
    return found if found is not None and found.is_face else None


@cache
def mesh_of(name):
    return look(photograph(name))


@cache
def frontal(name):
    """Return a frame with the photograph before the camera, and its mesh."""
    rgb = slanted(name)
    return rgb, look(rgb)


def slanted(name, *, yaw=0.0, pitch=0.0):
    """Return a frame of the photograph as a flat print, turned about its face; degrees."""
    points = mesh_of(name).points
    scale = EYES_PX / mesh_of(name).eye_distance_px
    middle = points[:, :2].mean(axis=0)
    y, p = np.radians(yaw), np.radians(pitch)
    turn = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    turn @= np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    sheet = np.array(
        [[scale, 0, -scale * middle[0]], [0, scale, -scale * middle[1]], [0, 0, 0], [0, 0, 1]]
    )
    camera = np.array([[FOCAL_PX, 0, WIDTH / 2], [0, FOCAL_PX, HEIGHT / 2], [0, 0, 1]])
    back = np.linalg.inv(camera @ np.column_stack([turn, [0, 0, FOCAL_PX]]) @ sheet)
    frame = Image.fromarray(photograph(name)).transform(
        (WIDTH, HEIGHT),
        Image.Transform.PERSPECTIVE,
        tuple((back / back[2, 2]).ravel()[:8]),
        resample=Image.Resampling.BICUBIC,
        fillcolor=BACKGROUND,
    )
    return np.asarray(frame)


def turned(name, *, yaw):
    """Return a frame of the photograph as a head turned to the person's own left; degrees."""
    rgb, found = frontal(name)
    depth = _depth(found.points.astype(float))
    angle = -np.radians(yaw)
    middle = found.points[:, 0].mean()
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    x -= middle
    source = x.copy()
    for _ in range(20):
        wanted = (x - _sample(depth, source + middle, y) * np.sin(angle)) / np.cos(angle)
        source = (source + wanted) / 2
    channels = [_sample(rgb[..., each].astype(float), source + middle, y) for each in range(3)]
    return np.stack(channels, axis=2).clip(0, 255).astype(np.uint8)


def _depth(points):
    """Return (H, W): the mean depth of the mesh, weighted by nearness."""
    y, x = np.mgrid[0:HEIGHT:6, 0:WIDTH:6]
    places = np.stack([x.ravel(), y.ravel()], axis=1).astype(float)
    far = ((places[:, None] - points[None, :, :2]) ** 2).sum(axis=2) + 25
    weight = 1 / far**2
    coarse = (weight @ points[:, 2] / weight.sum(axis=1)).reshape(x.shape).astype(np.float32)
    fine = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    return np.asarray(fine).astype(float)


def _sample(values, x, y):
    x, y = np.clip(x, 0, WIDTH - 1.001), np.clip(y, 0, HEIGHT - 1.001)
    left, top = x.astype(int), y.astype(int)
    right, low = x - left, y - top
    upper = values[top, left] * (1 - right) + values[top, left + 1] * right
    lower = values[top + 1, left] * (1 - right) + values[top + 1, left + 1] * right
    return upper * (1 - low) + lower * low

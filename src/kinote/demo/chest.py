"""A chest phantom: Hounsfield units of a fictitious thorax at any height, for the CT and the radiograph.

All lengths are in millimetres. x grows to the patient's left, y to the back, z downwards from above the shoulders.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kinote.demo.chest_vessels import paint_vessels
from kinote.demo.shapes import Array, edge, ellipse, ellipse_distance, ellipsoid_cut, paint, paint_ellipse

#: The extent of the phantom along z.
HEIGHT = 300.0

AIR, LUNG, FAT, WATER, BLOOD, MUSCLE = -1000.0, -860.0, -100.0, 5.0, 45.0, 55.0
CONTRAST, LIVER, SPLEEN, KIDNEY = 190.0, 105.0, 115.0, 160.0
SPONGY_BONE, COMPACT_BONE = 210.0, 750.0


@dataclass(frozen=True, slots=True)
class Nodule:
    """The finding of the demo: a small round nodule in the upper lobe of the right lung."""

    centre: tuple[float, float, float]
    radius: float


#: The nodule has grown between the two examinations.
NODULE = Nodule((-66.0, -22.0, 96.0), 9.0)
EARLIER_NODULE = Nodule(NODULE.centre, 4.5)


def hounsfield(x: Array, y: Array, z: float, nodule: Nodule) -> Array:
    """Return the cross-section at height z in Hounsfield units, without noise."""
    picture = np.full(np.broadcast_shapes(x.shape, y.shape), AIR, dtype=np.float32)
    _body(picture, x, y, z)
    _cavity(picture, x, y, z, nodule)
    _mediastinum(picture, x, y, z)
    _ribs(picture, x, y, z)
    _spine(picture, x, y, z)
    _shoulders(picture, x, y, z)
    _sternum(picture, x, y, z)
    return picture


def table(picture: Array, x: Array, y: Array) -> None:
    """Paint the table of the scanner, a thin curved shell under the back."""
    surface = 128 - (x / 260) ** 2 * 130
    paint(picture, edge(1.5 - np.abs(y - surface), 1.5) * edge(170 - np.abs(x)), -200.0)
    paint(picture, edge(1.2 - np.abs(y - surface - 16), 1.5) * edge(150 - np.abs(x)), -300.0)


def _grown(z: float, at_top: float, at_bottom: float, over: float = 150.0) -> float:
    """Return a half axis that grows from the top over the length `over` and then stays constant."""
    part = min(max(z / over, 0.0), 1.0)
    return at_top + (at_bottom - at_top) * math.sin(part * math.pi / 2)


def _cage_half(z: float) -> tuple[float, float]:
    """Return the half axes of the inside of the rib cage."""
    return _grown(z, 62, 132), _grown(z, 52, 88)


def _body(picture: Array, x: Array, y: Array, z: float) -> None:
    cage = _cage_half(z)
    shoulder = 34 * math.exp(-(((z - 25) / 38) ** 2))
    half = (max(cage[0] + 30, 128) + shoulder, cage[1] + 30)
    distance = ellipse_distance(x, y, (0, 0), half)
    paint(picture, edge(distance), -20.0)
    paint(picture, edge(distance - 2), FAT)
    # The fat is thicker at the front and the flanks than at the back.
    muscle = ellipse_distance(x, y, (0, 3), (half[0] - 12, half[1] - 9))
    paint(picture, edge(muscle, 3), MUSCLE)
    between = np.abs(np.sin(muscle * 0.27 + x * 0.03)) ** 14
    patchy = 0.25 + 0.25 * np.sin(x * 0.06 + 1) * np.sin(y * 0.08)
    paint(picture, edge(muscle) * between * patchy, FAT)


def _cavity(picture: Array, x: Array, y: Array, z: float, nodule: Nodule) -> None:
    """Paint the lungs above the diaphragm and the upper abdomen below it."""
    inside = edge(ellipse_distance(x, y, (0, 0), _cage_half(z)) - 6)
    paint(picture, inside, -60.0)
    _abdomen(picture, x, y, z, inside)
    lungs = _lungs(x, y, z)
    # Denser at the back because of gravity.
    paint(picture, lungs, LUNG + y * 0.35)
    paint_vessels(picture, x, y, z, lungs, BLOOD)
    _nodule(picture, x, y, z, nodule, lungs)


def _lungs(x: Array, y: Array, z: float) -> Array:
    cage = _cage_half(z)
    top = 28.0
    if z <= top:
        return np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=np.float32)
    apex = math.sqrt(min((z - top) / 70, 1.0) * (2 - min((z - top) / 70, 1.0)))
    both = edge(ellipse_distance(x, y, (0, 2), (cage[0] * 0.95, cage[1] * 0.93)) - 5)
    shape = np.zeros_like(both)
    for side, dome in ((-1, 196.0), (1, 208.0)):
        centre = (side * cage[0] * 0.52, 6.0)
        half = (cage[0] * 0.56 * apex, cage[1] * 0.98 * apex)
        lung = edge(ellipse_distance(x, y, centre, half)) * both
        # The diaphragm: a dome, deep at the back.
        bow = ((x - centre[0]) / half[0]) ** 2 * 38 + np.maximum((y - 5) / half[1], 0) ** 2 * 62
        shape = np.maximum(shape, lung * edge(dome + bow - z, 3))
    return np.asarray(shape * (1 - _middle(x, y, z)), dtype=np.float32)


def _middle(x: Array, y: Array, z: float) -> Array:
    """Return the shape of the space between the lungs, which is wider at the heart."""
    band = ellipse(x, y, (0, 0), (_grown(z, 34, 30), 74), 3)
    return np.maximum(band, _heart(x, y, z, 4))


def _heart(x: Array, y: Array, z: float, thicker: float = 0) -> Array:
    # The axis of the heart points to the left, to the front and down.
    lean = (z - 170) * 0.28
    half = (58 + thicker, 46 + thicker, 56 + thicker)
    return ellipse(x, y, *ellipsoid_cut(z, (17 + lean, -24 - lean * 0.3, 172), half))


def _mediastinum(picture: Array, x: Array, y: Array, z: float) -> None:
    inside = edge(ellipse_distance(x, y, (0, 0), _cage_half(z)) - 6)
    if z < 225:
        paint_ellipse(picture, x, y, (0, 0), (_grown(z, 30, 26), 70), -70.0, width=4, within=inside)
        paint_ellipse(picture, x, y, (0, 28), (24, 30), 20.0, width=4, within=inside)
    paint(picture, _heart(x, y, z), BLOOD + 15)
    lean = (z - 170) * 0.28
    chambers = (
        ((34, -24, 182), (27, 23, 38), CONTRAST - 20),
        ((-4, -38, 180), (26, 18, 36), CONTRAST + 40),
        ((8, 6, 152), (30, 14, 22), CONTRAST - 10),
        ((-30, -14, 160), (16, 19, 30), CONTRAST + 20),
    )
    for (cx, cy, cz), half, value in chambers:
        cut = ellipsoid_cut(z, (cx + lean, cy - lean * 0.3, cz), half)
        paint_ellipse(picture, x, y, *cut, value, width=4)
    _great_vessels(picture, x, y, z)
    _airways(picture, x, y, z)


def _great_vessels(picture: Array, x: Array, y: Array, z: float) -> None:
    if 84 <= z <= 148:
        paint_ellipse(picture, x, y, (-10, -26), (17, 17), CONTRAST)  # ascending aorta
    if 78 <= z <= 92:
        along = np.clip((x + 10) / 34, 0, 1)
        arch = 14 - np.hypot(x - np.clip(x, -10, 24), y - (-26 + along * 50))
        paint(picture, edge(np.asarray(arch, dtype=np.float32)), CONTRAST)
    if z >= 84:
        drift = min(max((z - 180) / 100, 0), 1) * 16
        paint_ellipse(picture, x, y, (24 - drift, 26), (13, 13), CONTRAST - 5)  # descending aorta
    if 108 <= z <= 134:
        paint_ellipse(picture, x, y, (14, -18), (16, 13), CONTRAST + 30)  # trunk of the pulmonary artery
        for side in (-1, 1) if 110 <= z <= 132 else ():
            paint_ellipse(picture, x, y, (6 + side * 30, -4), (26, 8.5), CONTRAST + 30)
    if 60 <= z <= 150:
        paint_ellipse(picture, x, y, (-29, -22), (9, 8), CONTRAST + 130)  # superior vena cava
    if z < 82:
        for centre, radius in (((-22, -18), 7.0), ((-9, -22), 6.0), ((14, -10), 5.5), ((24, -2), 5.5)):
            paint_ellipse(picture, x, y, centre, (radius, radius), CONTRAST)
    paint_ellipse(picture, x, y, (6, 22), (8, 6), 35.0)  # oesophagus
    paint_ellipse(picture, x, y, (6, 22), (2.4, 1.6), -500.0 if z < 220 else 30.0)


def _airways(picture: Array, x: Array, y: Array, z: float) -> None:
    if z < 104:
        paint_ellipse(picture, x, y, (0, 4), (11.5, 10.5), 30.0)
        paint_ellipse(picture, x, y, (0, 4), (9.5, 8.5), AIR)
    elif z < 142:
        for side in (-1, 1):
            out = (z - 104) * (0.75 if side < 0 else 0.95)
            middle = (side * (5 + out), 5 + out * 0.1)
            paint_ellipse(picture, x, y, middle, (8.6, 7.4), 20.0)
            paint_ellipse(picture, x, y, middle, (6.8, 5.6), AIR)


def _abdomen(picture: Array, x: Array, y: Array, z: float, inside: Array) -> None:
    if z < 190:
        return
    paint(picture, inside, FAT + 5)
    liver = ellipse(x, y, *ellipsoid_cut(z, (-58, -8, 268), (80, 78, 84)), 2)
    liver = np.maximum(liver, ellipse(x, y, *ellipsoid_cut(z, (10, -46, 262), (62, 30, 54)), 2))
    paint(picture, liver * inside, LIVER)
    for start, slope, radius in ((-30.0, 0.5, 4.0), (-52.0, -0.7, 3.4), (-20.0, -1.2, 3.0)):
        near = np.abs((y + 4) - slope * (x - start)) / math.hypot(1, slope)
        vein = edge(radius * (0.5 + 0.5 * math.sin(z / 9 + start)) - near) * edge(40 - np.abs(x - start))
        paint(picture, vein * liver * inside, CONTRAST - 35)
    paint_ellipse(
        picture, x, y, *ellipsoid_cut(z, (92, 34, 262), (34, 46, 46)), SPLEEN, width=2, within=inside
    )
    stomach = (58, -26, 258)
    paint_ellipse(picture, x, y, *ellipsoid_cut(z, stomach, (44, 38, 44)), BLOOD + 10, width=2, within=inside)
    # The patient lies on the back, so the air is at the front.
    filling = np.where(y + 0 * x < -36, AIR, WATER + 10).astype(np.float32)
    paint_ellipse(picture, x, y, *ellipsoid_cut(z, stomach, (40, 34, 40)), filling, width=2, within=inside)
    for side in (-1, 1):
        paint_ellipse(
            picture, x, y, *ellipsoid_cut(z, (side * 58, 54, 312), (24, 21, 42)), KIDNEY, within=inside
        )
    paint_ellipse(picture, x, y, (-12, 16), (12, 10), CONTRAST - 60, within=inside)  # inferior vena cava


def _nodule(picture: Array, x: Array, y: Array, z: float, nodule: Nodule, lungs: Array) -> None:
    cx, cy, cz = nodule.centre
    if abs(z - cz) > nodule.radius * 2.2:
        return
    angle = np.arctan2(y - cy, x - cx)
    radius = np.sqrt((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2)
    rough = nodule.radius * (1 + 0.10 * np.sin(5 * angle + z) + 0.06 * np.sin(11 * angle))
    reach = 0.65 + 0.3 * np.sin(2 * angle + 1)
    spikes = nodule.radius * (1 + reach * np.maximum(np.sin(5 * angle + np.sin(3 * angle)), 0) ** 10)
    paint(picture, edge(np.asarray(spikes - radius, dtype=np.float32), 3) * lungs * 0.5, -250.0)
    paint(picture, edge(np.asarray(rough - radius, dtype=np.float32), 2.5) * lungs, 48.0)


def _ribs(picture: Array, x: Array, y: Array, z: float) -> None:
    if z < 24:
        return
    cage = _cage_half(z)
    # The ribs slope down from the spine to the front, 25 mm apart.
    front = (1 - y / cage[1]) / 2
    phase = (z - 55 * front - 26 * (x / cage[0]) ** 2) / 25.0
    off = np.abs(phase - np.round(phase)) * 25.0 * 0.42
    outer = ellipse_distance(x, y, (0, 0), (cage[0] + 8, cage[1] + 8))
    across = np.abs(outer - 5.0)
    # No rib at the breastbone and above the first or below the twelfth.
    present = edge(np.abs(x) - 26 * np.asarray(y < 0)) * edge(np.asarray(np.round(phase) < 11.5) * 9.0 - 4)
    rib = np.hypot(across / 4.2, off / 3.6)
    paint(picture, edge(np.asarray((1 - rib) * 4, dtype=np.float32)) * present, COMPACT_BONE)
    paint(picture, edge(np.asarray((0.55 - rib) * 4, dtype=np.float32)) * present, SPONGY_BONE)


def _spine(picture: Array, x: Array, y: Array, z: float) -> None:
    back = 0.56 * _cage_half(z)[1] + 4
    in_level = (z % 25.0) / 25.0
    disc = in_level < 0.2
    half = (19.0, 15.0) if not disc else (18.0, 14.0)
    body = ellipse_distance(x, y, (0, back), half)
    if disc:
        paint(picture, edge(body), 85.0)
    else:
        paint(picture, edge(body), COMPACT_BONE - 150)
        paint(picture, edge(body - 2.2), SPONGY_BONE + (60 if in_level < 0.28 or in_level > 0.92 else 0))
    # The arch behind the vertebral body, with the spinal canal inside.
    arch = ellipse_distance(x, y, (0, back + 23), (15, 12))
    paint(picture, edge(arch), COMPACT_BONE - 250)
    paint(picture, edge(ellipse_distance(x, y, (0, back + 21), (9.5, 8.5))), 15.0)
    paint_ellipse(picture, x, y, (0, back + 21), (5, 4.2), 40.0)
    if 0.3 < in_level < 0.8:
        for side in (-1, 1):
            along = (x * side - 14) * 0.3 + back + 20
            process = edge(4.6 - np.abs(y - along)) * edge(14 - np.abs(x * side - 22))
            paint(picture, process, COMPACT_BONE - 300)
            paint(picture, edge(2.4 - np.abs(y - along)) * edge(11 - np.abs(x * side - 22)), SPONGY_BONE)
    if in_level > 0.35:
        paint_ellipse(picture, x, y, (0, back + 38), (3.4, 11), COMPACT_BONE - 250)


def _shoulders(picture: Array, x: Array, y: Array, z: float) -> None:
    cage = _cage_half(z)
    for side in (-1, 1):
        if 14 <= z <= 150:
            # The shoulder blade: a thin plate behind the ribs.
            reach = 46 * math.sin(math.pi * min(max((z - 5) / 150, 0), 1)) ** 0.6
            along = side * x - (cage[0] * 0.72)
            plate = cage[1] * 0.80 - along * 0.62
            bone = edge(2.8 - np.abs(y - plate)) * edge(reach - np.abs(along))
            paint(picture, bone, COMPACT_BONE - 200)
        if z < 46:
            # The collar bone runs outwards, upwards and to the back.
            along = side * x
            line = -58 + (along - 20) * 0.25
            height = 34 - (along - 20) * 0.16
            bone = np.hypot((y - line) / 6, (z - height) / 5.5)
            present = edge(60 - np.abs(along - 78))
            paint(picture, edge(np.asarray((1 - bone) * 5, dtype=np.float32)) * present, COMPACT_BONE)
            paint(picture, edge(np.asarray((0.5 - bone) * 5, dtype=np.float32)) * present, SPONGY_BONE)


def _sternum(picture: Array, x: Array, y: Array, z: float) -> None:
    if not 38 <= z <= 205:
        return
    front = -_cage_half(z)[1] - 3
    wide = 20.0 if z < 75 else 15.0
    bone = ellipse_distance(x, y, (0, front), (wide, 6.5))
    paint(picture, edge(bone), COMPACT_BONE - 350)
    paint(picture, edge(bone - 1.8), SPONGY_BONE - 70)

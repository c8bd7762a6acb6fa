"""A head phantom: the tissues of a fictitious head, and their MR signals.

All lengths are in millimetres. x grows to the patient's left, y to the back, z downwards from the vertex.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinote.demo.shapes import Array, edge, ellipse, ellipse_distance, ellipsoid_cut, paint


@dataclass(frozen=True, slots=True)
class Weighting:
    """The signal of each tissue in one kind of MR series."""

    air: float
    fat: float
    bone: float
    marrow: float
    muscle: float
    water: float
    grey: float
    white: float
    lesion: float


T1 = Weighting(8, 900, 60, 420, 330, 130, 430, 640, 250)
T2 = Weighting(8, 560, 40, 260, 170, 980, 470, 310, 820)

#: The centre of the lesion in the white matter of the left frontal lobe.
LESION = (27.0, -34.0, 66.0)
_LESION_HALF = (13.0, 16.0, 13.0)


def signal(x: Array, y: Array, z: float, folds: Array, weighting: Weighting) -> Array:
    """Return the MR signal of the cross-section at height z.

    `folds` is smooth noise. The sulci of the brain are where it crosses zero.
    """
    picture = np.full(np.broadcast_shapes(x.shape, y.shape), weighting.air, dtype=np.float32)
    _skull(picture, x, y, z, weighting)
    _brain(picture, x, y, z, folds, weighting)
    _deep_nuclei(picture, x, y, z, weighting)
    _ventricles(picture, x, y, z, weighting)
    _lesion(picture, x, y, z, folds, weighting)
    _below(picture, x, y, z, folds, weighting)
    _face(picture, x, y, z, weighting)
    return picture


def _shell(x: Array, y: Array, z: float, deep: float) -> Array:
    """Return how deep each point is inside the head's surface shrunk by `deep` millimetres."""
    centre, half = ellipsoid_cut(z, (0, 0, 88), (76 - deep, 95 - deep, 90 - deep))
    # The forehead is narrower than the back of the head.
    return ellipse_distance(x * (1 - y / 900), y, centre, half)


def _skull(picture: Array, x: Array, y: Array, z: float, weighting: Weighting) -> None:
    paint(picture, edge(_shell(x, y, z, 0)), weighting.muscle)
    paint(picture, edge(_shell(x, y, z, 1.5)), weighting.fat)
    paint(picture, edge(_shell(x, y, z, 6)), weighting.bone)
    paint(picture, edge(_shell(x, y, z, 8.5), 2), weighting.marrow)
    paint(picture, edge(_shell(x, y, z, 11), 2), weighting.bone)
    paint(picture, edge(_shell(x, y, z, 13)), weighting.water)


def _brain(picture: Array, x: Array, y: Array, z: float, folds: Array, weighting: Weighting) -> None:
    depth = _shell(x, y, z, 15) + folds * 1.2
    brain = edge(depth)
    paint(picture, brain, weighting.grey)
    furrow = np.abs(folds)
    # White matter is deep, or away from sulci; near the surface, the sulci reach into it.
    reach = np.clip((depth - 3) / 24, 0, 1)
    white = edge((furrow - 0.95 + reach * 1.0) * 5) * edge(depth - 4.5, 2)
    paint(picture, white, weighting.white)
    open_furrow = edge((0.20 - reach * 0.55 - furrow) * 9) * brain
    paint(picture, open_furrow, weighting.water)
    # The fissure between the hemispheres, with grey matter along it.
    middle = np.abs(x + folds * 0.8)
    long = 1 if z < 52 else edge(np.abs(y + 4 + folds * 2) - 28, 5)
    paint(picture, edge(4.2 - middle) * brain * long, weighting.grey)
    paint(picture, edge(1.1 - middle) * brain * long, weighting.water)
    if z > 66:
        # The lateral fissures over the insula.
        for side in (-1, 1):
            along = side * x - 40 - np.abs(y + 8) * 0.35
            fissure = edge(2.0 - np.abs(along + folds)) * edge(20 - np.abs(y + 6)) * brain
            paint(
                picture, edge(5.5 - np.abs(along + folds)) * edge(22 - np.abs(y + 6)) * brain, weighting.grey
            )
            paint(picture, fissure, weighting.water)


def _deep_nuclei(picture: Array, x: Array, y: Array, z: float, weighting: Weighting) -> None:
    for side in (-1, 1):
        for centre, half in (
            ((side * 12.5, -20, 72), (5.5, 9, 15)),  # head of the caudate
            ((side * 25, -5, 80), (6.5, 15, 13)),  # putamen
            ((side * 9.5, 12, 82), (8.5, 12, 12)),  # thalamus
        ):
            paint(picture, ellipse(x, y, *ellipsoid_cut(z, centre, half), 2), weighting.grey)
        inner = ellipsoid_cut(z, (side * 18, -1, 80), (3.5, 8, 9))
        paint(picture, ellipse(x, y, *inner, 2), (weighting.grey + weighting.white) / 2)


def _ventricles(picture: Array, x: Array, y: Array, z: float, weighting: Weighting) -> None:
    if 54 <= z <= 70:
        paint(picture, ellipse(x, y, (0, -4), (8, 30), 3), weighting.white)  # corpus callosum
    for side in (-1, 1):
        for centre, half, slope in (
            ((side * 9, -2, 62), (6.5, 28, 9), 0.0),
            ((side * 8, -26, 70), (5, 11, 13), 0.7),
            ((side * 19, 26, 74), (6, 12, 14), -0.9),
        ):
            (cx, cy), axes = ellipsoid_cut(z, centre, half)
            paint(picture, ellipse(x - (y - cy) * slope * side * 0.35, y, (cx, cy), axes), weighting.water)
    paint(picture, ellipse(x, y, *ellipsoid_cut(z, (0, 4, 86), (2.2, 11, 13))), weighting.water)


def _lesion(picture: Array, x: Array, y: Array, z: float, folds: Array, weighting: Weighting) -> None:
    centre, half = ellipsoid_cut(z, LESION, _LESION_HALF)
    ragged = ellipse_distance(x, y, centre, half) + folds * 2.2
    paint(picture, edge(ragged, 4) * edge(_shell(x, y, z, 17)), weighting.lesion)
    paint(picture, ellipse(x, y, *ellipsoid_cut(z, LESION, (5, 6, 5)), 2), weighting.water)


def _below(picture: Array, x: Array, y: Array, z: float, folds: Array, weighting: Weighting) -> None:
    """Paint the brain stem and the cerebellum, surrounded by water."""
    if z > 98:
        inside = edge(_shell(x, y, z, 14))
        around_stem = ellipse_distance(x * (1 + y / 90), y, (0, 9), (20, 16)) + folds * 2
        paint(picture, edge(around_stem, 3) * inside, weighting.water)
        stem = (14.0, 13.0) if z < 122 else (11.0, 10.0)
        paint(picture, ellipse(x, y, (0, 12), stem, 2), (weighting.white * 2 + weighting.grey) / 3)
    centre, half = ellipsoid_cut(z, (0, 50, 126), (48, 29, 27))
    depth = ellipse_distance(x, y, centre, half)
    paint(picture, edge(depth + 3), weighting.water)
    paint(picture, edge(depth), weighting.grey)
    leaves = np.sin(np.hypot(x * 0.75, y - 18) * 1.25 + folds)
    paint(picture, edge(depth - 5, 5) * edge(leaves * 2), (weighting.white + weighting.grey) / 2)
    for side in (-1, 1):
        paint(
            picture, ellipse(x, y, *ellipsoid_cut(z, (side * 19, 44, 126), (14, 10, 15)), 4), weighting.white
        )
    paint(picture, ellipse(x, y, *ellipsoid_cut(z, (0, 28, 120), (7, 4, 12))), weighting.water)


def _face(picture: Array, x: Array, y: Array, z: float, weighting: Weighting) -> None:
    if z < 104:
        return
    face = ellipse(x, y, *ellipsoid_cut(z, (0, -48, 142), (58, 46, 34)))
    paint(picture, face * edge(-_shell(x, y, z, 6)), weighting.fat)
    for side in (-1, 1):
        orbit = ellipsoid_cut(z, (side * 31, -58, 128), (17, 21, 20))
        paint(picture, ellipse(x, y, *orbit, 2), weighting.fat)
        paint(
            picture,
            ellipse(x, y, *ellipsoid_cut(z, (side * 31, -66, 128), (12.5, 12.5, 12.5))),
            weighting.water,
        )
        paint(picture, ellipse(x, y, *ellipsoid_cut(z, (side * 31, -76, 128), (5, 2.6, 5))), weighting.bone)
        nerve = (
            edge(2.6 - np.abs(side * x - 31 - (y + 56) * -0.35))
            * edge(12 - np.abs(y + 44))
            * (abs(z - 128) < 5)
        )
        paint(picture, nerve, weighting.white)
        paint(picture, ellipse(x, y, *ellipsoid_cut(z, (side * 11, -64, 132), (8, 17, 20))), weighting.air)

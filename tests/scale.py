"""How much the long tests do: a little in CI, a lot under `scripts/soak`, by the same code.

A test that reads `SCALE` is marked `@pytest.mark.soak`; that mark is how scripts/soak finds it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """The numbers that make a test short or long."""

    #: SIGKILLs at random moments of senders at work.
    kills: int
    #: Restarts of the database under load.
    restarts: int
    #: At which of the commits of a life a product is killed: at every one, or at each of so many.
    each_commit: int
    #: Random steps of the tests that hold the laws against arbitrary sequences of acts.
    law_steps: int
    #: Random steps through the whole life of objects, on each kind of database and for each kind of seed.
    life_steps: int
    #: Ways through the states of the explorer that the product is made to go.
    ways: int
    #: Key objects of any content that other people's validators read.
    documents: int
    #: Key objects with something wrong that are read and checked.
    mutations: int
    #: Examples of each property.
    property_examples: int
    #: Bytes of the biggest object received.
    big_object: int
    #: Objects sent in one go by tests of groups and of concurrent senders.
    objects: int
    #: Rows filled in through the catalog by tests of queries on a full one.
    rows: int
    #: Scripts of peers that do what they should not, played against the DICOM face.
    hostile_scripts: int
    #: How often honest senders are besieged by hostile clients, and how many objects each sends then.
    sieges: int
    siege_objects: int
    #: Compressed frames with bytes changed, of all syntaxes.
    mutated_frames: int
    #: Data sets that are written in every encoding, and compared.
    re_encoded: int
    #: Requests of each operation of the API, valid ones and as many that are not.
    requests: int
    #: Acts while files and the index fail.
    fault_rounds: int


_SHORT = Scale(
    kills=5,
    restarts=2,
    each_commit=12,
    law_steps=150,
    life_steps=50,
    ways=12,
    documents=200,
    mutations=1_000,
    property_examples=100,
    big_object=256 * 1024**2,
    objects=500,
    rows=20_000,
    hostile_scripts=500,
    sieges=1,
    siege_objects=10,
    mutated_frames=500,
    re_encoded=12,
    requests=8,
    fault_rounds=75,
)

_LONG = Scale(
    kills=200,
    restarts=60,
    each_commit=1,
    law_steps=20_000,
    life_steps=25_000,
    ways=2_000,
    documents=2_000,
    mutations=20_000,
    property_examples=5_000,
    big_object=2 * 1024**3,
    objects=20_000,
    rows=2_000_000,
    hostile_scripts=10_000,
    sieges=6,
    siege_objects=1_000,
    mutated_frames=20_000,
    re_encoded=1_000,
    requests=500,
    fault_rounds=1_000,
)

SCALE = _LONG if os.environ.get("KINOTE_SOAK") == "1" else _SHORT

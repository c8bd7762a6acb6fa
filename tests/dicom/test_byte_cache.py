"""The base of the caches: bounded, counted, with one switch. Results are the same with and without caches."""

from __future__ import annotations

from pathlib import Path

from kinote.dicom.elements import item_shapes
from kinote.dicom.elements.byte_cache import ByteCache, caches_disabled
from kinote.dicom.json.from_elements import metadata_json
from tests.dicom.test_part10 import CUT, dicom_files, scan_file


def test_hits_and_misses_are_counted() -> None:
    cache: ByteCache[bytes, str] = ByteCache(10)
    assert cache.find(b"a") is None
    cache.store(b"a", "A")
    assert cache.find(b"a") == "A"
    assert (cache.hits, cache.misses) == (1, 1)


def test_a_cache_that_would_exceed_its_capacity_starts_again() -> None:
    cache: ByteCache[bytes, str] = ByteCache(10)
    cache.store(b"a", "A", cost=6)
    cache.store(b"b", "B", cost=4)
    cache.store(b"b", "other B", cost=4)
    assert (cache.entries, cache.size) == ({b"a": "A", b"b": "other B"}, 10)
    cache.store(b"c", "C", cost=4)
    assert (cache.entries, cache.size) == ({b"c": "C"}, 4)


def test_disabled_caches_know_nothing() -> None:
    cache: ByteCache[bytes, str] = ByteCache(10)
    cache.store(b"a", "A")
    with caches_disabled():
        assert cache.find(b"a") is None
        cache.store(b"a", "A")
        assert (cache.entries, cache.size) == ({}, 0)
    cache.store(b"a", "A")
    assert cache.find(b"a") == "A"


def test_metadata_of_every_file_is_the_same_without_caches(test_data: Path) -> None:
    compared = 0
    hits = item_shapes.KNOWN_SHAPES.hits
    for path in dicom_files(test_data):
        if path.name == CUT:
            continue
        scan_file(path)
        scanned = scan_file(path).dataset
        metadata_json(scanned)
        cached = metadata_json(scanned)
        with caches_disabled():
            assert metadata_json(scan_file(path).dataset) == cached
        compared += 1
    assert compared > 20
    assert item_shapes.KNOWN_SHAPES.hits > hits

"""What a peer may be: everything wrong is named with its field."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kinote.peers.checks import faults_of_peer
from kinote.peers.peer import Endpoint, EndpointKind, WantedPeer
from tests.peers.wanted import archive, dimse

GOOD = archive()


def web(url: str) -> WantedPeer:
    return archive("A", Endpoint(EndpointKind.DICOMWEB, url=url))


def folder(path: str) -> WantedPeer:
    return archive("A", Endpoint(EndpointKind.FOLDER, path=path))


def faults(wanted: WantedPeer, *, hosts_needed: bool = False) -> set[str]:
    return {fault.field for fault in faults_of_peer(wanted, [], hosts_needed=hosts_needed)}


@pytest.mark.parametrize(
    "wanted",
    [
        GOOD,
        WantedPeer("Only a name"),
        WantedPeer("名前", ae_titles=("A B", "x" * 16), hosts=("::1", "a_b.example", "müller.example")),
        archive("A", dimse("ARCHIVE", "fe80::1", 65535)),
        web("http://localhost:8042/dicom-web"),
        web("https://[::1]/"),
        folder("/srv/out"),
        archive("A", Endpoint(EndpointKind.MLLP, host="hl7", port=2575, tls=True, check_name=False)),
    ],
    ids=lambda wanted: wanted.name + str(wanted.endpoints[:1]),
)
def test_what_can_be_is_taken(wanted: WantedPeer) -> None:
    assert faults(wanted) == set()


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        (replace(GOOD, name=""), {"name"}),
        (replace(GOOD, name=" A"), {"name"}),
        (replace(GOOD, name="A\n"), {"name"}),
        (replace(GOOD, name="x" * 65), {"name"}),
        (replace(GOOD, description="x" * 2001), {"description"}),
        (
            replace(GOOD, ae_titles=("A\\B", "", "  ", "x" * 17, "A\x07", "Ä")),
            {f"ae_titles[{n}]" for n in range(6)},
        ),
        (replace(GOOD, ae_titles=(" A",)), {"ae_titles[0]"}),
        (replace(GOOD, ae_titles=("A", "A")), {"ae_titles"}),
        (replace(GOOD, ae_titles=tuple(map(str, range(33)))), {"ae_titles"}),
        (
            replace(GOOD, hosts=("a b", "http://a", "a:104", "a/b", "", "x" * 254, "-a", "1.2.3.4%")),
            {f"hosts[{n}]" for n in range(8)},
        ),
        (
            replace(GOOD, hosts=("a..b", "a" * 64, f"a.{'b' * 64}.c", "ü" * 60, ".a")),
            {f"hosts[{n}]" for n in range(5)},
        ),
        (archive("A", Endpoint(EndpointKind.MLLP, host="a..b", port=1)), {"endpoints[0].host"}),
        (
            archive("A", dimse("A\\B", "a b", 0)),
            {f"endpoints[0].{part}" for part in ("ae_title", "host", "port")},
        ),
        (
            archive("A", Endpoint(EndpointKind.DIMSE)),
            {f"endpoints[0].{part}" for part in ("ae_title", "host", "port")},
        ),
        (archive("A", dimse(), dimse()), {"endpoints[1]"}),
        (
            archive("A", replace(dimse(), url="http://a", path="/a")),
            {"endpoints[0].url", "endpoints[0].path"},
        ),
        (archive("A", Endpoint(EndpointKind.MLLP, "A", "a", 1)), {"endpoints[0].ae_title"}),
        (
            archive("A", Endpoint(EndpointKind.FOLDER, path="/a", tls=True, check_name=False)),
            {"endpoints[0].tls", "endpoints[0].check_name"},
        ),
        (folder("a/b"), {"endpoints[0].path"}),
        (folder("/a/../b"), {"endpoints[0].path"}),
        (folder("/a\0"), {"endpoints[0].path"}),
        (folder("/" + "a" * 1000), {"endpoints[0]"}),
        *(
            (web(url), {"endpoints[0].url"})
            for url in (
                "",
                "ftp://a/b",
                "http:///b",
                "a.example",
                "http://me:secret@a/b",
                "http://a/b?c=d",
                "http://a/b#c",
                "http://a/b c",
                "http://a:99999/",
                "http://[a/",
                "http://a..b/",
            )
        ),
    ],
    ids=lambda each: ", ".join(sorted(each)) if isinstance(each, set) else repr(each.name[:12]),
)
def test_what_cannot_be_is_named(wanted: WantedPeer, fields: set[str]) -> None:
    assert faults(wanted) == fields


def test_who_calls_has_a_host_where_callers_are_told_by_their_addresses() -> None:
    assert faults(replace(GOOD, hosts=()), hosts_needed=True) == {"hosts"}
    assert faults(replace(GOOD, hosts=(), ae_titles=()), hosts_needed=True) == set()
    assert faults(GOOD, hosts_needed=True) == set()

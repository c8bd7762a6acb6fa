"""Settings of the DICOM network: what goes together, and what the DICOM face is told."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kinote.dimse.transport.tls import TlsOptions
from kinote.peers.destination import Content, Policy
from kinote.peers.entities import ALL_SERVICES, ServiceName
from kinote.peers.from_settings import SettingsDestination
from kinote.peers.peer import Endpoint, EndpointKind, PeerRight, WantedPeer
from kinote.scp.options import ScpOptions
from kinote.settings.reading import SettingsError, read_settings


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KINOTE_")]:
        monkeypatch.delenv(name)


def refused(text: str) -> str:
    Path("kinote.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    return str(caught.value)


def taken(text: str) -> ScpOptions:
    Path("kinote.toml").write_text(text)
    return read_settings().scp_options()


def test_without_settings_the_face_has_its_own_defaults() -> None:
    assert read_settings().scp_options() == ScpOptions()


def test_the_face_is_told_what_is_set() -> None:
    options = taken("""
        ae_titles = [" KINOTE ", "OLD PACS"]
        any_called_title = true
        dicom_port = 0
        dicom_tls_port = 2762
        tls_certificate = "own.pem"
        tls_key = "own.key"
        tls_authorities = "known.pem"
        tls_client_certificates = true
        unknown_callers = false
        private_classes = false

        [[entities]]
        title = "CT1"
        host = "10.1.2.3"
        port = 104
        tls = true
        check_name = false
        services = ["store", "echo"]

        [[entities]]
        title = "PORTABLE"
    """)
    assert options == ScpOptions(
        titles=("KINOTE", "OLD PACS"),
        any_called_title=True,
        port=0,
        tls_port=2762,
        tls=TlsOptions(Path("own.pem"), Path("own.key"), Path("known.pem"), client_certificates=True),
        unknown_callers=False,
        private_classes=False,
    )


def test_entities_are_peers() -> None:
    Path("kinote.toml").write_text("""
        [[entities]]
        title = "CT1"
        host = "10.1.2.3"
        port = 104
        tls = true
        check_name = false
        services = ["store", "echo"]
        rights = ["reject"]
        description = "Ground floor"

        [[entities]]
        title = "PORTABLE"

        [[entities]]
        title = "CALLER"
        host = "ct.example"
    """)
    assert read_settings().peers() == [
        WantedPeer(
            "CT1",
            "Ground floor",
            ae_titles=("CT1",),
            hosts=("10.1.2.3",),
            services=frozenset({ServiceName.STORE, ServiceName.ECHO}),
            rights=frozenset({PeerRight.REJECT}),
            endpoints=(Endpoint(EndpointKind.DIMSE, "CT1", "10.1.2.3", 104, tls=True, check_name=False),),
        ),
        WantedPeer("PORTABLE", ae_titles=("PORTABLE",), hosts=(), services=ALL_SERVICES),
        WantedPeer("CALLER", ae_titles=("CALLER",), hosts=("ct.example",)),
    ]


def test_destinations_have_a_policy() -> None:
    Path("kinote.toml").write_text("""
        [[destinations]]
        name = "Archive"
        peer = "ARCHIVE"
        content = "key images"
        associations = 4
        rejection_notes = true
    """)
    (destination,) = read_settings().destinations
    policy = Policy(Content.KEY_IMAGES, associations=4, rejection_notes=True)
    assert destination.destination() == SettingsDestination("Archive", "ARCHIVE", policy=policy)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ('peer = "A"', "Destination 2 has no name. It must be 1 to 64"),
        ('name = " A"\npeer = "A"', "name of destination 2: ' A' is refused"),
        (
            'name = "A"\npeer = "A"\ncontent = "some"',
            "content of destination 2: 'some' is refused. It must be one",
        ),
        ('name = "A"\npeer = "A"\nassociations = 0', "associations of destination 2: 0 is refused"),
        (
            'name = "A"\npeer = "A"\nhours = 1',
            "Destination 2 has hours, which is no part of one. The parts are",
        ),
        ('name = "B"\npeer = "A"', "The name 'B' is there twice"),
    ],
)
def test_what_is_wrong_with_a_destination_is_told(part: str, said: str) -> None:
    message = refused(f'[[destinations]]\nname = "B"\npeer = "A"\n\n[[destinations]]\n{part}\n')
    assert message.startswith(f"destinations in {Path('kinote.toml').absolute()}: {said}")


@pytest.mark.parametrize("host", ["a..b", "a" * 64, "a b", ""])
def test_the_host_of_an_entity_is_one_that_can_be_looked_up(host: str) -> None:
    assert "host" in refused(f'[[entities]]\ntitle = "CT1"\nhost = "{host}"\nport = 104\n')


def test_entities_in_a_variable_are_json_and_go_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINOTE_ENTITIES", json.dumps([{"title": "MR1", "host": "mr.example"}]))
    monkeypatch.setenv("KINOTE_DICOM_PORT", "")
    options = taken('[[entities]]\ntitle = "CT1"\n')
    assert [peer.name for peer in read_settings().peers()] == ["MR1"]
    assert options.port is None


@pytest.mark.parametrize(
    ("entity", "said"),
    [
        ('host = "a.b"', "Entity 2 has no title. It must be an AE title"),
        ('title = "A\\\\B"', "title of entity 2: 'A\\\\B' is refused. It must be an AE title"),
        ('title = "A"\nport = 0\nhost = "a.b"', "port of entity 2: 0 is refused. It must be a whole number"),
        ('title = "A"\nhost = "http://a.b"', "host of entity 2: 'http://a.b' is refused"),
        ('title = "A"\nservices = ["print"]', "services of entity 2: 'print' is refused. It must be a list"),
        ('title = "A"\nprot = 1', "Entity 2 has prot, which is no part of one. The parts are title, host"),
        ('title = "A"\nport = 104', "'A' has a port, and no host"),
        ('title = "GOOD "', "The title 'GOOD' is there twice"),
    ],
)
def test_what_is_wrong_with_an_entity_is_told(entity: str, said: str) -> None:
    message = refused(f'[[entities]]\ntitle = "GOOD"\n\n[[entities]]\n{entity}\n')
    assert message.startswith(f"entities in {Path('kinote.toml').absolute()}: {said}")
    assert "\n" not in message


def test_there_is_at_least_one_title() -> None:
    assert refused("ae_titles = []").startswith("ae_titles in ")


@pytest.mark.parametrize("host", ["0.0.0.0", "10.1.2.3", "::"])
@pytest.mark.parametrize(
    "guard",
    [
        "",
        "unknown_callers = true",
        'unknown_callers = false\n[[entities]]\ntitle = "CT1"\nhost = "a.b"\n[[entities]]\ntitle = "CT2"',
        # Who comes without TLS shows no certificate.
        'tls_client_certificates = true\ntls_authorities = "a.pem"',
        'dicom_port = ""',
    ],
)
def test_an_address_that_is_not_loopback_is_refused_while_anybody_may_call(host: str, guard: str) -> None:
    message = refused(f'dicom_host = "{host}"\n{guard}\n')
    assert message.startswith(f"dicom_host in {Path('kinote.toml').absolute()}: '{host}' is refused: ")
    for name in ("unknown_callers", "host", "tls_client_certificates", "dicom_port"):
        assert name in message


@pytest.mark.parametrize(
    "guard",
    [
        "unknown_callers = false",
        'unknown_callers = false\n[[entities]]\ntitle = "CT1"\nhost = "a.b"',
        'dicom_port = ""\ntls_client_certificates = true\ntls_authorities = "a.pem"',
    ],
)
def test_an_address_that_is_not_loopback_is_taken_when_only_those_named_come_in(guard: str) -> None:
    assert taken(f'dicom_host = "0.0.0.0"\n{guard}\n').host == "0.0.0.0"


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("dicom_tls_port = 2762", "dicom_tls_port", "set tls_certificate too"),
        ('dicom_tls_port = 11112\ntls_certificate = "a"', "dicom_tls_port", "cannot share a port"),
        ('tls_key = "a"', "tls_key", "set tls_certificate too"),
        ("tls_client_certificates = true", "tls_client_certificates", "set tls_authorities too"),
    ],
)
def test_what_does_not_go_together_is_told(text: str, name: str, said: str) -> None:
    message = refused(text)
    assert message.startswith(f"{name} in ")
    assert said in message


def test_all_that_does_not_go_together_is_told_at_once() -> None:
    message = refused('dicom_host = "0.0.0.0"\ntls_key = "a"\ntls_client_certificates = true')
    assert [line.split(" in ")[0] for line in message.splitlines()] == [
        "dicom_host",
        "tls_key",
        "tls_client_certificates",
    ]

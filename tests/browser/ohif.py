"""OHIF Viewer, a widely used web viewer, in front of a running Kinote, as it would be installed at a site.

Its build comes from npm, into a cache folder outside of the repository, and is used only if its digest is the one
that is written here.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import subprocess
import tarfile
import tempfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from hatch_build import find_npm

VERSION = "3.13.2"
PACKAGE = "@ohif/app"
INTEGRITY = "WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="

#: What a site that has OHIF in front of a DICOMweb server writes into its `app-config.js`.
CONFIGURATION = {
    "routerBasename": "/",
    "extensions": [],
    "modes": [],
    "showStudyList": True,
    "showWarningMessageForCrossOrigin": False,
    "showCPUFallbackMessage": False,
    "maxNumberOfWebWorkers": 1,
    "showErrorDetails": "always",
    "investigationalUseDialog": {"option": "never"},
    "defaultDataSourceName": "dicomweb",
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "dicomweb",
            "configuration": {
                "friendlyName": "Kinote",
                "name": "kinote",
                "wadoUriRoot": "/dicomweb",
                "qidoRoot": "/dicomweb",
                "wadoRoot": "/dicomweb",
                "qidoSupportsIncludeField": True,
                "imageRendering": "wadors",
                "thumbnailRendering": "wadors",
                "enableStudyLazyLoad": True,
                "supportsFuzzyMatching": False,
                "supportsWildcard": True,
                "omitQuotationForMultipartRequest": True,
                "bulkDataURI": {"enabled": True},
            },
        }
    ],
}


def build() -> Path:
    """Return the folder of OHIF's build. Fetches it with npm at the first use."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kinote-tests"
    folder = cache / f"ohif-{VERSION}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as making:
            try:
                package = _fetched(Path(making))
            except (OSError, subprocess.SubprocessError) as error:
                if os.environ.get("CI") == "true":
                    raise
                pytest.skip(f"OHIF could not be fetched: {error}")
            _unpack(package, Path(making))
            # Another run may have been quicker.
            if not folder.exists():
                (Path(making) / "package" / "dist").rename(folder)
    return folder


def _fetched(folder: Path) -> Path:
    npm = find_npm()
    assert npm is not None, "OHIF's build is fetched with npm, which is missing."
    path = os.pathsep.join((str(npm.node_folder), os.environ.get("PATH", os.defpath)))
    subprocess.run(
        [*npm.command, "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", str(folder)],
        cwd=folder,
        env={**os.environ, "PATH": path},
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=300,
    )
    (package,) = folder.glob("*.tgz")
    found = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    assert found == INTEGRITY, f"{PACKAGE} {VERSION} has another digest than it had: {found}"
    return package


def _unpack(package: Path, folder: Path) -> None:
    with tarfile.open(package) as archive:
        archive.extractall(folder, filter="data")


class OhifSite:
    """OHIF's files and Kinote's DICOMweb under one address, as a reverse proxy puts them, while the block lasts."""

    def __init__(self, kinote: str) -> None:
        handler = partial(_Handler, kinote, directory=str(build()))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, name="ohif-site")
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> OhifSite:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, kinote: str, *arguments: object, **more: object) -> None:
        self._kinote = urlsplit(kinote)
        super().__init__(*arguments, **more)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path.startswith("/dicomweb/"):
            self._pass_on()
        elif path == "/app-config.js":
            self._say(f"window.config = {json.dumps(CONFIGURATION)};".encode())
        else:
            if not Path(self.translate_path(path)).is_file():
                # A page of the application, which finds out itself which one.
                self.path = "/index.html"
            super().do_GET()

    def _pass_on(self) -> None:
        connection = http.client.HTTPConnection(str(self._kinote.hostname), self._kinote.port, timeout=60)
        try:
            wanted = {name: value for name, value in self.headers.items() if name.lower() in _PASSED_ON}
            connection.request("GET", self.path, headers=wanted)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        self.send_response(answer.status)
        for name in ("Content-Type", "Warning"):
            if (value := answer.headers.get(name)) is not None:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


_PASSED_ON = ("accept", "range")

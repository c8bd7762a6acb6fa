"""The viewer's files at `/`: its assets, and its page for every address of the viewer."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response

from kinote.web.problems import UnknownResourceError
from kinote.web.rooms import rooms_of

#: Vite puts a hash of the content into the names below this folder.
_HASHED = "assets"

#: First path segments of addresses that never belong to the viewer.
_SERVICES = frozenset({"api", "dicomweb", "fhir"})

#: The longest path that is looked for on the disk, in bytes. File systems allow 255 for a name.
_LONGEST = 255

_NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Kinote</title></head>
<body><h1>Kinote is running; its viewer is not built</h1>
<p>Build it with <code>./scripts/run</code>, or in the folder <code>viewer</code> with
<code>npm ci --ignore-scripts</code> and <code>npm run build</code>.</p>
<p>The servers are there: <a href="/dicomweb/studies">DICOMweb</a>,
<a href="/api/v1/openapi.json">REST API</a>.</p></body></html>
"""

# The system's own table may lack these or differ.
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("application/wasm", ".wasm")
mimetypes.add_type("image/svg+xml", ".svg")


async def viewer_file(request: Request) -> Response:
    """Return a file of the viewer; or its page, for an address that is not a file, such as `/studies/1.2.3`."""
    root = rooms_of(request).options.viewer
    path = request.path_params["path"]
    found = await to_thread.run_sync(lambda: _file(root, path))
    if found is None:
        return HTMLResponse(_NOT_BUILT, status_code=503)
    if found.name == "index.html":
        cached = "no-cache"
    elif found.parent.name == _HASHED:
        cached = "public, max-age=31536000, immutable"
    else:
        cached = "public, max-age=3600"
    return FileResponse(found, headers={"Cache-Control": cached})


def _file(root: Path, path: str) -> Path | None:
    """Return the file for a path; None if the viewer is not built."""
    if path.partition("/")[0] in _SERVICES:
        raise UnknownResourceError(f"There is nothing at /{path}.")
    index = root / "index.html"
    if not index.is_file():
        return None
    if len(path.encode()) > _LONGEST or "\0" in path:
        # Such a name cannot exist on a disk.
        return index
    wanted = (root / path).resolve()
    if not wanted.is_relative_to(root.resolve()):
        raise UnknownResourceError("There is no such file.")
    if wanted.is_file():
        return wanted
    if path.startswith(f"{_HASHED}/"):
        raise UnknownResourceError(f"There is nothing at /{path}.")
    return index

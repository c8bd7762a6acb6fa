"""The capabilities of the studies service, as a WADL document (PS3.18 8.9 and annex H)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from xml.etree import ElementTree

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from kinote.web.bodies.negotiation import accepted, choose
from kinote.web.dicomweb.addresses import ROOT, Addresses
from kinote.web.problems import NotAcceptableError, UnknownResourceError

_WADL = "application/vnd.sun.wadl+xml"
_NAMESPACE = "http://wadl.dev.java.net/2009/02"

_JSON, _MULTIPART, _DICOM = "application/dicom+json", "multipart/related", "application/dicom"
_PICTURES = ("image/jpeg", "image/png", "image/gif")

#: The media types of responses, by the end of the path.
_ANSWERS: dict[str, tuple[str, ...]] = {
    "studies": (_JSON,),
    "series": (_JSON,),
    "instances": (_JSON,),
    "metadata": (_JSON,),
    "rendered": (_MULTIPART, *_PICTURES),
    "thumbnail": _PICTURES,
    "{transaction}": (_JSON,),
    "{frames}": (_MULTIPART, "application/octet-stream"),
    "{path:path}": ("application/octet-stream", _MULTIPART),
}

#: The media types that can be stored (PS3.18 Table 10.5.2-1).
STORED = (_MULTIPART, _DICOM, _JSON)


def answers_of(route: Route, method: str) -> tuple[str, ...]:
    """Return the media types of responses, the default first."""
    if method == "POST":
        return (_JSON,)
    return _ANSWERS.get(route.path.rsplit("/", 1)[1], (_MULTIPART, _DICOM))


def capabilities(routes: Sequence[Route]) -> Callable[[Request], Awaitable[Response]]:
    """Return the OPTIONS handler of these resources: all of them for the service, else the one requested."""

    async def describe(request: Request) -> Response:
        media_type = choose(accepted(request), (_WADL, "application/xml"))
        if media_type is None:
            raise NotAcceptableError(f"Capabilities are described as {_WADL}.")
        path = request.path_params.get("path", "").strip("/")
        wanted = [route for route in routes if not path or _is_about(route, request)]
        if not wanted:
            raise UnknownResourceError("The service has no such resource.")
        methods = sorted({method for route in wanted for method in route.methods or ()} | {"OPTIONS"})
        return Response(
            _document(wanted, Addresses(request).service),
            media_type=media_type,
            headers={"Allow": ", ".join(methods), "Cache-Control": "private, no-cache"},
        )

    return describe


def _is_about(route: Route, request: Request) -> bool:
    return route.matches(dict(request.scope))[0] is not Match.NONE


def _document(routes: Iterable[Route], base: str) -> bytes:
    application = ElementTree.Element("application", {"xmlns": _NAMESPACE})
    resources = ElementTree.SubElement(application, "resources", {"base": f"{base}/"})
    described: dict[str, ElementTree.Element] = {}
    for route in routes:
        path = route.path.removeprefix(f"{ROOT}/").replace(":path}", "}")
        resource = described.get(path)
        if resource is None:
            resource = described[path] = ElementTree.SubElement(resources, "resource", {"path": path})
        for method in sorted(route.methods or ()):
            _method(resource, method, route)
    ElementTree.indent(application)
    written: bytes = ElementTree.tostring(application, encoding="utf-8", xml_declaration=True)
    return written


def taken_by(route: Route) -> tuple[str, ...]:
    """Return the media types that a POST accepts."""
    return (_JSON,) if route.path.endswith("{transaction}") else STORED


def _method(resource: ElementTree.Element, name: str, route: Route) -> None:
    method = ElementTree.SubElement(
        resource, "method", {"name": name, "id": f"{route.endpoint.__name__}-{name}"}
    )
    if name == "POST":
        request = ElementTree.SubElement(method, "request")
        for media_type in taken_by(route):
            ElementTree.SubElement(request, "representation", {"mediaType": media_type})
    response = ElementTree.SubElement(method, "response", {"status": "200"})
    if name != "HEAD":
        for media_type in answers_of(route, name):
            ElementTree.SubElement(response, "representation", {"mediaType": media_type})

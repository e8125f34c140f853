"""/openapi.json, made from the very routes and structs that the server runs on (OpenAPI 3.1). Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from liveclass import __version__
from liveclass.server.routing import Route

_PARAMETER = re.compile(r"{(\w+)}")
_PARAMETERS = {
    "lesson": "the lesson's id",
    "session": "the session's id, from Location",
    "material": "the material's id",
    "file": "`<sha-256 in hex>.<webp, json, mp3, m4a or mp4>`",
    "role": "teacher, classroom or replay",
    "name": "name of a playlist or segment",
    "prefix": "expiry and signature, as given by /api/replays",
}

Json = dict[str, Any]


class ErrorDetail(msgspec.Struct, frozen=True):
    """`code` is stable and for programs, `message` one sentence for people."""

    code: str
    message: str


class Error(msgspec.Struct, frozen=True):
    """Every refusal has this shape."""

    error: ErrorDetail


def describe(routes: Iterable[Route]) -> Json:
    """The description of all routes that are part of the public API."""
    described = [route for route in routes if route.described]
    structs: list[type] = [Error]
    for route in described:
        structs += [shape for shape in (route.request, route.response) if isinstance(shape, type)]
    _, components = msgspec.json.schema_components(
        list(dict.fromkeys(structs)), ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, Json] = {}
    for route in described:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "liveclass",
            "version": __version__,
            "description": "Lessons, media sessions (WHIP, WHEP) and replays of a live classroom.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The admin token, a link's token, or the media token of a page.",
                }
            },
        },
    }


def _operation(route: Route) -> Json:
    words = [route.method.lower(), *re.findall(r"\w+", route.path)]
    operation: Json = {
        "operationId": "_".join(words),
        "summary": route.summary,
        "responses": {str(route.status): _response(route.summary, route.response)},
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "description": _PARAMETERS[name], "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
    ]
    parameters += [
        {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in route.query.items()
    ]
    if route.method == "PATCH":
        parameters.append(
            {
                "name": "If-Match",
                "in": "header",
                "required": True,
                "description": "`*` or the session's entity tag",
                "schema": {"type": "string"},
            }
        )
    if parameters:
        operation["parameters"] = parameters
    if route.request is not None:
        operation["requestBody"] = {"required": True, "content": _content(route.request)}
    for status, text in route.refusals.items():
        response = _response(text, Error if status >= 400 else None)
        operation["responses"][str(status)] = response
    if route.access:
        operation["security"] = [{"bearer": []}]
        operation["description"] = f"For the token of: {', '.join(_callers(sorted(route.access)))}."
    return operation


def _callers(access: Sequence[str]) -> list[str]:
    return [caller if caller == "admin" else f"{caller} link" for caller in access]


def _response(text: str, shape: type | str | None) -> Json:
    response: Json = {"description": text or "done"}
    if shape is not None:
        response["content"] = _content(shape)
    return response


def _content(shape: type | str) -> Json:
    if isinstance(shape, str):
        return {shape: {"schema": {"type": "string"}}}
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{shape.__name__}"}}}

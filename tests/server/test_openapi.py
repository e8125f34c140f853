"""/openapi.json: well-formed, complete, and true to the routes; docs/api.md and docs/signalling.md keep up."""

import re
from pathlib import Path
from typing import Any

import msgspec

from liveclass.lesson.protocol import ClientMessage, ServerMessage
from liveclass.server.app import ROUTES
from tests.server.stage import Stage

DOCS = Path(__file__).resolve().parents[2] / "docs"
STATUS = re.compile(r"^[1-5]\d\d$")


async def description(stage: Stage) -> dict[str, Any]:
    response = await stage.client.get("/openapi.json")
    assert (response.status, response.content_type) == (200, "application/json")
    described: dict[str, Any] = await response.json()
    return described


def references(node: Any) -> list[str]:
    """Every $ref below the node."""
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for child in node.values() for found in references(child)]
    if isinstance(node, list):
        return [found for child in node for found in references(child)]
    return []


async def test_the_description_has_the_shape_of_openapi_3_1(stage: Stage) -> None:
    document = await description(stage)
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= set(document["info"])
    identifiers: list[str] = []
    for path, operations in document["paths"].items():
        assert path.startswith("/")
        for method, operation in operations.items():
            assert method in ("get", "head", "post", "patch", "delete", "options")
            identifiers.append(operation["operationId"])
            assert operation["summary"]
            assert operation["responses"]
            for status, response in operation["responses"].items():
                assert STATUS.match(status)
                assert response["description"]
                assert all("schema" in media for media in response.get("content", {}).values())
            parameters = operation.get("parameters", [])
            in_path = [p["name"] for p in parameters if p["in"] == "path"]
            assert sorted(in_path) == sorted(re.findall(r"{(\w+)}", path))
            assert all(p["required"] is True for p in parameters if p["in"] == "path")
            assert len({(p["name"], p["in"]) for p in parameters}) == len(parameters)
            for requirement in operation.get("security", []):
                assert set(requirement) <= set(document["components"]["securitySchemes"])
    assert len(set(identifiers)) == len(identifiers)


async def test_every_reference_leads_to_a_schema_and_every_schema_is_used(stage: Stage) -> None:
    document = await description(stage)
    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) == schemas


async def test_every_route_of_the_api_is_described_and_in_the_docs(stage: Stage) -> None:
    app = stage.client.app
    assert app is not None
    document = await description(stage)
    text = (DOCS / "api.md").read_text("utf-8")
    undocumented = []
    for route in app[ROUTES]:
        if route.described:
            assert route.method.lower() in document["paths"][route.path]
        if f"`{route.method} {route.path}`" not in text and route.described:
            undocumented.append(f"{route.method} {route.path}")
    assert undocumented == []


async def test_answers_are_what_the_description_says(stage: Stage) -> None:
    document = await description(stage)
    lesson = await stage.lesson()
    shown = await stage.show(lesson["id"])
    for name, value in (("LessonCreated", lesson), ("LessonDetail", shown)):
        schema = document["components"]["schemas"][name]
        assert set(schema["properties"]) == set(value)
        assert set(schema["required"]) == set(value)


def test_every_message_and_each_of_its_fields_is_in_the_docs() -> None:
    text = (DOCS / "signalling.md").read_text("utf-8")
    sections = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL))
    missing = []
    for shape in (*ClientMessage.__args__, *ServerMessage.__args__):
        tag = shape.__struct_config__.tag
        section = sections.get(tag)
        if section is None:
            missing.append(tag)
            continue
        missing += [f"{tag}.{f.name}" for f in msgspec.structs.fields(shape) if f"`{f.name}`" not in section]
    assert missing == []
    tags = {shape.__struct_config__.tag for shape in (*ClientMessage.__args__, *ServerMessage.__args__)}
    assert set(sections) - tags == set()


def test_every_code_of_a_refusal_is_in_the_docs() -> None:
    source = DOCS.parent / "src" / "liveclass"
    text = "".join((DOCS / name).read_text("utf-8") for name in ("api.md", "signalling.md"))
    codes: set[str] = set()
    for folder in ("server", "lesson"):
        for path in (source / folder).glob("*.py"):
            codes |= set(re.findall(r'code="(\w+)"', path.read_text("utf-8")))
    assert len(codes) > 20
    assert [code for code in sorted(codes) if f"`{code}`" not in text] == []

"""The pages compile against the very messages that the server speaks."""

from pathlib import Path
from types import ModuleType
from typing import Literal

import msgspec
import pytest

from liveclass.lesson import protocol
from liveclass.lesson.typescript import typescript

GENERATED = Path(__file__).parents[2] / "web" / "src" / "generated" / "messages.ts"


class Nested(msgspec.Struct):
    shade: Literal["light", "dark"]
    note: str | None = None


class Asked(msgspec.Struct, tag="asked"):
    """Says "hello" and */ ends no comment."""

    items: list[Nested]
    counts: list[int | str]
    quick: bool = False


class Gone(msgspec.Struct, tag="gone"):
    pass


class Told(msgspec.Struct, tag="told"):
    kind: Literal["light", "dark", ""] = ""


def toy(**changes: object) -> ModuleType:
    """A small module laid out like `liveclass.lesson.messages`."""
    module = ModuleType(__name__)
    for name in ("Role", "LessonState", "RecordingState", "Quality", "SourceKind"):
        setattr(module, name, Literal["light", "dark"] if name == "Role" else Literal["x", "y", "z"])
    module.__dict__.update(
        PROTOCOL_VERSION=7,
        ClientMessage=Asked | Gone,
        ServerMessage=Told | Gone,
        Nested=Nested,
        Asked=Asked,
        Told=Told,
    )
    module.__dict__.update(changes)
    return module


def test_the_file_in_the_repository_is_the_generated_one() -> None:
    assert GENERATED.read_text() == typescript(), (
        "run: python -m liveclass.lesson.typescript > web/src/generated/messages.ts"
    )


def test_every_message_is_in_its_family() -> None:
    text = typescript()
    for union, name in ((protocol.ClientMessage, "ClientMessage"), (protocol.ServerMessage, "ServerMessage")):
        members = "".join(f"\n  | {member.__name__}" for member in union.__args__)
        assert f"export type {name} ={members};" in text


def test_a_page_may_leave_out_what_has_a_default_and_the_server_may_not() -> None:
    text = typescript(toy())
    assert (
        'type: "asked";\n  items: readonly Nested[];\n  counts: readonly (number | string)[];\n  quick?: boolean;'
        in text
    )
    assert 'type: "told";\n  kind: Role | "";' in text


def test_nested_structs_are_as_loose_as_what_holds_them() -> None:
    assert "shade: Role;\n  note?: string | null;" in typescript(toy())


def test_a_docstring_cannot_end_its_comment() -> None:
    assert '/** Says "hello" and *\\/ ends no comment. */' in typescript(toy())


def test_a_type_without_a_rule_stops_the_generator() -> None:
    odd = msgspec.defstruct("Odd", [("raw", bytes)], module=__name__)
    with pytest.raises(TypeError, match="BytesType"):
        typescript(toy(Odd=odd))

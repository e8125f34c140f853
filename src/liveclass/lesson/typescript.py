"""The signalling messages as TypeScript; as a program it prints the text of `web/src/generated/messages.ts`.

This module knows how msgspec types look in TypeScript, and nothing of what the messages mean. A type that has no rule
here stops the generator, so that a page never compiles against a guess.
"""

import inspect
import json
import sys
from typing import Any, get_args

import msgspec.inspect as mi
from msgspec import Struct

from liveclass.lesson import protocol

HEADER = """\
// Generated from src/liveclass/lesson/protocol.py by `python -m liveclass.lesson.typescript`. Do not edit.
"""

ALIASES = (
    "Role",
    "LessonState",
    "RecordingState",
    "Quality",
    "SourceKind",
    "Tool",
    "StageKind",
    "CameraKind",
    "Mode",
    "Sign",
    "Cause",
    "MaterialKind",
    "MaterialState",
    "PollState",
)
UNIONS = ("ClientMessage", "ServerMessage", "BoardEvent", "BoardOrder")


def typescript(module: Any = protocol) -> str:
    """The whole of `messages.ts`.

    Args:
        module: a module laid out like `liveclass.lesson.protocol`: both families and `PROTOCOL_VERSION`, with structs,
            the literal types named in `ALIASES` and the further unions of `UNIONS` in the modules of its `MODULES`.

    Returns:
        TypeScript source that ends in a newline.

    Raises:
        TypeError: a field has a type that no rule covers.
    """
    modules = (module, *getattr(module, "MODULES", ()))
    known = {name: value for part in reversed(modules) for name, value in vars(part).items()}
    aliases = {_literal_key(known[name]): name for name in ALIASES if name in known}
    parts = [HEADER, f"export const PROTOCOL_VERSION = {module.PROTOCOL_VERSION};\n"]
    for name in aliases.values():
        values = " | ".join(_literal(value) for value in get_args(known[name]))
        parts.append(f"export type {name} = {values};\n")
    incoming = _reachable(module.ClientMessage)
    for struct in (struct for part in modules for struct in _structs(part)):
        parts.append(_interface(struct, aliases, sent_by_page=struct in incoming))
    for name in (name for name in UNIONS if name in known):
        members = "".join(f"\n  | {member.__name__}" for member in get_args(known[name]))
        parts.append(f"export type {name} ={members};\n")
    return "\n".join(parts)


def _structs(module: Any) -> list[type]:
    """The structs of a module in the order of its text."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Struct) and value.__module__ == module.__name__
    ]


def _reachable(union: Any) -> set[type]:
    """The structs that a union's messages hold, themselves included."""
    seen: set[type] = set()
    waiting: list[mi.Type] = [mi.type_info(union)]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, mi.StructType) and kind.cls not in seen:
            seen.add(kind.cls)
            waiting.extend(field.type for field in kind.fields)
        elif isinstance(kind, mi.UnionType):
            waiting.extend(kind.types)
        elif isinstance(kind, mi.ListType):
            waiting.append(kind.item_type)
        elif isinstance(kind, mi.Metadata):
            waiting.append(kind.type)
    return seen


def _interface(struct: type, aliases: dict[frozenset[Any], str], *, sent_by_page: bool) -> str:
    """One struct.

    A field with a default may be left out by a page. The server leaves one out only where the struct omits defaults
    (`omit_defaults=True`), so what a page reads is otherwise always there.
    """
    info = mi.type_info(struct)
    if not isinstance(info, mi.StructType):
        raise TypeError(f"{struct.__name__} is no struct")
    config = struct.__struct_config__  # type: ignore[attr-defined]
    lines = [_comment(struct.__doc__)]
    lines.append(f"export interface {struct.__name__} {{\n")
    if info.tag is not None:
        lines.append(f"  {info.tag_field}: {_literal(info.tag)};\n")
    for field in info.fields:
        optional = not field.required and (sent_by_page or config.omit_defaults)
        lines.append(f"  {field.encode_name}{'?' if optional else ''}: {_type(field.type, aliases)};\n")
    lines.append("}\n")
    return "".join(lines)


def _type(kind: mi.Type, aliases: dict[frozenset[Any], str]) -> str:
    match kind:
        case mi.Metadata():
            return _type(kind.type, aliases)
        case mi.StructType():
            return kind.cls.__name__
        case mi.StrType():
            return "string"
        case mi.BoolType():
            return "boolean"
        case mi.IntType() | mi.FloatType():
            return "number"
        case mi.NoneType():
            return "null"
        case mi.LiteralType():
            return _literals(kind, aliases)
        case mi.ListType():
            item = _type(kind.item_type, aliases)
            return f"readonly ({item})[]" if " | " in item else f"readonly {item}[]"
        case mi.UnionType():
            return " | ".join(_type(member, aliases) for member in kind.types)
        case _:
            raise TypeError(f"no TypeScript rule for {type(kind).__name__}")


def _literals(kind: mi.LiteralType, aliases: dict[frozenset[Any], str]) -> str:
    """A literal type by its alias where it has one; a few more values beside an alias are written after it."""
    values = frozenset(kind.values)
    for known, name in sorted(aliases.items(), key=lambda item: -len(item[0])):
        if known == values or (known < values and len(values - known) == 1):
            rest = [value for value in kind.values if value not in known]
            return " | ".join([name, *(_literal(value) for value in rest)])
    return " | ".join(_literal(value) for value in kind.values)


def _literal_key(alias: Any) -> frozenset[Any]:
    return frozenset(get_args(alias))


def _literal(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value)
    return str(value)


def _comment(text: str | None) -> str:
    if not text:
        return ""
    lines = inspect.cleandoc(text).replace("*/", "*\\/").splitlines()
    if len(lines) == 1:
        return f"/** {lines[0]} */\n"
    return "/**\n" + "".join(f" * {line}".rstrip() + "\n" for line in lines) + " */\n"


if __name__ == "__main__":
    sys.stdout.write(typescript())

"""The settings as people read them: the page `docs/settings.md`, and the values in force.

Everything comes from `config`; this module adds words only.
"""

from itertools import groupby

from liveclass.config import Described, Settings, described

_INTRODUCTION = """\
# Settings

Every setting can be given in three ways. The first of them that says something wins:

1. as an option of `liveclass serve` and `liveclass demo`: `--udp-port 7001`;
2. as a variable of the environment: `LIVECLASS_UDP_PORT=7001` (an empty one counts as not set);
3. in a TOML file that `--config FILE` or `LIVECLASS_CONFIG` names: `udp_port = 7001`.

Options that are either on or off have a counterpart: `--record`, `--no-record`. Variables take `true` or `false`. In
TOML a comma-separated setting may be a list. Relative paths are relative to the working directory. Give secrets as
variables or in the file, not as options: the options of a program can be seen by every user of its machine.

`liveclass settings` prints the values in force. A value that does not fit ends the program with exit code 2 and a
sentence that names the setting and what it expects.

This page is made by `liveclass settings --markdown`.
"""


def page() -> str:
    """The text of `docs/settings.md`."""
    parts = [_INTRODUCTION]
    for heading, group in groupby(described(), key=lambda about: about.heading):
        parts.append(f"\n## {heading}\n")
        parts += [_entry(about) for about in group]
    return "\n".join(parts)


def values(settings: Settings) -> str:
    """The settings in force as TOML; what is secret is named, not shown, and what is not set is left out."""
    lines: list[str] = []
    for heading, group in groupby(described(), key=lambda about: about.heading):
        lines.append(f"{chr(10) if lines else ''}# {heading}")
        for about in group:
            value = getattr(settings, about.name)
            if about.secret:
                lines.append(f"# {about.name}: {'set, not shown' if value else 'not set'}")
            elif value is None:
                lines.append(f"# {about.name}: not set")
            else:
                lines.append(f"{about.name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def shown_default(about: Described) -> str:
    """The default in a word: numbers with their unit, nothing for nothing."""
    if about.default is None or about.default == "":
        return "not set"
    if isinstance(about.default, bool):
        return "on" if about.default else "off"
    if isinstance(about.default, int | float):
        return f"{about.default:g}" if isinstance(about.default, float) else str(about.default)
    return str(about.default)


def _entry(about: Described) -> str:
    help_text = about.help[0].upper() + about.help[1:]
    option = f"`{about.option}`" + (f", `--no-{about.option[2:]}`" if about.type is bool else "")
    secret = " Secret: never printed or logged." if about.secret else ""
    unit = f" {about.unit}" if about.unit and about.unit != "1/s" else " per second" if about.unit else ""
    return (
        f"### {about.name}\n\n{help_text}.{secret}\n\n"
        f"Option {option}, variable `{about.variable}`. "
        f"Expects {about.expected}. Default: {shown_default(about)}{unit}.\n"
    )


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'

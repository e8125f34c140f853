"""One settings object, from options, `LIVECLASS_*` variables and a TOML file, in that order of weight.

This module knows what can be set, what each setting is for and which values make sense; it opens no port and no
database. Every other module takes the values it needs as arguments.
"""

# ruff: noqa: RUF009  (`setting` makes a dataclass field; ruff knows that of `field` alone)

import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints
from urllib.parse import urlsplit

from liveclass.errors import UsageError

VARIABLE_PREFIX = "LIVECLASS_"
CONFIG_VARIABLE = "LIVECLASS_CONFIG"
SERVER_VARIABLE = "LIVECLASS_SERVER"

# 16 random bytes in base64url are 22 characters; a shorter token is one that someone thought up.
SHORTEST_TOKEN = 16

_TURN_URL = re.compile(
    r"turns?:(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?(?:\?transport=(?:udp|tcp))?"
)
"""RFC 7065 section 3.1, with the two transports that browsers know."""

_REDIS_SCHEMES = frozenset({"redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"})

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


def setting(
    default: Any,
    help: str,
    *,
    secret: bool = False,
    unit: str = "",
    least: float | None = None,
    most: float | None = None,
    heading: str = "",
) -> Any:
    """A field of `Settings`.

    Args:
        help: one line on what it is for.
        secret: its value is never printed.
        unit: what a number counts.
        least: smallest number that makes sense; `most` the largest.
        heading: set on the first setting of a group, which all that follow belong to.
    """
    metadata = {"help": help, "secret": secret, "unit": unit, "least": least, "most": most, "heading": heading}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. Option `--udp-port`, variable `LIVECLASS_UDP_PORT` and TOML `udp_port` are one."""

    host: str = setting("0.0.0.0", "address to listen on, for HTTP and media", heading="Where it listens")  # noqa: S104
    port: int = setting(8080, "TCP port of pages, API and signalling; 0: any free one", least=0, most=65535)
    udp_port: int = setting(7000, "UDP port of all media; 0: any free one", least=0, most=65535)
    public_address: str = setting(
        "", "addresses under which browsers reach this machine, comma-separated IPs; empty: found by itself"
    )
    public_url: str = setting("", "URL under which browsers reach the pages; empty: from the request")
    data_dir: Path = setting(Path("data"), "folder for database, recordings, secrets")
    database_url: str = setting("", "SQLAlchemy URL; empty: SQLite in the data folder", secret=True)
    database_pool: int = setting(
        5, "connections of each process to a database server at most (PostgreSQL's `max_connections` is 100)", least=1
    )
    admin_token: str = setting("", "bearer token of the admin API; empty: made at the first start", secret=True)

    tls_certificate: Path | None = setting(None, "PEM file with certificate and chain", heading="HTTPS")
    tls_key: Path | None = setting(None, "PEM file with the private key")
    tls_self_signed: bool = setting(False, "make and reuse a self-signed certificate (for a LAN)")
    trusted_proxies: str = setting("", "addresses or networks whose X-Forwarded-* headers count, comma-separated")
    allowed_origins: str = setting("", "further origins that may open the signalling socket, comma-separated")

    max_lessons_live: int = setting(200, "lessons that may be live at a time", least=1, heading="Lessons")
    max_participants: int = setting(500, "participants of one lesson, all roles", least=2)
    max_sessions: int = setting(2000, "media sessions of this process", least=1)
    max_teachers: int = setting(2, "volunteers who may publish in one lesson", least=1)
    max_called: int = setting(3, "classrooms that may be called at a time", least=0)
    max_speaking: int = setting(3, "called classrooms that other classrooms hear at once: the loudest", least=0)
    call_grace_s: float = setting(
        600.0,
        "how long a called classroom may be without page and media before it loses the call",
        unit="s",
        least=5,
        most=3600,
    )
    abandoned_after_s: float = setting(
        7200.0,
        "a live lesson without any teacher for this long ends by itself",
        unit="s",
        least=60,
        most=7 * 86_400,
    )
    session_timeout_s: float = setting(
        30.0, "silence after which a media session is closed (RFC 7675)", unit="s", least=5, most=600
    )
    default_language: str = setting("zh-CN", "language of pages and lessons where nothing says otherwise")

    max_events: int = setting(
        200_000, "events in one lesson's timeline; beyond it the board takes no more", least=100, heading="Blackboard"
    )
    max_timeline_bytes: int = setting(64 * 1024 * 1024, "the same in bytes on disk", unit="bytes", least=100_000)
    max_page_strokes: int = setting(2_000, "strokes on one page of the board", least=10)
    max_board_pages: int = setting(400, "blank boards of one lesson", least=1, most=9_999)
    max_materials: int = setting(50, "decks, songs and films of one lesson", least=1)
    thumbnails_kbps: float = setting(
        100.0, "what all thumbnails together may cost a volunteer's page", unit="kbit/s", least=5, most=10_000
    )

    record: bool = setting(True, "record the volunteers' sound, camera and screen", heading="Recording")
    record_classrooms: bool = setting(False, "record sound and camera of called classrooms too (needs consent)")
    record_light: bool = setting(
        True, "make a light rendition, sound alone at 24 kbit/s, of each finished recording, in spare processor time"
    )
    classroom_replay: bool = setting(False, "the classroom link opens the replay too, and the ended lesson shows it")
    fragment_s: float = setting(1.0, "longest fragment: what a crash can lose", unit="s", least=0.1, most=10)
    segment_s: float = setting(
        10.0, "aimed length of a segment; each costs the volunteer a keyframe", unit="s", least=1, most=60
    )
    disk_floor_bytes: int = setting(512 * 1024 * 1024, "recording stops when less is free", unit="bytes", least=0)
    recording_queue_bytes: int = setting(
        64 * 1024 * 1024,
        "media that may wait for a slow disk, all lessons together; beyond it recording pauses",
        unit="bytes",
        least=1_000_000,
    )
    recording_reorder_s: float = setting(
        2.5, "how long the recorder waits for a lost packet to be sent again", unit="s", least=0.1, most=10
    )
    recording_max_clips: int = setting(
        500, "screens, second voices and classrooms recorded beside one lesson's main track", least=1
    )

    max_upload_bytes: int = setting(
        100_000_000,
        "largest slides, song or film that may be uploaded",
        unit="bytes",
        least=10_000,
        most=2_000_000_000,
        heading="Slides, songs and films",
    )
    max_pages: int = setting(300, "pages of one deck of slides", least=1, most=2000)
    max_lesson_material_bytes: int = setting(
        1_000_000_000, "size of one lesson's decks, songs and films in all", unit="bytes", least=0
    )
    max_uploads: int = setting(8, "files that may come at a time, all lessons together", least=1)
    max_media_s: float = setting(3600.0, "longest song or film", unit="s", least=1, most=4 * 3600)
    material_workers: int = setting(
        2, "processes that make slides, songs and films, last in line for the processor", least=1, most=64
    )
    material_page_s: float = setting(
        30.0, "how long one page may take before its file counts as hostile", unit="s", least=1, most=600
    )
    material_work_s: float = setting(
        1800.0, "how long one deck, song or film may take in all", unit="s", least=10, most=86_400
    )
    material_memory_bytes: int = setting(
        1536 * 1024 * 1024,
        "address space of each such process (LibreOffice's has 4 GiB)",
        unit="bytes",
        least=512 * 1024 * 1024,
    )

    max_sdp_bytes: int = setting(
        64 * 1024,
        "largest SDP accepted",
        unit="bytes",
        least=4096,
        most=1024 * 1024,
        heading="Bounds on what peers send",
    )
    max_body_bytes: int = setting(
        64 * 1024, "largest request body of the API", unit="bytes", least=1024, most=16 * 1024 * 1024
    )
    max_message_bytes: int = setting(
        16 * 1024, "largest signalling message", unit="bytes", least=1024, most=1024 * 1024
    )
    messages_per_s: float = setting(40.0, "signalling messages per second and socket, long-term", unit="1/s", least=1)
    posts_per_s: float = setting(
        20.0, "WHIP, WHEP and API requests per second and client address", unit="1/s", least=0.1
    )
    line_checks_per_s: float = setting(
        2.0,
        "measurements of a line (up to 256 kB each, two a check) per second and client address",
        unit="1/s",
        least=0.01,
    )

    cache_packets: int = setting(
        1024, "packets kept per source for retransmission", unit="packets", least=16, most=16384, heading="Media"
    )
    keyframe_interval_s: float = setting(
        0.5, "shortest time between two keyframe requests to a source", unit="s", least=0.1, most=10
    )
    congestion_feedback: bool = setting(True, "send transport-wide congestion feedback to publishers")
    adaptation: bool = setting(
        True, "fit what is sent to each classroom's link (off: plain forwarding of everything to everyone)"
    )
    native_fanout: bool = setting(
        True, "receive, and send to many classrooms, by the native module where it was built (off: the same in Python)"
    )
    retransmission_share: float = setting(
        0.25, "share of a classroom's link that repairs of lost packets may take", least=0.05, most=0.5
    )
    media_tcp: bool = setting(True, "offer media over TCP too, on the page's port and on `udp_port`'s number")
    max_tcp_peers: int = setting(500, "open TCP connections for media", least=0)
    turn_urls: str = setting(
        "", "TURN servers for networks without UDP, such as turn:example.org:3478, separated by commas"
    )
    turn_secret: str = setting("", "shared secret of the TURN servers", secret=True)
    turn_credential_s: float = setting(
        43_200.0, "how long a TURN credential holds", unit="s", least=600, most=7 * 86_400
    )
    catchup_streams: int = setting(
        200,
        "streams of what was missed at a time; a classroom takes two, sound and picture (0: no catching up)",
        least=0,
    )
    catchup_lesson_streams: int = setting(100, "of these, streams of one lesson", least=1)
    catchup_link_streams: int = setting(
        8, "of these, streams that are asked for with a lesson's link itself instead of a page's media token", least=1
    )
    catchup_after_end_s: float = setting(
        7200.0,
        "how long after a lesson's end the classrooms that are behind, or come back, are given the rest of it",
        unit="s",
        least=0,
        most=86_400,
    )

    workers: int = setting(
        1,
        "processes on this machine, each with a loop, a core and a UDP port of its own (`udp_port` and those after it)",
        least=1,
        most=64,
        heading="Fleet",
    )
    redis_url: str = setting(
        "",
        "Redis that tells the nodes of a fleet who owns which lesson, or its Sentinels (`rediss` for `redis`: in TLS);"
        " empty: this machine is alone",
        secret=True,
    )
    fleet_prefix: str = setting("liveclass", "what the names of all keys in Redis begin with")
    fleet_key: str = setting(
        "",
        "secret by which the nodes of a fleet know each other, the same on all; empty: this machine's own",
        secret=True,
    )
    node_name: str = setting("", "name of this node in lists and logs; empty: the machine's")
    node_host: str = setting("127.0.0.1", "address at which other nodes reach this one; never open to the world")
    node_port: int = setting(
        0, "first TCP port for other nodes, one for each worker; 0: any free ones", least=0, most=65535
    )
    lease_s: float = setting(3.0, "how long a node that says nothing keeps its lessons", unit="s", least=0.5, most=60)
    cascade_share: float = setting(
        0.0,
        "part of max_sessions from which a node sends its lessons' next classrooms to other nodes; 0: never",
        least=0,
        most=0.95,
    )
    cascade_fan_out: int = setting(8, "nodes at most that are sent one lesson by the same node", least=1, most=64)

    store_url: str = setting(
        "",
        "where files of lessons are kept beside the data folder: s3://bucket/prefix or file:///folder; empty: nowhere",
        secret=True,
        heading="Stores",
    )
    store_endpoint: str = setting(
        "", "URL of an S3-compatible store, such as https://minio.example.org:9000; empty: Amazon's"
    )
    store_region: str = setting("", "region of the bucket; empty: us-east-1, which most compatible stores take")
    store_key_id: str = setting("", "name of the key to the bucket; empty: from the environment or the machine's role")
    store_key_secret: str = setting("", "the key itself", secret=True)
    store_redirect: bool = setting(
        False, "send replays to the store by signed addresses that expire, instead of through this server"
    )
    store_signed_s: float = setting(900.0, "how long such an address holds", unit="s", least=60, most=86_400)
    store_parallel: int = setting(4, "transfers at a time, in each direction", least=1, most=64)
    store_cache_bytes: int = setting(
        1024 * 1024 * 1024, "copies on this disk of files that were read from the store", unit="bytes", least=0
    )
    store_round_s: float = setting(
        1.0, "how often what a lesson has grown by is put into the store", unit="s", least=0.2, most=600
    )
    retention_days: int = setting(
        0, "recordings are deleted so many days after the end of their lesson; 0: never", least=0, most=36_500
    )

    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "least severity that is logged", heading="Operation"
    )
    log_format: Literal["text", "json"] = setting("text", "how log lines look")
    metrics_token: str = setting("", "bearer token of /metrics; empty: open to loopback only", secret=True)
    trace_url: str = setting(
        "", "collector that is sent traces by OTLP over HTTP, such as http://collector:4318; empty: no traces"
    )
    trace_share: float = setting(0.05, "share of the requests that are traced", least=0, most=1)
    trace_queue: int = setting(
        2048, "spans that wait for the collector at most; what finds no room is dropped", least=64, most=100_000
    )
    drain_s: float = setting(
        20.0, "how long SIGTERM waits for running lessons before it ends", unit="s", least=0, most=86_400
    )
    end_s: float = setting(
        20.0,
        "how long the end itself may take after that, recordings first; then the process leaves, whatever holds it up",
        unit="s",
        least=5,
        most=3600,
    )

    @property
    def database(self) -> str:
        """The URL to open: `database_url`, or SQLite's in the data folder."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'liveclass.db'}"


@dataclass(frozen=True, slots=True)
class Described:
    """One setting, as help and documentation show it.

    Attributes:
        type: `str`, `int`, `float`, `bool`, `Path`, or a tuple of the words that may be chosen.
        least, most: bounds of a number, None where there is none.
    """

    name: str
    heading: str
    help: str
    type: Any
    default: Any
    secret: bool
    unit: str
    least: float | None
    most: float | None

    @property
    def option(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return VARIABLE_PREFIX + self.name.upper()

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        if isinstance(self.type, tuple):
            return "one of " + ", ".join(self.type)
        if self.type is bool:
            return "true or false"
        if self.type in {int, float}:
            kind = "a whole number" if self.type is int else "a number"
            unit = {"s": " of seconds", "bytes": " of bytes", "1/s": " per second"}.get(self.unit, "")
            if self.least is not None and self.most is not None:
                return f"{kind}{unit} from {self.least:g} to {_plain(self.most)}"
            return f"{kind}{unit}" + (f", at least {self.least:g}" if self.least is not None else "")
        return "a path" if self.type is Path else "text"


def described() -> Iterator[Described]:
    """Every setting, in the order and under the headings of `Settings`."""
    hints = get_type_hints(Settings)
    heading = ""
    for item in fields(Settings):
        about = item.metadata
        heading = about["heading"] or heading
        if item.default is MISSING:
            raise TypeError(f"setting {item.name} has no default")
        yield Described(
            name=item.name,
            heading=heading,
            help=about["help"],
            type=_value_type(hints[item.name]),
            default=item.default,
            secret=about["secret"],
            unit=about["unit"],
            least=about["least"],
            most=about["most"],
        )


def load(
    argv_overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    toml_path: Path | None = None,
) -> Settings:
    """The settings in force: an option outweighs a variable, a variable the file, the file the default.

    An empty variable counts as not set. Relative paths are relative to the working directory, wherever they stand.

    Args:
        argv_overrides: values by setting name, as text or in their own type; None means not given.
        environ: the process's environment.
        toml_path: the configuration file; when None, the variable `LIVECLASS_CONFIG` may name one.

    Raises:
        UsageError: a value does not fit or two contradict; names the setting, where it stands and what is expected.
    """
    environ = environ or {}
    if toml_path is None and environ.get(CONFIG_VARIABLE):
        toml_path = Path(environ[CONFIG_VARIABLE]).expanduser()
    known = {about.name: about for about in described()}
    values: dict[str, Any] = {}
    if toml_path is not None:
        for name, value in _read_toml(toml_path).items():
            about = known.get(name)
            if about is None:
                raise UsageError(f"{toml_path}: there is no setting {name!r}{_perhaps(name, known)}")
            values[name] = _from_toml(about, value, f"{name} in {toml_path}")
    for about in known.values():
        if environ.get(about.variable):
            values[about.name] = _from_text(about, environ[about.variable], about.variable)
    for name, given in (argv_overrides or {}).items():
        if given is None:
            continue
        about = known.get(name)
        if about is None:
            raise UsageError(f"there is no setting {name!r}{_perhaps(name, known)}")
        text = isinstance(given, str)
        values[name] = _from_text(about, str(given), about.option) if text else _from_toml(about, given, about.option)
    settings = Settings(**values)
    _check(settings)
    return settings


def misspelt_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that are almost ours, by what was probably meant: to be warned of. Others may have their own use."""
    known = [about.variable for about in described()]
    found: dict[str, str] = {}
    for name in sorted(environ):
        if name.startswith(VARIABLE_PREFIX) and name not in {*known, CONFIG_VARIABLE, SERVER_VARIABLE}:
            near = get_close_matches(name, known, n=1, cutoff=0.9)
            if near:
                found[name] = near[0]
    return found


def items(text: str) -> tuple[str, ...]:
    """The parts of a comma-separated setting, trimmed; empty ones left out."""
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)


def _value_type(hint: Any) -> Any:
    choices = get_args(hint)
    if type(None) in choices:
        return next(choice for choice in choices if choice is not type(None))
    return choices or hint


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as failure:
        raise UsageError(f"{path}: cannot be read: {failure.strerror}") from failure
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
        raise UsageError(f"{path}: not valid TOML: {failure}") from failure


def _perhaps(name: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else "; `liveclass settings` lists them"


def _wrong(about: Described, value: object, where: str) -> UsageError:
    shown = "a secret that does not fit" if about.secret else repr(value)
    return UsageError(f"{where}: expected {about.expected}, got {shown}")


def _from_text(about: Described, text: str, where: str) -> Any:
    text = text.strip()
    if about.type is bool:
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise _wrong(about, text, where)
    if about.type in {int, float}:
        try:
            return _bounded(about, about.type(text), where)
        except ValueError:
            raise _wrong(about, text, where) from None
    return _from_toml(about, text, where)


def _from_toml(about: Described, value: Any, where: str) -> Any:
    if isinstance(value, bool) != (about.type is bool):
        raise _wrong(about, value, where)
    if about.type is float and isinstance(value, int | float):
        return _bounded(about, float(value), where)
    if about.type is int and isinstance(value, int) and not isinstance(value, bool):
        return _bounded(about, value, where)
    if about.type is Path and isinstance(value, str | Path):
        return Path(value).expanduser() if str(value) else about.default
    if about.type is str and isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ", ".join(value)  # comma-separated settings read better as a list
    fits = isinstance(value, str) and value in about.type if isinstance(about.type, tuple) else None
    if fits or (fits is None and isinstance(value, about.type)):
        return value
    raise _wrong(about, value, where)


def _bounded(about: Described, value: float, where: str) -> float:
    """The number itself; NaN is below every bound."""
    low = about.least is not None and not value >= about.least
    high = about.most is not None and not value <= about.most
    if low or high or value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124
        raise _wrong(about, value, where)
    return value


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else f"{number:g}"


def _check(settings: Settings) -> None:
    """Rules that one value alone cannot break, and the grammar of texts."""
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise UsageError("tls_certificate and tls_key: expected both or neither")
    if settings.tls_self_signed and settings.tls_certificate is not None:
        raise UsageError("tls_self_signed: expected false where tls_certificate names a certificate")
    if settings.fragment_s > settings.segment_s:
        raise UsageError("fragment_s: expected at most segment_s, since a segment is made of fragments")
    if bool(items(settings.turn_urls)) != bool(settings.turn_secret):
        raise UsageError("turn_urls and turn_secret: expected both or neither")
    for url in items(settings.turn_urls):
        if not _TURN_URL.fullmatch(url):
            raise UsageError(f"turn_urls: expected URLs such as turn:turn.example.org:3478, got {url!r}")
    if settings.redis_url and settings.redis_url.partition("://")[0] not in _REDIS_SCHEMES:
        raise UsageError(
            "redis_url: expected a URL such as redis://10.0.0.3:6379/0 "
            "or redis+sentinel://10.0.0.3:26379,10.0.0.4:26379/mymaster/0"
        )
    _check_store(settings)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", settings.fleet_prefix):
        raise UsageError("fleet_prefix: expected up to 32 letters, digits, - and _")
    for name in ("admin_token", "metrics_token", "turn_secret", "fleet_key"):
        token = getattr(settings, name)
        if token and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token):
            raise UsageError(f"{name}: expected at least {SHORTEST_TOKEN} printable ASCII characters without spaces")
    for address in items(settings.public_address):
        _parsed("public_address", "IP addresses, comma-separated", address, ipaddress.ip_address)
    for network in items(settings.trusted_proxies):
        _parsed("trusted_proxies", "IP addresses or networks, comma-separated", network, ipaddress.ip_network)
    if settings.public_url:
        _check_url("public_url", settings.public_url, "https://class.example.org")
    if settings.trace_url:
        _check_url("trace_url", settings.trace_url, "http://collector:4318")
    for origin in items(settings.allowed_origins):
        if _check_url("allowed_origins", origin, "https://school.example.org") not in {"", "/"}:
            raise UsageError(f"allowed_origins: expected scheme and host without a path, got {origin!r}")
    if not settings.host:
        raise UsageError("host: expected an address, such as 0.0.0.0 or ::")
    language = settings.default_language
    if not 1 <= len(language) <= 16 or not language.replace("-", "").isalnum() or not language.isascii():
        raise UsageError("default_language: expected a language tag such as zh-CN or en")


def _check_store(settings: Settings) -> None:
    url = urlsplit(settings.store_url)
    local = url.scheme == "file" and url.path.startswith("/") and not url.netloc
    if settings.store_url and not local and (url.scheme != "s3" or not url.hostname or "@" in url.netloc):
        raise UsageError("store_url: expected a URL such as s3://bucket/prefix or file:///srv/liveclass")
    if settings.store_endpoint:
        _check_url("store_endpoint", settings.store_endpoint, "https://minio.example.org:9000")
    if bool(settings.store_key_id) != bool(settings.store_key_secret):
        raise UsageError("store_key_id and store_key_secret: expected both or neither")


def _parsed(name: str, expected: str, text: str, parse: Any) -> None:
    try:
        parse(text)
    except ValueError:
        raise UsageError(f"{name}: expected {expected}, got {text!r}") from None


def _check_url(name: str, text: str, example: str) -> str:
    """The URL's path."""
    try:
        url = urlsplit(text)
        whole = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        whole = False
    if not whole or url.username is not None or url.query or url.fragment:
        raise UsageError(f"{name}: expected a URL such as {example}, got {text!r}")
    return url.path

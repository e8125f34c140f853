"""A pytest plugin: LIVECLASS_FANOUT=native or =python has every test take that path, whatever its own default is.

`LIVECLASS_FANOUT=native python -m pytest -p tests.transport.forced tests/relay`
"""

import os
import sys
from importlib import import_module

TAKERS = (
    ("dial", "Dial"),
    ("endpoint", "Endpoint"),
    ("pull", "PullSession"),
    ("session", "PeerSession"),
    ("srtp", "SrtpReceiver"),
    ("srtp", "SrtpSender"),
)


def _force(path: str) -> None:
    if path == "python":
        vars(sys)["modules"]["liveclass._fanout"] = None  # Python's own word for: do not look for it
    elif path != "native":
        raise SystemExit("LIVECLASS_FANOUT is native or python")
    transport = "liveclass.transport"
    if import_module(f"{transport}.native").built() != (path == "native"):
        raise SystemExit("The native fan-out was not built here: script/build-fanout")
    for module, name in TAKERS:
        takes = getattr(import_module(f"{transport}.{module}"), name).__init__
        takes.__kwdefaults__["native"] = path == "native"


_force(os.environ["LIVECLASS_FANOUT"])

"""Takes away from this process what the reading of a stranger's file has no use for. It cannot be given back.

Called first by a child, before it opens the file: memory, time and file sizes bounded, last in line for the processor,
no network, no privileges, and of the file system its own folder and the programs of the machine only. What the kernel
refuses is left out, and said by `probe`: bounds alone still keep a hostile file from harming a lesson.
"""

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

NICENESS = 12
"""The media plane must never wait for a slide."""

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38

# The same numbers on all architectures (linux/landlock.h).
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_EXECUTE, _READ_FILE, _READ_DIR, _WRITE_FILE, _TRUNCATE, _IOCTL = 1, 1 << 2, 1 << 3, 1 << 1, 1 << 14, 1 << 15
_FILE_ONLY = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_RIGHTS_OF_ABI = (0, 13, 14, 15, 15, 16)
"""How many file rights each version of the interface knows; later ones know no more that matters here."""

READABLE = (
    *("/usr", "/bin", "/lib", "/lib64", "/opt", "/nix/store", "/proc", "/sys/devices/system/cpu", "/dev/urandom"),
    *("/etc/ld.so.cache", "/etc/fonts", "/etc/localtime", "/etc/passwd", "/etc/nsswitch.conf", "/etc/libreoffice"),
    *("/etc/alternatives", "/var/cache/fontconfig", "/usr/local/share/fonts"),
    *("/var/spool/libreoffice", "/var/lib/libreoffice"),
)
"""Programs, libraries and fonts. Neither the data folder nor /etc as a whole, where secrets lie."""


@dataclass(frozen=True, slots=True)
class Confined:
    """What the kernel granted beyond the bounds, which every system has.

    Attributes:
        network: the network is gone.
        files: only its own folder and READABLE can be opened.
    """

    network: bool
    files: bool

    def as_dict(self) -> dict[str, bool]:
        return asdict(self)


def confine(*, memory_bytes: int, cpu_s: int, file_bytes: int, own_tmp: bool = False) -> Confined:
    """Confine this process and all it starts; its working directory is the one folder in which it may write.

    Args:
        memory_bytes: of address space.
        cpu_s: seconds of processor time, after which the kernel ends it.
        file_bytes: the largest file that it may write.
        own_tmp: its working directory is to be its /tmp as well, as far as the kernel lets it. What lies in /tmp, this
            program perhaps included, is out of reach then.
    """
    os.nice(NICENESS)
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, 256),
    ):
        resource.setrlimit(limit, (value, value))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 2))
    os.umask(0o077)
    if sys.platform != "linux":
        return Confined(network=False, files=False)
    libc = ctypes.CDLL(None, use_errno=True)
    # A server that was killed leaves no child behind.
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    network = _leave_network(libc)
    if own_tmp:
        _take_tmp(libc)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    files = _leave_files(libc, (*READABLE, sys.prefix, sys.base_prefix, *sys.path))
    return Confined(network=network, files=files)


def _leave_network(libc: ctypes.CDLL) -> bool:
    """A network namespace of its own, in which there is nothing, not even loopback. The user namespace makes that
    possible without privileges, and takes away those that a server run as root would hand on."""
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return bool(libc.unshare(_CLONE_NEWNET) == 0)
    try:
        # Without its own name in there, programs that look up their user are lost.
        Path("/proc/self/setgroups").write_text("deny", "ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", "ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", "ascii")
    except OSError:
        pass
    return True


def _take_tmp(libc: ctypes.CDLL) -> None:
    """Put the working directory in the place of /tmp, for this process and its children alone."""
    own = libc.unshare(_CLONE_NEWNS) == 0 and libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None) == 0
    if own and libc.mount(os.fsencode(os.getcwd()), b"/tmp", None, _MS_BIND, None) == 0:
        os.chdir("/tmp")  # noqa: S108  (that is what it is called)


def _leave_files(libc: ctypes.CDLL, readable: Iterable[str]) -> bool:
    """Landlock: only what is listed can be opened, and only the working directory written."""
    libc.syscall.restype = ctypes.c_long
    abi = libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    if abi < 1:
        return False
    handled = (1 << _RIGHTS_OF_ABI[min(abi, len(_RIGHTS_OF_ABI) - 1)]) - 1
    attributes = struct.pack("=Q", handled)
    rules = libc.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    if rules < 0:
        return False
    try:
        for path in dict.fromkeys(readable):
            if path:
                _allow(libc, rules, path, handled & (_EXECUTE | _READ_FILE | _READ_DIR))
        _allow(libc, rules, os.getcwd(), handled)
        _allow(libc, rules, "/dev/null", handled & (_READ_FILE | _WRITE_FILE))
        return bool(libc.syscall(_LANDLOCK_RESTRICT, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            rights &= _FILE_ONLY
        rule = struct.pack("=Qi", rights, place)
        libc.syscall(_LANDLOCK_ADD, rules, 1, rule, 0)
    finally:
        os.close(place)

"""The numbers of STUN that ICE uses (RFC 8489, RFC 8445): names for what stands on the wire; reads none of it."""

from struct import Struct
from typing import Final

HEADER: Final = Struct("!HHI12s")
"""Type, length behind the header, magic cookie, transaction."""

ATTRIBUTE: Final = Struct("!HH")
"""Type and length; the value is filled up to four bytes."""

COOKIE: Final = 0x2112A442

BINDING_REQUEST: Final = 0x0001
BINDING_SUCCESS: Final = 0x0101
BINDING_ERROR: Final = 0x0111

USERNAME: Final = 0x0006
MESSAGE_INTEGRITY: Final = 0x0008
ERROR_CODE: Final = 0x0009
XOR_MAPPED_ADDRESS: Final = 0x0020
PRIORITY: Final = 0x0024
USE_CANDIDATE: Final = 0x0025
FINGERPRINT: Final = 0x8028
ICE_CONTROLLED: Final = 0x8029
ICE_CONTROLLING: Final = 0x802A

FINGERPRINT_XOR: Final = 0x5354554E

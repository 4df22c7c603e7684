"""Who may ask for what: keys, callers, their limits, and the record of changes.

Without keys everybody may do everything, and then the server listens on loopback only. With keys a
request shows one as `Authorization: Bearer`, and becomes a `Caller`. Nothing here knows HTTP or
gRPC, so each way into the server asks the same `Keyring`.
"""

from .caller import ANYONE as ANYONE
from .caller import Caller as Caller
from .caller import Scope as Scope
from .keyring import Keyring as Keyring

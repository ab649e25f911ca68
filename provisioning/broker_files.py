"""What mosquitto is told: mutual TLS 1.3, names from certificates, and who may say what where.

Knows mosquitto's configuration and the shape of our topics. Makes text, writes nothing.
"""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

QUEUED_MESSAGES = 5000
QUEUED_BYTES = 64 * 1024 * 1024
IN_FLIGHT = 64
MAX_MESSAGE_BYTES = 131_072


def configuration(folder: Path, *, host: str, port: int) -> str:
    """Return mosquitto.conf for a broker whose files lie in `folder`.

    The limits are explicit: beyond them the broker drops, and what was dropped is sent again
    because its device gets no receipt. So nothing is kept on disk here.
    """
    return f"""\
per_listener_settings false
persistence false
log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages false
user {_owner()}

listener {port} {host}
cafile {folder / "ca.cert.pem"}
certfile {folder / "tls.cert.pem"}
keyfile {folder / "tls.key.pem"}
tls_version tlsv1.3
require_certificate true
use_identity_as_username true
use_username_as_clientid true
allow_anonymous false
acl_file {folder / "acl"}

set_tcp_nodelay true
max_inflight_messages {IN_FLIGHT}
max_queued_messages {QUEUED_MESSAGES}
max_queued_bytes {QUEUED_BYTES}
message_size_limit {MAX_MESSAGE_BYTES}
"""


def access_list(*, ingest: str) -> str:
    """Return the ACL: a device speaks under its own name only, ingest hears all and answers all.

    Args:
        ingest: the user name of ingest; no device may have it.
    """
    return f"""\
user {ingest}
topic read f/1/+/+/ev
topic read f/1/+/+/st
topic write f/1/+/+/ack

pattern write f/1/+/%u/ev
pattern write f/1/+/%u/st
pattern write f/1/+/%u/res
pattern read f/1/+/%u/ack
pattern read f/1/+/%u/cmd
"""


def _owner() -> str:
    """Return who makes these files: started as root, mosquitto stays that user and can read them.

    Started by anyone else it stays who it is, and ignores this.
    """
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())

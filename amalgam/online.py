"""Whether the Hub can be reached, so that without a network nobody waits for it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies


@contextmanager
def asked_once() -> Iterator[None]:
    """Without a network the Hub's cache alone is asked: its client would try five times, for most of a minute."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _reachable(constants.ENDPOINT)
    try:
        yield
    except OSError as error:
        if before or not constants.HF_HUB_OFFLINE:
            raise
        raise OSError(f"{constants.ENDPOINT} cannot be reached") from error
    finally:
        constants.HF_HUB_OFFLINE = before


def _reachable(address: str) -> bool:
    """Whether somebody answers there within three seconds; behind a proxy, which alone could tell, we hope so."""
    told = urlsplit(address)
    if getproxies().get(told.scheme):
        return True
    try:
        socket.create_connection((told.hostname or "", told.port or 443), 3).close()
    except OSError:
        return False
    return True

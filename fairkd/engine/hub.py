"""The Hugging Face hub: whether it can be reached at all, asked quickly and before anything that would ask again.

Without a network the hub's client repeats each question for half a minute. Here one is asked; where there is no answer,
the client is told that it is offline, and takes what its cache holds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from fairkd.errors import InputError

PATIENCE = 2.5
"""Seconds in which it must have answered."""
ASKED_AGAIN = 30.0
"""Seconds after which an answer is old: a notebook outlives a lost connection."""


def why_unreachable() -> str:
    """Why the hub, or the proxy that leads to it, cannot be reached; "" if it can. At most :data:`PATIENCE` seconds."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "it is switched off by HF_HUB_OFFLINE"
    return _why(constants.ENDPOINT, int(time.monotonic() / ASKED_AGAIN))


@lru_cache(maxsize=4)
def _why(endpoint: str, moment: int) -> str:
    from ssl import SSLError
    from urllib.error import HTTPError, URLError
    from urllib.request import ProxyHandler, Request, build_opener, getproxies

    proxies = getproxies()
    proxies = {kind: proxies["all"] for kind in ("http", "https") if "all" in proxies} | proxies
    said = [f"no answer in {PATIENCE:g} seconds"]

    def ask() -> None:  # a whole question, through proxies: one may take a connection and never answer, or refuse
        try:
            build_opener(ProxyHandler(proxies)).open(Request(endpoint, method="HEAD"), timeout=PATIENCE).close()
            said[0] = ""
        except HTTPError:  # it did answer
            said[0] = ""
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, URLError) else error
            # Of certificates the hub's client has its own opinion.
            told = "" if isinstance(reason, SSLError) else getattr(reason, "strerror", None) or str(reason)
            said[0] = told if told != "timed out" else said[0]

    thread = Thread(target=ask, daemon=True)  # looking up a name knows no time limit
    thread.start()
    thread.join(PATIENCE)
    return said[0]


def check_at_hand(source: str) -> None:
    """Raises InputError for a model of the hub that is not in its cache while the hub cannot be reached.

    Args:
        source: a folder or hub id, as :func:`fairkd.engine.loading.resolve` returns it.
    """
    if Path(source).is_dir() or not (why := why_unreachable()):
        return
    from huggingface_hub import constants, try_to_load_from_cache

    try:
        cached = try_to_load_from_cache(source, "config.json")
    except ValueError:  # no hub id; who loads it says so
        return
    if not isinstance(cached, str):
        raise InputError(
            f"cannot load {source!r}: the hub ({urlsplit(constants.ENDPOINT).netloc}) cannot be reached ({why}), and "
            "the model is not in its cache. Name a folder saved by save_pretrained, or 'embedded', which needs no "
            "network"
        )


@contextmanager
def offline_if_unreachable(source: str) -> Iterator[None]:
    """Meanwhile the hub's client takes ``source`` from its cache, without asking, where the hub cannot be reached."""
    from huggingface_hub import constants

    if Path(source).is_dir() or not why_unreachable():
        yield
        return
    places = [constants, *([sys.modules["datasets"].config] if "datasets" in sys.modules else [])]
    before = [place.HF_HUB_OFFLINE for place in places]
    try:
        for place in places:
            place.HF_HUB_OFFLINE = True
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value

"""OpenSSL, for outputs that speak TLS.

An agent keeps ``ssl`` out of its process (``sensor/absent.py`` says why), and asyncio, which
looks for it once, when it is imported, does without. Where an output needs it, it is let in again
and shown to the three modules of asyncio that name it (CPython 3.11: base_events, selector_events,
sslproto). Import this module before whatever imports ``ssl``.
"""

from __future__ import annotations

import asyncio.base_events
import asyncio.selector_events
import asyncio.sslproto
import importlib
import sys

_kept_out = sys.modules.get("ssl", asyncio) is None
if _kept_out:
    del sys.modules["ssl"]

import ssl  # noqa: E402 - what kept it out has to go first

if _kept_out:
    for module in (asyncio.base_events, asyncio.selector_events):
        vars(module)["ssl"] = ssl
    # Its classes and constants depend on what it finds; the others look them up in the module.
    importlib.reload(asyncio.sslproto)

__all__ = ["ssl"]

"""Bytes that tests of connections to engines send."""

from __future__ import annotations

CRI = "/runtime.v1.RuntimeService"
START = b"POST /v1.41/containers/web/start HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n"

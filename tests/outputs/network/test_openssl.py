"""TLS in a process that was begun without ``ssl``, as the agent is."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.modules["ssl"] = None
import asyncio
from sensor.outputs.network import tls

async def main():
    async def greet(reader, writer):
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    server_side = tls.ssl.SSLContext(tls.ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(sys.argv[1])
    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server_side)
    port = server.sockets[0].getsockname()[1]
    client_side = tls.ssl.create_default_context(cafile=sys.argv[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_side)
    print((await reader.read()).decode())
    writer.close()
    server.close()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "1", "-subj", "/CN=127.0.0.1", "-keyout", "-", "-out", "-"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(made.stdout)
    return str(path)


def test_an_output_lets_it_in_again(certificate: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, certificate],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("hello\n", "")

"""``type = "nats"``: NATS JetStream. Each event is acknowledged by the stream that stored it.

The event's id goes as ``Nats-Msg-Id``: within its duplicate window a stream stores it once, however
often it is sent. A batch is published at one go and the acknowledgements awaited together.

The client's own reconnecting is off: a lost connection is an outcome, and the engine decides when
to try again. Its asynchronous publishing is not used: with it an error that the stream reports
reaches no waiter (nats-py 2.16), so the replies come to an inbox of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sensor.errors import ConfigError
from sensor.outputs.delivery import BatchLimits, ConnectionStatus, Delivered, Rejection, Retry
from sensor.outputs.lines import lines_of
from sensor.outputs.nats.settings import NatsSettings
from sensor.outputs.network import tls
from sensor.outputs.network.dial import Address
from sensor.outputs.network.lookup import LOOKUPS
from sensor.outputs.network.tls import TlsSettings, TlsUnusable
from sensor.outputs.registry import OutputKind
from sensor.schema.text import brief

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

    from sensor.outputs.delivery import Batch, Format, Outcome
    from sensor.outputs.lines import Lines, RecordLine
    from sensor.outputs.registry import Surroundings

CONNECT_SECONDS = 10.0
ACK_SECONDS = 30.0
"""From the first event that is published to the last acknowledgement."""
CLOSE_SECONDS = 2.0
PING_SECONDS = 20
"""A server that does not answer two of them is gone."""
WINDOW = 2

NO_RESPONDERS = "503"
TOO_LARGE = 10054
"""JetStream's error for a message beyond the stream's own limit (server/errors.json)."""

Ack = Delivered | Retry | str
"""Of one event: stored, to be sent again, or the reason for which it never will be stored."""


class _NoServer(Exception):
    """No server let us in. ``retry`` has the reason of each."""

    def __init__(self, failures: list[Retry]) -> None:
        super().__init__()
        reason = "; ".join(failure.reason for failure in failures)
        strangers = sum(failure.credentials for failure in failures)
        self.retry = Retry(reason, credentials=strangers == len(failures), distrusted=strangers)


class NatsTransport:
    """Publishes batches, and hears of each event what became of it."""

    window = WINDOW
    limits = BatchLimits()

    def __init__(self, settings: NatsSettings, form: Format, surroundings: Surroundings) -> None:
        self._settings = settings
        self._format = form
        self._host = surroundings.host.name
        self._name = f"castoff-{surroundings.output}"
        self._client: Client | None = None
        self._inbox = self._peer = ""
        self._waiting: dict[str, asyncio.Future[Ack]] = {}
        self._next = 0
        self._problem: Exception | None = None
        self._turn = asyncio.Lock()

    @property
    def connection(self) -> ConnectionStatus:
        """The server that is connected to, else those that may be."""
        if self._client is not None and self._client.is_connected:
            return ConnectionStatus(f"nats://{self._peer}", connected=True)
        return ConnectionStatus(", ".join(self._settings.servers), connected=False)

    async def deliver(self, batch: Batch) -> Outcome:
        """Publish a batch and wait until each event is stored."""
        futures: list[asyncio.Future[Ack]] = []
        lines = lines_of(batch, self._format)
        try:
            async with asyncio.timeout(ACK_SECONDS):
                async with self._turn:
                    client = await self._connected()
                    for line in lines.lines:
                        # One by one: after a failure those that were sent are cancelled.
                        future = await self._publish(client, line)
                        futures.append(future)
                return lines.outcome_of(_outcome(lines, await asyncio.gather(*futures)))
        except TlsUnusable as error:
            return Retry(str(error), credentials=True)
        except _NoServer as error:
            return error.retry
        except TimeoutError:
            await self._drop()
            return Retry(f"no acknowledgement within {ACK_SECONDS:g} s")
        except Exception as error:  # noqa: BLE001 - nats-py raises errors of many kinds; each is a retry
            await self._drop()
            return self._failure(error)
        finally:
            for future in futures:
                future.cancel()

    async def close(self) -> None:
        """Close the connection."""
        await self._drop()

    async def _publish(self, client: Client, line: RecordLine) -> asyncio.Future[Ack]:
        """Send an event; the future has what became of it."""
        from nats.errors import MaxPayloadError  # optional

        self._next += 1
        token = str(self._next)
        future: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda _: self._waiting.pop(token, None))
        self._waiting[token] = future
        record, text = line.record, line.text
        headers = {"Nats-Msg-Id": record.id, "Castoff-Type": record.type}
        if self._settings.stream is not None:
            headers["Nats-Expected-Stream"] = self._settings.stream
        subject = self._settings.subject_of(self._host, record.type)
        try:
            await client.publish(subject, text, reply=f"{self._inbox}.{token}", headers=headers)
        except MaxPayloadError:
            future.set_result(
                f"{len(text)} bytes, more than the {client.max_payload} of the server"
            )
        return future

    async def _replied(self, reply: Msg) -> None:
        future = self._waiting.get(reply.subject.rpartition(".")[2])
        if future is not None and not future.done():
            future.set_result(_ack(reply.headers, reply.data))

    async def _connected(self) -> Client:
        """Return the connected client. Raises TlsUnusable, and _NoServer with what each said."""
        if self._client is not None and self._client.is_connected:
            return self._client
        failures: list[Retry] = []
        for address in self._settings.addresses:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    # The client's own lookup would hold up the agent's end when it hangs.
                    found = await LOOKUPS.addresses(address.host, address.port)
                    return await self._connect(address, Address(found[0], address.port))
            except TimeoutError:
                failed = self._failure(self._blamed(OSError("does not answer")))
            except TlsUnusable:
                raise
            except Exception as error:  # noqa: BLE001 - nats-py raises errors of many kinds; each is a retry
                failed = self._failure(self._blamed(error))
            failures.append(replace(failed, reason=f"{address}: {failed.reason}"))
        raise _NoServer(failures)

    async def _connect(self, named: Address, numeric: Address) -> Client:
        """Connect to one server, whose certificate has to be for its name."""
        from nats.aio.client import Client as NewClient  # optional

        await self._drop()
        settings, files = self._settings, self._settings.tls or TlsSettings()
        keys: dict[str, Any] = {}
        if settings.secure:
            keys["tls"] = await asyncio.to_thread(tls.context, files)
            keys["tls_hostname"] = files.server_name or named.host
        if settings.password is not None:
            keys |= {"user": settings.user, "password": settings.password.reveal()}
        if settings.token is not None:
            keys["token"] = settings.token.reveal()
        self._problem = None
        self._client = client = NewClient()
        await client.connect(
            servers=[f"{'tls' if settings.secure else 'nats'}://{numeric}"],
            name=self._name,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=int(CONNECT_SECONDS),
            ping_interval=PING_SECONDS,
            error_cb=self._failed,
            closed_cb=self._closed,
            **keys,
        )
        self._peer = str(named)
        self._inbox = client.new_inbox()
        await client.subscribe(f"{self._inbox}.*", cb=self._replied)
        return client

    async def _failed(self, error: Exception) -> None:
        """Keep what the client reports beside its calls, like a refused connection."""
        self._problem = error

    async def _closed(self) -> None:
        problem = self._failure(self._blamed(ConnectionResetError("the server closed it")))
        for future in list(self._waiting.values()):
            if not future.done():
                future.set_result(problem)

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):  # it is given up, whatever it thinks of that
                async with asyncio.timeout(CLOSE_SECONDS):
                    await client.close()
            await asyncio.sleep(0)  # the transport's socket is closed in the loop's next round

    def _failure(self, error: Exception) -> Retry:
        """Return what an error means.

        The client reads what a stranger sends and raises what comes of it: ValueError for a line
        that does not end, TypeError and AttributeError for JSON of another shape (nats-py 2.16).
        """
        from nats.errors import AuthorizationError, Error, NoServersError  # optional

        if isinstance(error, NoServersError):
            error = self._blamed(error)
        if isinstance(error, OSError):
            reason, credentials = tls.failure(error)
            return Retry(reason, credentials=credentials)
        if not isinstance(error, Error):
            return Retry(f"what answers does not speak NATS: {type(error).__name__}")
        reason = brief(error).removeprefix("nats: ").strip("'") or type(error).__name__
        stranger = isinstance(error, AuthorizationError) or "authorization" in reason.lower()
        return Retry(reason, credentials=stranger)

    def _blamed(self, error: Exception) -> Exception:
        """Return what the client reported beside its calls, else the error itself."""
        return self._problem or error


def _outcome(batch: Lines, acks: list[Ack]) -> Outcome:
    rejected: list[Rejection] = []
    for line, ack in zip(batch.lines, acks, strict=True):
        if isinstance(ack, Retry):
            return ack
        if isinstance(ack, str):
            rejected.append(Rejection(line.record.sequence, ack))
    return Delivered(tuple(rejected))


def _ack(headers: dict[str, str] | None, data: bytes) -> Ack:
    """Return what a reply says: ADR-13 of NATS, ``PubAck`` or an error."""
    if headers is not None and headers.get("Status") == NO_RESPONDERS:
        reason = "no stream takes the subject: create one, or correct subject"
        return Retry(reason, configuration=True)
    try:
        reply = json.loads(data)
        error = reply.get("error")
        if error is None:
            return Delivered() if isinstance(reply["seq"], int) else Retry(_NO_ACK)
        description = brief(error.get("description"))
    except (ValueError, AttributeError, KeyError, RecursionError):
        return Retry(_NO_ACK)
    return description if error.get("err_code") == TOO_LARGE else Retry(description)


_NO_ACK = "the reply is not an acknowledgement of JetStream"


def _make(settings: NatsSettings, form: Format, surroundings: Surroundings) -> NatsTransport:
    try:
        importlib.import_module("nats")
    except ImportError as error:
        raise ConfigError(
            f"output {surroundings.output}: the Python module nats is not installed",
            "Install nats-py from PyPI for the Python that runs castoff: Debian has no package.",
        ) from error
    # It writes tracebacks of what servers send; what matters comes as an outcome.
    logging.getLogger("nats").addHandler(logging.NullHandler())
    logging.getLogger("nats").propagate = False
    return NatsTransport(settings, form, surroundings)


OUTPUT = OutputKind(NatsSettings, _make)

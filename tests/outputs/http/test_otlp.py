"""OTLP: a real receiver takes every event, and each answer leads to the outcome it should."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any, cast

import pytest

from sensor.errors import ConfigError
from sensor.outputs import registry
from sensor.outputs.delivery import (
    Delivered,
    Outcome,
    Record,
    Refused,
    Rejection,
    Retry,
)
from sensor.outputs.http.client import HttpClient
from sensor.outputs.http.message import HttpUrl
from sensor.outputs.http.otlp import (
    HINT,
    LogBody,
    OtlpCompression,
    OtlpSettings,
    OtlpTransport,
)
from sensor.outputs.network.tls import TlsSettings
from sensor.settings.secret import Secret
from tests.outputs.batches import batch_of, golden_records, starts
from tests.outputs.certificates import Authority
from tests.outputs.fake_http import Answer, FakeHttp, Fault, Received, fake_http
from tests.outputs.formats.records import RECORDS
from tests.outputs.rotel import Rotel, rotel
from tests.outputs.sample_events import HOST
from tests.outputs.worker_world import Collector, World

NO_ANSWER = " is accepted, but no answer of OTLP: check url"
RECORDS_TAKEN = golden_records()[:20]


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotel]:
    with rotel(tmp_path_factory.mktemp("rotel")) as running:
        yield running


def deliver(settings: OtlpSettings, records: list[Record]) -> Outcome:
    async def run() -> Outcome:
        transport = OtlpTransport(settings)
        try:
            return await transport.deliver(batch_of(records))
        finally:
            await transport.close()

    return asyncio.run(asyncio.wait_for(run(), 30))


@pytest.mark.parametrize("compression", list(OtlpCompression))
def test_a_real_receiver_takes_every_kind_of_event(
    receiver: Rotel, compression: OtlpCompression
) -> None:
    records = list(RECORDS.values())
    outcome = deliver(OtlpSettings(receiver.url, compression), records)
    assert outcome == Delivered()
    said = receiver.wait_for(records[-1].id)
    for record in records:
        assert record.id in said


def test_a_real_receiver_reads_names_numbers_and_times(receiver: Rotel) -> None:
    (record,) = starts(9000, 1)
    assert deliver(OtlpSettings(receiver.url), [record]) == Delivered()
    said = receiver.wait_for(record.id)
    shown = said[said.rindex("ResourceLog #", 0, said.index(record.id)) :]
    for sent in (
        "host.name: Str(node-7)",
        "InstrumentationScope castoff",
        "ObservedTimestamp: 1700000013000400123",
        "\nTimestamp: 1700000013000000123",
        "SeverityNumber: SEVERITY_NUMBER_WARN2(14)",
        "EventName: container.start",
        f"log.record.uid: Str({record.id})",
    ):
        assert sent in shown
    shown = receiver.wait_for("castoff.evidence", after=record.id)
    assert "process.pid: Int(4242)" in shown
    assert "castoff.container.security.privileged: Bool(false)" in shown
    assert "castoff.start.dormant_seconds: Double(3605.25)" in shown


def test_a_real_receiver_refuses_what_is_wrong_and_so_does_the_outcome(receiver: Rotel) -> None:
    """A bad enum: the one way to make it answer 400."""

    async def run() -> int:
        client = HttpClient(HttpUrl.parse(receiver.url + "/v1/logs"))
        body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"severityNumber": "NO_SUCH"}]}]}]}
        answer = await client.post(
            json.dumps(body).encode(), (("Content-Type", "application/json"),)
        )
        await client.close()
        return answer.status

    assert asyncio.run(run()) == 400


def talk(
    scenario: Callable[[OtlpTransport, FakeHttp], Awaitable[None]],
    *script: Answer | Fault,
    seconds: float = 10.0,
    max_records: int = 500,
    body: LogBody = LogBody.MESSAGE,
) -> None:
    async def run() -> None:
        async with fake_http(*script) as fake:
            settings = OtlpSettings(
                fake.url,
                headers=(("X-Key", Secret("very-secret-key")),),
                seconds=seconds,
                max_records=max_records,
                body=body,
            )
            transport = OtlpTransport(settings)
            try:
                await scenario(transport, fake)
            finally:
                await transport.close()

    asyncio.run(asyncio.wait_for(run(), 30))


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(), Delivered()),
        (Answer(200, b""), Delivered()),
        (Answer(200, b'{"partialSuccess":{}}'), Delivered()),
        (
            Answer(
                200, b'{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"\\u001b[m"}}'
            ),
            Delivered(warning="the collector rejected 3 records: \\x1b[m"),
        ),
        (
            Answer(200, b'{"partialSuccess":{"rejectedLogRecords":2}}'),
            Delivered(warning="the collector rejected 2 records: no reason given"),
        ),
        (
            Answer(200, b'{"partialSuccess":{"errorMessage":"deprecated"}}'),
            Delivered(warning="deprecated"),
        ),
        (
            Answer(
                200, b'{"partial_success":{"rejected_log_records":4,"error_message":"too old"}}'
            ),
            Delivered(warning="the collector rejected 4 records: too old"),
        ),
        (Answer(201, b""), Delivered()),
        (Answer(202, b"queued"), Delivered(warning=f"HTTP 202: queued{NO_ANSWER}")),
        (Answer(204, b""), Delivered()),
        (
            Answer(201, b'{"partialSuccess":{"rejectedLogRecords":"1"}}'),
            Delivered(warning="the collector rejected 1 records: no reason given"),
        ),
        (
            Answer(200, b"<html>Log in first</html>"),
            Retry(
                "HTTP 200: Log in first. This is a web page and no collector: check url",
                configuration=True,
            ),
        ),
        (
            Answer(200, b"[" * 50_000),
            Delivered(warning=f"HTTP 200: {'[' * 200}…{NO_ANSWER}"),
        ),
        (Answer(429, b"", (("Retry-After", "7"),)), Retry("HTTP 429", after=7)),
        (Answer(503, b"busy"), Retry("HTTP 503: busy")),
        (Answer(502, b"", (("Retry-After", "soon"),)), Retry("HTTP 502")),
        (Answer(504, b""), Retry("HTTP 504")),
        (Answer(401, b"who?"), Retry("HTTP 401: who?", credentials=True)),
        (Answer(403, b"very-secret-key"), Retry("HTTP 403: ***", credentials=True)),
        (Answer(413, b"too large"), Refused("HTTP 413: too large")),
        (Answer(400, b'{"message":"bad"}'), Refused('HTTP 400: {"message":"bad"}')),
        (Answer(500, b""), Refused("HTTP 500")),
        (
            Answer(404, b"not found"),
            Retry("HTTP 404: not found. Check url", configuration=True),
        ),
        (
            Answer(415, b"protobuf only"),
            Retry(f"HTTP 415: protobuf only. {HINT}", configuration=True),
        ),
        (
            Answer(302, b"", (("Location", "/x"),)),
            Retry("HTTP 302 to /x. Redirections are not followed: correct url", configuration=True),
        ),
    ],
)
def test_each_answer_has_its_outcome(answer: Answer, outcome: Outcome) -> None:
    async def scenario(transport: OtlpTransport, fake: FakeHttp) -> None:
        assert await transport.deliver(batch_of(RECORDS_TAKEN)) == outcome
        assert len(fake.received) == 1

    talk(scenario, answer)


def test_informational_answers_before_the_real_one_mean_nothing() -> None:
    async def scenario(transport: OtlpTransport, fake: FakeHttp) -> None:
        for _ in range(2):
            assert await transport.deliver(batch_of(RECORDS_TAKEN)) == Delivered()
        assert fake.connections == 1

    talk(scenario, Answer(201, b"", before=(100, 102, 103)))


def test_a_date_of_retry_after_is_honoured() -> None:
    async def scenario(transport: OtlpTransport, fake: FakeHttp) -> None:
        outcome = await transport.deliver(batch_of(RECORDS_TAKEN))
        assert isinstance(outcome, Retry)
        assert outcome.after == pytest.approx(120, abs=3)
        assert len(fake.received) == 1

    when = formatdate(time() + 120, usegmt=True)
    talk(scenario, Answer(503, headers=(("Retry-After", when),)))


@pytest.mark.parametrize("fault", [one for one in Fault if one not in {Fault.EARLY, Fault.SLAM}])
def test_every_fault_is_a_retry_with_a_reason(fault: Fault) -> None:
    async def scenario(transport: OtlpTransport, fake: FakeHttp) -> None:
        outcome = await transport.deliver(batch_of(RECORDS_TAKEN))
        assert isinstance(outcome, Retry)
        assert outcome.reason.startswith(f"127.0.0.1:{fake.port}: ")
        assert outcome.reason.isprintable()

    talk(scenario, fault, seconds=0.3)


def test_a_request_is_what_the_specification_says() -> None:
    async def scenario(transport: OtlpTransport, fake: FakeHttp) -> None:
        await transport.deliver(batch_of(starts(1, 3)))
        (request,) = fake.received
        assert request.target == "/v1/logs"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["content-encoding"] == "gzip"
        assert request.headers["x-key"] == "very-secret-key"
        (group,) = json.loads(request.text)["resourceLogs"]
        (scope,) = group["scopeLogs"]
        assert scope["scope"]["name"] == "castoff"
        assert [one["eventName"] for one in scope["logRecords"]] == ["container.start"] * 3
        assert scope["logRecords"][0]["timeUnixNano"] == "1700000013000000123"
        assert scope["logRecords"][0]["severityNumber"] == 14
        keys = {one["key"]: one["value"] for one in group["resource"]["attributes"]}
        assert keys["host.name"] == {"stringValue": "node-7"}

    talk(scenario)


def test_the_body_may_be_the_whole_event() -> None:
    """For receivers that keep the body and put the attributes aside, as Fluent Bit does."""

    def plain(value: dict[str, Any]) -> Any:
        match value:
            case {"kvlistValue": {"values": pairs}}:
                return {one["key"]: plain(one["value"]) for one in pairs}
            case {"arrayValue": {"values": items}}:
                return [plain(item) for item in items]
            case {"intValue": number}:
                return int(number)
        return next(iter(value.values()), None)

    def known(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: known(one) for key, one in value.items() if one not in (None, [])}
        return [known(one) for one in value] if isinstance(value, list) else value

    async def scenario(transport: OtlpTransport, fake: FakeHttp) -> None:
        records = starts(1, 2)
        assert await transport.deliver(batch_of(records)) == Delivered()
        (group,) = json.loads(fake.received[0].text)["resourceLogs"]
        bodies = [plain(one["body"]) for one in group["scopeLogs"][0]["logRecords"]]
        assert bodies == [known(json.loads(record.line)) for record in records]

    talk(scenario, body=LogBody.EVENT)


def test_lines_that_are_not_events_are_rejected_and_the_rest_is_sent() -> None:
    async def scenario(transport: OtlpTransport, fake: FakeHttp) -> None:
        first, second = starts(1, 2)
        broken = Record(3, "x", "container.start", 0, b'{"type": "container.st\n')
        outcome = await transport.deliver(batch_of([first, broken, second]))
        assert isinstance(outcome, Delivered)
        assert [one.sequence for one in outcome.rejected] == [3]
        assert len(fake.received) == 1
        nothing = await transport.deliver(batch_of([broken]))
        assert nothing == Delivered((Rejection(3, outcome.rejected[0].reason, local=True),))
        assert len(fake.received) == 1

    talk(scenario)


def test_batches_that_are_too_large_are_split_and_a_poison_event_is_a_dead_letter() -> None:
    """With the engine's own worker: nothing but the poison is missing, and the order is kept."""
    records = starts(1, 60)
    poison = records[36]
    taken: list[str] = []

    def judge(request: Received) -> Answer:
        (group,) = json.loads(request.text)["resourceLogs"]
        logs = group["scopeLogs"][0]["logRecords"]
        ids = [log["attributes"][0]["value"]["stringValue"] for log in logs]
        if len(ids) > 16:
            return Answer(413, b"too large")
        if poison.id in ids:
            return Answer(400, b"bad record")
        taken.extend(ids)
        return Answer()

    async def run() -> None:
        async with fake_http(judge) as fake:
            world = World()
            worker = world.worker(cast(Collector, OtlpTransport(OtlpSettings(fake.url))))
            for record in records:
                world.pages.append(record.sequence, body=record.line)
            world.tail.written(60, 60)
            while worker.cursor != 60:
                await asyncio.sleep(0.01)
            await world.stop()
            assert taken == [record.id for record in records if record is not poison]
            ((key, letter),) = world.pages.graves.items()
            assert key == ("local", poison.sequence)
            assert "HTTP 400: bad record" in letter.reason

    asyncio.run(asyncio.wait_for(run(), 60))


def test_tls_with_a_private_authority(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue("localhost", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)

    async def run() -> None:
        async with fake_http(Answer(), context=context) as fake:
            for settings, delivered in (
                (OtlpSettings(fake.url, tls=TlsSettings(ca=files.ca)), True),
                (OtlpSettings(fake.url), False),
                (OtlpSettings(fake.url, tls=TlsSettings(ca=files.ca, server_name="x.y")), False),
            ):
                transport = OtlpTransport(settings)
                outcome = await transport.deliver(batch_of(RECORDS_TAKEN))
                await transport.close()
                if delivered:
                    assert outcome == Delivered()
                else:
                    assert isinstance(outcome, Retry)
                    assert outcome.credentials
                    assert "certificate is not accepted" in outcome.reason

    asyncio.run(asyncio.wait_for(run(), 30))


SURROUNDINGS = registry.Surroundings(HOST, "0", "collector")


@pytest.mark.parametrize(
    "settings",
    [
        OtlpSettings("http://h/", headers=(("X", Secret("very-secret-key\n")),)),
        OtlpSettings("http://h/", headers=(("X Y", Secret("very-secret-key")),)),
    ],
)
def test_settings_that_cannot_work_are_refused_without_their_secrets(
    settings: OtlpSettings,
) -> None:
    with pytest.raises(ConfigError) as refused:
        registry.kind_of("otlp").make(settings, registry.format_of("otel"), SURROUNDINGS)
    assert "collector" in refused.value.problem
    assert "very-secret-key" not in refused.value.problem + refused.value.fix


@pytest.mark.parametrize("url", ["ftp://h/", "http://user:very-secret-key@h/"])
def test_a_url_that_cannot_be_is_refused_by_its_key(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url: ") as refused:
        OtlpSettings(url)
    assert "very-secret-key" not in str(refused.value)


@pytest.mark.parametrize("wrong", [{"seconds": 0.0}, {"seconds": 1e9}, {"max_records": 0}])
def test_numbers_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OtlpSettings("http://h/", **wrong)

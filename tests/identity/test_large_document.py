"""Files that are too large to be parsed whole (case labels-over-a-mebibyte)."""

from __future__ import annotations

import io
import json
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.identity.describer import Describer
from sensor.identity.document import JsonDocument, parse
from sensor.identity.files import Failure
from sensor.identity.large_document import (
    LARGE_BYTES,
    SMALL_MEMBERS,
    STRING_MAX,
    LargeDocument,
)
from tests.identity.sample_node import ID, Node, oci_config, request_for

TASKS = "/run/containerd/io.containerd.runtime.v2.task"
DATA = "/var/lib/docker"


def read(data: bytes, chunk: int = 1000) -> tuple[JsonDocument | Failure, bool]:
    stream = io.BytesIO(data)
    large = LargeDocument(lambda: stream.read(chunk))
    return large.parse(), large.cut


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(value=st.dictionaries(st.text(), JSON), chunk=st.integers(1, 50), ascii_only=st.booleans())
def test_what_is_small_reads_as_with_the_whole_parser(
    value: dict[str, object], chunk: int, *, ascii_only: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=1)
    data = text.encode("utf-8", "surrogatepass")
    assert read(data, chunk) == (parse(data), False)


@given(st.binary(), st.integers(1, 20))
def test_no_bytes_make_it_raise(data: bytes, chunk: int) -> None:
    for text in (data, b'{"a":' + data, b'{"a":"' + data):
        found, _ = read(text, chunk)
        assert isinstance(found, JsonDocument | Failure)


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{", b'{"a"}', b'{"a":1', b'{"a":1}x', b'{"a":tru}', b'{"a' + b"x" * 70_000],
)
def test_what_is_not_an_object_is_a_failure(text: bytes) -> None:
    assert isinstance(read(text)[0], Failure)


def test_a_long_string_goes_and_its_neighbours_stay() -> None:
    value = {"a": 1, "long": 'x\\"' * STRING_MAX, "b": {"c": "d"}, "k" * (STRING_MAX + 1): 1}
    found, cut = read(json.dumps(value).encode())
    assert isinstance(found, JsonDocument)
    assert cut
    assert found.number("a") == 1
    assert found.part("b").text("c") == "d"
    assert not found.has("long")


def test_large_members_are_cut_before_small_ones() -> None:
    labels = {f"a{number:04}": "x" * 8000 for number in range(200)} | {"z": "small"}
    found, cut = read(json.dumps({"Labels": labels, "Name": "/web"}).encode())
    assert isinstance(found, JsonDocument)
    assert cut
    assert found.text("Name") == "/web"
    kept = dict(found.part("Labels").pairs())
    assert kept["z"] == "small"
    assert sum(map(len, kept.values())) <= LARGE_BYTES + 5


def test_members_beyond_the_limit_are_passed_over() -> None:
    labels = {f"{number}": "x" for number in range(3 * SMALL_MEMBERS)}
    value = {"Labels": labels, "deep": [[{}, "]}"]] * 9, "Name": "/web"}
    found, cut = read(json.dumps(value).encode())
    assert isinstance(found, JsonDocument)
    assert cut
    assert found.text("Name") == "/web"
    assert len(found.part("Labels").pairs()) == SMALL_MEMBERS


def test_memory_and_time_stay_bounded() -> None:
    labels = {f"{number}": "x" * 8000 for number in range(2000)}
    data = json.dumps({"Labels": labels, "Name": "/web"}).encode()
    stream = io.BytesIO(data)
    large = LargeDocument(lambda: stream.read(1 << 16))
    tracemalloc.start()
    begin = time.thread_time()
    found = large.parse()
    spent = time.thread_time() - begin
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(found, JsonDocument)
    assert found.text("Name") == "/web"
    assert peak < 2 << 20
    assert spent < 2.0


def large_docker(node: Node, **config: object) -> None:
    mounts = [{"source": f"{DATA}/containers/{ID}/hostname", "destination": "/etc/hostname"}]
    node.write(f"{TASKS}/moby/{ID}/config.json", oci_config(mounts=mounts))
    labels = {f"label-{number}": "x" * 8000 for number in range(200)}
    record = {
        "State": {"StartedAt": "2026-01-02T03:04:05Z", "FinishedAt": "2026-01-02T03:05:05Z",
                  "ExitCode": 3},
        "ID": ID,
        "Config": {"Env": ["A=" + "x" * 9000] * 99, "Image": "bb", "Labels": labels},
        "Image": f"sha256:{'a' * 64}",
        "Name": "/p3",
        "RestartCount": 2,
        "HasBeenStartedBefore": True,
        **config,
    }  # fmt: skip
    node.write(f"{DATA}/containers/{ID}/config.v2.json", record)
    binds = [f"/{'x' * 4000}:/y{number}" for number in range(400)]
    policy = {"Name": "always"}
    node.write(
        f"{DATA}/containers/{ID}/hostconfig.json",
        {"Binds": binds, "Privileged": True, "RestartPolicy": policy},
    )


def test_more_than_a_mebibyte_of_labels_takes_only_labels(node: Node) -> None:
    large_docker(node)
    found = Describer(node.settings).describe(request_for())
    assert found.name == "p3"
    assert found.image is not None
    assert (found.image.name, found.image.id) == ("bb", f"sha256:{'a' * 64}")
    assert found.record is not None
    assert found.record.restart_count == 2
    assert found.record.has_run
    assert found.record.exit_code == 3
    assert found.record.restart_policy == "always"
    assert found.security is not None
    assert found.security.privileged
    assert found.labels
    assert {"docker_config:cut", "docker_host_config:cut"} <= set(found.problems)


def test_a_bundle_with_large_arguments_keeps_what_else_it_says(node: Node) -> None:
    mounts = [{"source": f"{DATA}/containers/{ID}/hostname", "destination": "/etc/hostname"}]
    config = oci_config(mounts=mounts, annotations={f"a{n}": "x" * 9000 for n in range(200)})
    node.write(f"{TASKS}/moby/{ID}/config.json", config)
    node.write(f"{DATA}/containers/{ID}/config.v2.json", {"ID": ID, "Name": "/web"})
    node.write(f"{DATA}/containers/{ID}/hostconfig.json", {})
    found = Describer(node.settings).describe(request_for())
    assert found.name == "web"
    assert found.command == ("nginx", "-g", "daemon off;")
    assert found.problems == ("bundle:cut",)

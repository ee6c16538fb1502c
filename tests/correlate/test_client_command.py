"""Command lines of container clients: each grammar, and what could pass for a name in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.correlate.client_command import TARGETS_MAX, ClientCommand, ClientRequest, parse
from tests.correlate.costs import LINES, is_linear

H = "4f2d" * 16
DIGEST = "sha256:" + "ab" * 32

RUNS = [
    # line, request, name, image
    ("docker run nginx", "run", None, "nginx"),
    ("podman run --rootfs --name web /srv/root sleep 9", "run", "web", None),
    ("podman run --rootfs=false nginx", "run", None, "nginx"),
    ("docker run -it --rm alpine sh -c ls", "run", None, "alpine"),
    ("docker run -d --name web -p 80:80 nginx:1.25", "run", "web", "nginx:1.25"),
    ("docker run --name=web -p80:80 -v /a:/b -e A=B nginx", "run", "web", "nginx"),
    ("docker run --name web --env-file=f -eA=B --label x=y reg:5000/a/b:t", "run", "web",
     "reg:5000/a/b:t"),
    (f"docker run reg.example/a@{DIGEST} --name not-this", "run", None, f"reg.example/a@{DIGEST}"),
    (f"docker run nginx:1.25@{DIGEST}", "run", None, f"nginx:1.25@{DIGEST}"),
    ("docker --context prod -H tcp://h:1 run --name web nginx", "run", "web", "nginx"),
    ("docker -D --log-level debug --config /c run nginx", "run", None, "nginx"),
    ("docker container run --name web nginx", "run", "web", "nginx"),
    ("docker container create --name web nginx", "create", "web", "nginx"),
    ("docker create --name web --restart always nginx", "create", "web", "nginx"),
    ("docker run --network host --pull always --gpus all --init x", "run", None, "x"),
    ("docker run --privileged --read-only -P --sig-proxy=false x", "run", None, "x"),
    ("docker run -- nginx", "run", None, "nginx"),
    ("docker run", "run", None, None),
    ("docker run --name", "run", None, None),
    ("podman --log-level debug --root /r run --replace --name web nginx", "run", "web", "nginx"),
    ("podman run --rmi --tls-verify=false -d docker.io/library/nginx", "run", None,
     "docker.io/library/nginx"),
    ("podman container run --pod new:p nginx", "run", None, "nginx"),
    ("podman-remote --url unix:///x run nginx", "run", None, "nginx"),
    ("nerdctl -n k8s.io run -d --name web nginx", "run", "web", "nginx"),
    ("nerdctl --namespace k8s.io --address /a run nginx", "run", None, "nginx"),
]  # fmt: skip

TARGETED = [
    ("docker stop -t 5 web", "stop", ("web",)),
    ("docker kill -s KILL web", "stop", ("web",)),
    # line, request, targets
    ("docker start web", "start", ("web",)),
    ("docker start a b c", "start", ("a", "b", "c")),
    ("docker start -a -i web", "start", ("web",)),
    ("docker start -ai web", "start", ("web",)),
    ("docker start --detach-keys ctrl-p web", "start", ("web",)),
    ("docker start --checkpoint c1 --checkpoint-dir /d web", "start", ("web",)),
    ("docker container start web", "start", ("web",)),
    (f"docker start {H} {H[:12]}", "start", (H, H[:12])),
    ("docker start", "start", ()),
    ("docker -H unix:///run/docker.sock start web", "start", ("web",)),
    ("docker --tls --tlscacert ca start web", "start", ("web",)),
    ("docker restart web", "restart", ("web",)),
    ("docker restart -t 5 web db", "restart", ("web", "db")),
    ("docker restart --time=5 web", "restart", ("web",)),
    ("docker restart web -s SIGINT", "restart", ("web",)),
    ("docker container restart --signal SIGINT web", "restart", ("web",)),
    ("podman start --all", "start", ()),
    ("podman restart --running", "restart", ()),
    ("nerdctl start web", "start", ("web",)),
    (f"crictl start {H}", "start", (H,)),
    (f"crictl -r unix:///c -t 2s start {H[:13]}", "start", (H[:13],)),
    ("ctr task start web", "start", ("web",)),
    ("ctr -n ns tasks start -d web", "start", ("web",)),
    ("ctr t start web", "start", ("web",)),
]

COMPOSE = [
    ("docker", "docker compose up", "up", ()),
    ("docker", "docker compose up -d web db", "up", ("web", "db")),
    ("docker", "docker compose -f a.yml -f b.yml -p shop --profile x up web", "up", ("web",)),
    ("docker", "docker --context c compose --env-file e up", "up", ()),
    ("docker", "docker compose start web", "up", ("web",)),
    ("docker", "docker compose restart web", "restart", ("web",)),
    ("docker-compose", "docker-compose -p shop up -d web", "up", ("web",)),
    ("docker-compose", "/usr/libexec/docker/cli-plugins/docker-compose compose up web", "up",
     ("web",)),
    ("docker-compose", "/usr/bin/python3 /usr/bin/docker-compose up -d web", "up", ("web",)),
    ("docker-compose", "/usr/bin/python3 -u /usr/bin/docker-compose -f a up", "up", ()),
    ("podman-compose", "/usr/bin/python3 /usr/bin/podman-compose restart web", "restart", ("web",)),
    ("nerdctl", "nerdctl compose up web", "up", ("web",)),
    ("podman", "podman compose up web", "up", ("web",)),
]  # fmt: skip

CTR_RUNS = [
    ("ctr run docker.io/library/nginx:1.25 web", "docker.io/library/nginx:1.25", "web"),
    ("ctr -n k8s.io -a /s run --rm -t docker.io/x:1 web sh", "docker.io/x:1", "web"),
    ("ctr run --env A=B --mount type=bind,src=/a,dst=/b --net-host -d img web", "img", "web"),
    ("ctr run --runtime io.containerd.runc.v2 --rootfs /r web sh", None, "web"),
    ("ctr --namespace ns --debug run --cap-add CAP_NET_ADMIN --with-ns network:/n img web",
     "img", "web"),
    (f"ctr run img@{DIGEST} {H}", f"img@{DIGEST}", H),
]  # fmt: skip

NOTHING = [
    ("docker", ""),
    ("docker", "docker"),
    ("docker", "docker ps -a"),
    ("docker", "docker exec web start"),
    ("docker", "docker inspect start"),
    ("docker", "docker --host"),
    ("docker", "docker -H"),
    ("docker", "docker container"),
    ("docker", "docker container ls"),
    ("docker", "docker compose"),
    ("docker", "docker compose down"),
    ("docker", "docker compose -f"),
    ("podman", "podman machine list"),
    ("ctr", "ctr run"),
    ("ctr", "ctr run img"),
    ("ctr", "ctr images pull start"),
    ("ctr", "ctr containers create img web"),
    ("crictl", "crictl create p c.json p.json"),
    ("docker", "docker service ls"),
    ("docker", "docker stack ps web"),
    ("docker", "docker system prune"),
    ("docker", "docker image prune -f"),
    ("podman", "podman pod ps"),
    ("podman", "podman system prune"),
    ("docker-compose", "docker-compose logs web"),
]


def read(line: str, program: str | None = None) -> ClientCommand | None:
    argv = tuple(line.split())
    return parse(program or argv[0], argv)


@pytest.mark.parametrize(
    ("line", "request_", "name", "image"), RUNS, ids=[case[0][:70] for case in RUNS]
)
def test_run_and_create_show_name_and_image(
    line: str, request_: str, name: str | None, image: str | None
) -> None:
    assert read(line) == ClientCommand(ClientRequest(request_), name=name, image=image)


@pytest.mark.parametrize(
    ("line", "request_", "targets"), TARGETED, ids=[case[0][:70] for case in TARGETED]
)
def test_start_and_restart_show_their_targets_as_typed(
    line: str, request_: str, targets: tuple[str, ...]
) -> None:
    assert read(line) == ClientCommand(ClientRequest(request_), targets=targets)


@pytest.mark.parametrize(
    ("program", "line", "request_", "targets"), COMPOSE, ids=[case[1][:70] for case in COMPOSE]
)
def test_compose_shows_its_services(
    program: str, line: str, request_: str, targets: tuple[str, ...]
) -> None:
    found = read(line, program)
    assert found is not None
    assert found.compose
    assert (found.request, found.targets) == (ClientRequest(request_), targets)


@pytest.mark.parametrize(
    ("line", "project"),
    [
        ("docker compose up", None),
        ("docker compose -p shop up", "shop"),
        ("docker compose --project-name=shop -f a.yml up -d web", "shop"),
        ("docker compose --project-name shop restart", "shop"),
    ],
)
def test_compose_shows_its_project_when_an_option_does(line: str, project: str | None) -> None:
    found = read(line)
    assert found is not None
    assert found.project == project


@pytest.mark.parametrize(
    ("line", "image", "id_"), CTR_RUNS, ids=[case[0][:70] for case in CTR_RUNS]
)
def test_ctr_run_shows_image_and_id(line: str, image: str | None, id_: str) -> None:
    assert read(line) == ClientCommand(ClientRequest.RUN, targets=(id_,), image=image)


@pytest.mark.parametrize(("program", "line"), NOTHING, ids=[case[1] or "empty" for case in NOTHING])
def test_these_start_nothing(program: str, line: str) -> None:
    assert parse(program, tuple(line.split())) is None


def test_one_command_names_a_bounded_number_of_containers() -> None:
    command = parse("docker", ("docker", "start", *(f"c{n}" for n in range(10_000))))
    assert command is not None
    assert len(command.targets) == TARGETS_MAX


WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["run", "start", "compose", "container", "--name", "--name=", "-H", "--", "-", "-it", "ctr"]
    ),
    st.sampled_from(["\ud800", "\0", "", "\x1b[2J", "docker-compose", "up", "-t", "task"]),
)
PROGRAMS = st.sampled_from(["docker", "docker-compose", "podman", "ctr", "crictl", "nerdctl", ""])


@given(PROGRAMS, st.lists(WORDS, max_size=12).map(tuple))
def test_no_command_line_makes_the_parser_raise(program: str, argv: tuple[str, ...]) -> None:
    command = parse(program, argv)
    if command is not None:
        assert all(target in argv for target in command.targets)
        assert command.image is None or command.image in argv
        assert len(command.targets) <= TARGETS_MAX


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
@pytest.mark.parametrize(
    "begin",
    [
        ["docker"],
        ["docker", "run"],
        ["docker", "start"],
        ["docker", "compose", "up"],
        ["ctr", "run"],
    ],
    ids=" ".join,
)
def test_the_cost_of_a_command_line_grows_with_its_length(
    begin: list[str], line: Callable[[int], list[str]]
) -> None:
    """sec-crafted-argument-stalls-agent: linear, whatever stands in it."""
    assert is_linear(lambda argv: parse(argv[0], argv), lambda length: [*begin, *line(length)])

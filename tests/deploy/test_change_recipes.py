"""The recipes of docs/changes.md, run: Ansible's tasks locally, the pipelines' lines by bash.

What a recipe reaches elsewhere is a stand-in here: ``ssh`` runs its command on this machine, and
``gh`` answers with the reviewer of a deployment. ``castoff`` is the real one, and so is its agent's
socket.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from lab.requirements import cannot
from sensor.api.client import AgentClient
from sensor.cli.options import SOCKET
from sensor.judge.change_text import Adder, of_file, of_json
from sensor.judge.policy_text import SourceText
from tests.api.bridge import Running, running
from tests.api.sample_agent import Judged, Log, View

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "changes.md").read_text()
NODE = {"NODE": "node-1"}
STANDINS = {
    # As sshd does: the words are one line for a shell of the account.
    "ssh": 'shift\nexec /bin/sh -c "$*"',
    "sudo": 'exec "$@"',
    "gh": "echo carol",
}


@pytest.fixture
def agent() -> Iterator[Running]:
    with running(View(), Log(), judgement=Judged()) as one:
        yield one


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    directory = tmp_path / "bin"
    directory.mkdir()
    for name, text in STANDINS.items():
        path = directory / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)
    (directory / "castoff").symlink_to(ROOT / "bin" / "castoff")
    return directory


def recipe(heading: str, number: int = 0) -> Any:
    section = DOCS.partition(f"### {heading}\n")[2].partition("\n### ")[0]
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.MULTILINE)
    return yaml.safe_load(textwrap.dedent(blocks[number]))


def bash(script: str, agent: Running, programs: Path, **variables: str) -> None:
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={
            "PATH": f"{programs}:/usr/bin:/bin",
            "CASTOFF_SOCKET": str(agent.path),
            **NODE,
            **variables,
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr


def recorded(agent: Running) -> dict[str, Any]:
    (change,) = AgentClient(agent.path).document("/v1/changes")["changes"]
    found: dict[str, Any] = change
    return found


def play(
    tasks: list[dict[str, Any]],
    tmp_path: Path,
    agent: Running,
    programs: Path,
    id_: str = "CHG-7",
) -> None:
    if shutil.which("ansible-playbook") is None:
        cannot("no ansible-playbook: apt-get install ansible-core")
    book = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
    path = tmp_path / "book.yml"
    path.write_text(yaml.safe_dump(book))
    variables = {
        "change_id": id_,
        "change_approver": "carol",
        "change_url": "https://example.com/7",
        "change_begin": "2026-11-30T08:00:00+01:00",
        "change_end": "2026-11-30T12:00:00+01:00",
    }
    done = subprocess.run(
        ["ansible-playbook", "-c", "local", "-i", "localhost,", "-e", json.dumps(variables), path],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "LC_ALL": "C.UTF-8",
            "CASTOFF_SOCKET": str(agent.path),
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ansible_records_a_change(agent: Running, programs: Path, tmp_path: Path) -> None:
    task = recipe("Ansible")[0]
    # This machine's root runs it; the recipe's `become` would ask for a password elsewhere.
    task.pop("become")
    play([task], tmp_path, agent, programs)
    change = recorded(agent)
    assert (change["id"], change["by"], change["url"]) == (
        "CHG-7",
        "carol",
        "https://example.com/7",
    )
    assert change["selector"] == {"workload": ["compose/shop/*"]}


@pytest.mark.parametrize("id_", ["CHG-7", "REL/7.1:x#2"])
def test_ansible_installs_a_file_that_the_agent_reads(
    agent: Running, programs: Path, tmp_path: Path, id_: str
) -> None:
    task = recipe("Ansible", 1)[0]
    task.pop("become")
    task.pop("notify")
    copy = task["ansible.builtin.copy"]
    copy["dest"] = copy["dest"].replace("/etc/castoff/changes.d", str(tmp_path))
    if os.getuid():
        copy.pop("owner"), copy.pop("group")
    play([task], tmp_path, agent, programs, id_)
    (file,) = tmp_path.glob("*.toml")
    (change,) = of_file(SourceText(str(file), file.read_bytes()), 0)
    assert (change.id, change.by) == (id_, "carol")
    assert change.not_after - change.not_before == 4 * 3600 * 10**9


def test_gitlabs_job_records_a_change(agent: Running, programs: Path) -> None:
    job = recipe("GitLab")["record-change"]
    bash(
        "\n".join(job["script"]),
        agent,
        programs,
        CI_PROJECT_ID="12",
        CI_JOB_ID="3456",
        CI_PIPELINE_URL="https://gitlab.example.com/p/3456",
        CI_COMMIT_TAG="v1.2",
        APPROVER="carol",
    )
    change = recorded(agent)
    assert (change["id"], change["by"], change["reason"]) == ("gitlab-12-3456", "carol", "v1.2")
    assert change["selector"] == {"workload": ["compose/shop/*"]}


def test_what_a_tag_is_called_runs_nothing_on_the_node(
    agent: Running, programs: Path, tmp_path: Path
) -> None:
    hostile = f"v1; touch {tmp_path}/owned $(touch {tmp_path}/owned) '\"*"
    bash(
        "\n".join(recipe("GitLab")["record-change"]["script"]),
        agent,
        programs,
        CI_PROJECT_ID="12",
        CI_JOB_ID="1",
        CI_PIPELINE_URL="https://gitlab.example.com/p/1",
        CI_COMMIT_TAG=hostile,
        APPROVER="carol",
    )
    assert recorded(agent)["reason"] == hostile
    assert not (tmp_path / "owned").exists()


def test_githubs_step_records_a_change_by_the_reviewer(agent: Running, programs: Path) -> None:
    (step,) = recipe("GitHub")["jobs"]["deploy"]["steps"]
    bash(step["run"], agent, programs, GH_TOKEN="x", RUN="99", ATTEMPT="2", REPOSITORY="shop/web")
    change = recorded(agent)
    assert (change["id"], change["by"]) == ("gh-99-2", "carol")
    assert change["url"] == "https://github.com/shop/web/actions/runs/99"
    assert change["selector"] == {"workload": ["compose/shop/*"]}


def test_argo_cds_hook_is_a_job_whose_command_records_a_change(agent: Running) -> None:
    job = recipe("Argo CD")
    named = {**job, "metadata": {**job["metadata"], "name": "castoff-change-x"}}
    kubernetes_validate.validate(named, "1.34", strict=True)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["volumeMounts"][0]["mountPath"] == str(SOCKET.parent)
    records = [*container["command"], *container["args"]], "active"
    ends = recipe("Argo CD", 1)["command"], "ended"
    # A sync that failed, and one of the same revision again.
    for words, state in (records, ends, records, ends):
        command = [str(agent.path) if one == str(SOCKET) else one for one in words]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        change = recorded(agent)
        assert (change["id"], change["by"]) == ("argocd-shop-1.2.3", "argocd")
        assert change["selector"] == {"namespace": ["shop"]}
        assert change["state"] == state


SERVICENOW = """\
const field = (text) => ({ toString: () => text });
const sn_ws = { RESTMessageV2: class {
    setEndpoint() {} setHttpMethod() {}
    setRequestBody(text) { this.body = text; }
    execute() { console.log(this.body); }
} };
class GlideRecord {
    constructor(table) { this.asked = [table]; this.approver = { user_name: field('carol') }; }
    addQuery(name, value) { this.asked.push(name, value); }
    orderByDesc() {} setLimit() {} query() {}
    next() {
        const wanted = 'sysapproval_approver sysapproval id-of-the-change state approved';
        return process.env.APPROVED === '1' && this.asked.join(' ') === wanted;
    }
}
const gs = { getProperty: () => 'https://example.service-now.com/' };
const current = {
    number: field('CHG0030001'), sys_id: 'id-of-the-change',
    start_date: field('2026-11-30 08:00:00'), end_date: field('2026-11-30 12:00:00'),
    u_workload: field('compose/shop/ledger'), getLink: () => 'change_request.do?sys_id=1',
};
"""
"""ServiceNow's objects, as far as the rule asks them. Fields become texts by ``toString``."""


def servicenow(approved: str) -> subprocess.CompletedProcess[bytes]:
    node = shutil.which("node")
    if node is None:
        cannot("no node: apt-get install nodejs")
    section = DOCS.partition("### ServiceNow\n")[2]
    (rule,) = re.findall(r"(?:^    .*\n)+", section, re.MULTILINE)
    return subprocess.run(
        [node, "-e", SERVICENOW + textwrap.dedent(rule)],
        check=False,
        capture_output=True,
        timeout=60,
        env={"APPROVED": approved},
    )


def test_servicenows_rule_sends_nothing_without_an_approval() -> None:
    done = servicenow("0")
    assert done.stdout == b""
    assert b"CHG0030001 has no approval" in done.stderr


def test_servicenows_rule_makes_a_body_that_is_a_change() -> None:
    done = servicenow("1")
    change = of_json(done.stdout, 0, Adder("relay", 0))
    assert (change.id, change.by) == ("CHG0030001", "carol")
    assert change.not_after - change.not_before == 4 * 3600 * 10**9
    assert change.selector.written() == {"workload": ["compose/shop/ledger"]}
    assert change.url == "https://example.service-now.com/change_request.do?sys_id=1"

"""Whether starts are put down to who caused them.

    python -m bench.attribution [--flood | --posers]

A run whose every cause is known: eight users at once through the docker command, programs that talk
to the engine's socket beside them, a container that has the socket, restart policies, an engine
that boots, runc by hand. What the events say is compared with the truth: login uid and pid, or the
container of the caller. With ``--flood``, programs called runc and docker execute themselves in a
loop meanwhile. With ``--posers``, a plain user imitates all commands and claims all containers.
Ends with 1 when a target is missed.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING

from bench import people
from bench.agent import Agent
from bench.command import parser, reporting
from bench.engine import engines
from bench.flood import Flood, flood
from bench.labels import Answer, Group, Judgement, Labels
from bench.node import own_lab
from bench.people import People, at_once
from bench.posing import Posing, posing
from bench.programs import compiled
from bench.progress import say
from bench.rows import Row

if TYPE_CHECKING:
    from pathlib import Path

    from bench.engine import Engines
    from lab.engines import Lab

COMMAND = "make bench-attribution"
FLOOD_COMMAND = "python -m bench.attribution --flood"
POSERS_COMMAND = "python -m bench.attribution --posers"
FLOOD_API_CALLS = 4
ATTRIBUTED = (Answer.EXACT, Answer.INFERRED, Answer.CANDIDATE)


def labelled_run(all_users: People, post: Path) -> None:
    """Make all the starts of issue and README, most of them beside each other."""
    say("preparing containers for the callers of the API")
    calls = [all_users.call_api(people.FIRST_CALLER + number) for number in range(people.API_CALLS)]
    from_container = all_users.call_from_container(post)
    say(f"{people.USERS} users at once, {people.API_AT_ONCE} API callers and others beside them")
    at_once(
        *([partial(all_users.sit_down, people.FIRST_USER + n)] for n in range(people.USERS)),
        *(calls[number :: people.API_AT_ONCE] for number in range(people.API_AT_ONCE)),
        [
            *(partial(all_users.run_runc, people.FIRST_RUNC + n) for n in range(people.BY_RUNC)),
            from_container,
            *([all_users.fail_once] * people.BY_POLICY),
        ],
    )
    say("restarting dockerd")
    all_users.restart_engine()


def flooded_run(all_users: People) -> None:
    """Make a smaller run, of what can be done while the processors are busy with other work."""
    calls = [all_users.call_api(people.FIRST_CALLER + number) for number in range(FLOOD_API_CALLS)]
    at_once(
        *([partial(all_users.sit_down, people.FIRST_USER + n, 1)] for n in range(people.USERS)),
        calls,
    )


def measure(
    lab: Lab, running: Engines, *, flooding: bool, imitated: bool
) -> tuple[Judgement, list[Row]]:
    """Run it under an agent and judge what that said; also return what was measured beside."""
    programs = lab.sub("programs")
    labels = Labels()
    all_users = People(lab, running, labels)
    found: Flood | None = None
    poser: Posing | None = None
    beside: list[Row] = []
    with Agent(lab, compiled("stamp", programs)) as agent:
        agent.settle(running.runc)
        if flooding:
            with flood(programs, agent) as found:
                flooded_run(all_users)
        elif imitated:
            with posing(running.docker.address) as poser:
                labelled_run(all_users, compiled("post", programs))
        else:
            labelled_run(all_users, compiled("post", programs))
        counts = labels.counts()
        agent.wait_for(
            lambda: all(
                sum(line.container["id"] == container for line in agent.of("start")) >= count
                for container, count in counts.items()
            ),
            "every start is reported",
        )
        agent.settle(running.runc)
        starts = [line.event for line in agent.of("start")]
        if found is not None:
            found.count()
            beside = found.rows(FLOOD_COMMAND)
        if poser is not None:
            own = [start for start in starts if start["container"]["id"] in counts]
            beside = poser.rows(own, POSERS_COMMAND)
        judgement = labels.judge(starts)
    return judgement, beside


def rows(judgement: Judgement, command: str) -> list[Row]:
    """Hold the judgement against the targets."""
    return [
        *_reported(judgement, command),
        *_named(judgement, command),
        *_called(judgement, command),
    ]


def _reported(judgement: Judgement, command: str) -> list[Row]:
    total = sum(map(judgement.total, Group))
    missing, surplus = judgement.missing, judgement.surplus
    return [
        Row(
            "labelled starts reported, and starts that there were not",
            f"{total - missing} of {total}, {surplus}",
            f"{total}, 0",
            not missing and not surplus,
            command,
            {"starts": total, "reported": total - missing, "surplus": surplus},
        ),
    ]


def _named(judgement: Judgement, command: str) -> list[Row]:
    named = judgement.total(Group.CLI_NAMED) + judgement.total(Group.SET_UP)
    exact = sum(judgement.answered(g, Answer.EXACT) for g in (Group.CLI_NAMED, Group.SET_UP))
    nameless = judgement.answered(Group.CLI_NAMELESS, Answer.EXACT)
    return [
        Row(
            "named in a docker command: right process and login uid, exact",
            f"{exact} of {named}",
            f"{named}",
            exact == named,
            command,
            {"starts": named, "exact": exact},
        ),
        Row(
            "docker run without a name, which only its request shows: the same",
            f"{nameless} of {judgement.total(Group.CLI_NAMELESS)}",
            f"{judgement.total(Group.CLI_NAMELESS)}",
            nameless == judgement.total(Group.CLI_NAMELESS),
            command,
            {"starts": judgement.total(Group.CLI_NAMELESS), "exact": nameless},
        ),
    ]


def _called(judgement: Judgement, command: str) -> list[Row]:
    calls, inside = judgement.total(Group.API), judgement.total(Group.CONTAINER)
    called = sum(judgement.answered(group, Answer.EXACT) for group in (Group.API, Group.CONTAINER))
    callers = judgement.answered(Group.API, *ATTRIBUTED)
    among = judgement.answered(Group.API, Answer.CANDIDATE)
    wrong = len(judgement.wrong)
    return [
        Row(
            "raw API calls, from the host and from a container: exact by their requests",
            f"{called} of {calls + inside}",
            f"{calls + inside}",
            called == calls + inside,
            command,
            {"starts": calls + inside, "exact": called},
        ),
        Row(
            "raw API calls: the caller named, or among the candidates",
            f"{callers} of {calls}, {among} of them among",
            f"{calls}",
            callers == calls,
            command,
            {"starts": calls, "attributed": callers},
        ),
        Row(
            "wrong initiators and triggers",
            f"{wrong}",
            "0",
            not wrong,
            command,
            {"wrong": wrong},
        ),
    ]


def explain(judgement: Judgement) -> None:
    """Show what was wrong, on standard error."""
    for cause, event in judgement.wrong:
        parts = ("time", "container", "start", "initiator", "candidates", "confidence", "evidence")
        shown = {part: event[part] for part in parts}
        print(f"WRONG: caused by {cause}, and said was\n{json.dumps(shown)}", file=sys.stderr)


def main() -> None:
    """Run from the command line."""
    options = parser("python -m bench.attribution", __doc__)
    meanwhile = options.add_mutually_exclusive_group()
    meanwhile.add_argument("--flood", action="store_true", help="the same in a flood of execs")
    meanwhile.add_argument(
        "--posers", action="store_true", help="the same beside a plain user who imitates the others"
    )
    arguments = options.parse_args()
    command = COMMAND
    if arguments.flood or arguments.posers:
        command = FLOOD_COMMAND if arguments.flood else POSERS_COMMAND
    with reporting(arguments.json) as lines, own_lab() as lab, engines(lab) as running:
        judgement, beside = measure(
            lab, running, flooding=arguments.flood, imitated=arguments.posers
        )
        lines.extend(rows(judgement, command) + beside)
        explain(judgement)
        print(f"{judgement.trigger_table()}\n\n{judgement.answer_table()}\n")


if __name__ == "__main__":
    main()

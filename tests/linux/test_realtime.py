"""The real-time policy: whom it reaches, and that it is bounded whatever the work is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sensor.linux.realtime import BURST, SHARE

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE = 60

PRELUDE = """
import json, os, signal, subprocess, sys, threading, time
sys.path.insert(0, sys.argv[1])
from sensor.linux import realtime
from sensor.linux.realtime import RealTime
kernels = lambda: os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
def until(condition):
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
        policy.account()
    return condition()
seen = {}
policy = RealTime()
before = kernels(), signal.getsignal(signal.SIGXCPU)
if not policy.begin():
    print(json.dumps(None))
    raise SystemExit
"""


def tried(script: str) -> dict[str, Any]:
    """Run a script in a process of its own, which says what it has seen."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"{PRELUDE}{script}\nprint(json.dumps(seen))", CHECKOUT],
        check=True,
        stdout=subprocess.PIPE,
        timeout=PATIENCE,
    )
    seen: dict[str, Any] | None = json.loads(done.stdout)
    if seen is None:
        pytest.skip("cannot run here: no real-time policy is allowed")
    return seen


def test_the_thread_has_it_and_whatever_it_makes_has_not() -> None:
    seen = tried("""
seen["own"] = kernels()
other = threading.Thread(target=lambda: seen.update(thread=kernels()))
other.start(); other.join()
child = "import os; print(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)"
seen["child"] = int(subprocess.check_output([sys.executable, "-c", child]))
policy.end()
seen["after"] = kernels()
seen["as_before"] = (kernels(), signal.getsignal(signal.SIGXCPU)) == before
""")
    assert seen["own"] == os.SCHED_RR
    assert seen["thread"] == seen["child"] == seen["after"] == os.SCHED_OTHER
    assert seen["as_before"]


def test_it_is_given_up_when_the_budget_is_empty_and_comes_back() -> None:
    seen = tried("""
while policy.active:
    burn(realtime.BURST / 4)
    policy.account()
seen["kernels"], seen["withdrawn"] = kernels(), policy.withdrawn
seen["back"] = until(lambda: policy.active) and kernels()
""")
    assert seen == {"kernels": os.SCHED_OTHER, "withdrawn": 1, "back": os.SCHED_RR}


def test_a_flood_of_work_has_its_share_and_no_more() -> None:
    seen = tried("""
eager, began = 0.0, time.monotonic()
while time.monotonic() - began < 2:
    was, used = policy.active, time.thread_time()
    burn(0.002)
    policy.account()
    eager += (time.thread_time() - used) if was else 0
seen["eager"], seen["passed"] = eager, time.monotonic() - began
""")
    assert 0 < seen["eager"] <= BURST + SHARE * seen["passed"] + 0.02


def test_one_stretch_of_work_without_an_end_is_ended_by_the_kernel() -> None:
    seen = tried("""
end = time.monotonic() + 20
while policy.active and time.monotonic() < end:
    pass
seen["kernels"], seen["withdrawn"] = kernels(), policy.withdrawn
policy.account()
seen["at_once_again"] = policy.active
seen["back"] = until(lambda: policy.active)
""")
    assert seen == {
        "kernels": os.SCHED_OTHER,
        "withdrawn": 1,
        "at_once_again": False,
        "back": True,
    }


def test_where_it_is_not_allowed_all_stays_as_it_is() -> None:
    seen = tried("""
policy.end()
os.sched_setscheduler = lambda *_: (_ for _ in ()).throw(PermissionError())
other = RealTime()
seen["begun"] = other.begin()
burn(0.01)
other.account()
seen["kernels"], seen["active"] = kernels(), other.active
""")
    assert seen == {"begun": False, "kernels": os.SCHED_OTHER, "active": False}

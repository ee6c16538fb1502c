"""Settings of notices that cannot work are refused with the key and the fix."""

from __future__ import annotations

import pytest

from sensor.agent.notify_settings import WORDS_MAX, NotifySettings


def test_without_a_command_and_a_url_nothing_is_sent() -> None:
    assert not NotifySettings().is_wanted
    assert NotifySettings(command=("/bin/true",)).is_wanted
    assert NotifySettings(url="https://x/y").is_wanted
    assert list(NotifySettings().mistakes()) == []


MISTAKES = {
    "severity": (NotifySettings(severity="urgent"), "severity"),
    "program-without-a-place": (NotifySettings(command=("mail",)), "command"),
    "too-many-words": (NotifySettings(command=("/bin/x", *["y"] * WORDS_MAX)), "command"),
    "nul": (NotifySettings(command=("/bin/x", "a\0b")), "command"),
    "scheme": (NotifySettings(url="ftp://x"), "url"),
    "no-time": (NotifySettings(seconds=0), "seconds"),
    "too-long": (NotifySettings(seconds=301), "seconds"),
    "not-a-number": (NotifySettings(seconds=float("nan")), "seconds"),
    "never": (NotifySettings(per_hour=0), "per_hour"),
}


@pytest.mark.parametrize(("settings", "key"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_names_its_key_and_a_fix(settings: NotifySettings, key: str) -> None:
    ((section, found, problem, fix),) = settings.mistakes()
    assert (section, found) == ("notify", key)
    assert problem
    assert fix.endswith(".")

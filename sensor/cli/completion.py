"""``castoff completion``: the shell's part of completion, and what values options complete to.

Names of containers come from the agent, which has a quarter of a second to answer: a shell that
hangs is worse than one that completes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from sensor.cli.options import SOCKET
from sensor.errors import CastoffError

if TYPE_CHECKING:
    from collections.abc import Iterable

PATIENCE_SECONDS = 0.25
ITEMS_MAX = 200
SHORT_ID = 12


class ContainerName(click.ParamType):
    """A container by id, name, pod or workload, or the beginning of an id or name."""

    name = "container"

    def shell_complete(
        self,
        ctx: click.Context,
        _param: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem]:
        """Offer names, and ids where the word begins like one."""
        return [CompletionItem(word, help=help_) for word, help_ in _containers(ctx, incomplete)]


class FilterText(click.ParamType):
    """A filter ``key=value``."""

    name = "key=value"

    def shell_complete(
        self,
        ctx: click.Context,
        _param: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem]:
        """Offer the keys, then the values where they are a closed set or containers."""
        from sensor.schema.filters import KEYS

        key, equals, value = incomplete.partition("=")
        if not equals:
            return [CompletionItem(f"{one}=") for one in KEYS if one.startswith(key)]
        if key in {"container", "name", "pod", "owner"}:
            values = [word for word, _ in _containers(ctx, value)]
        else:
            values = [one for one in _closed(key) if one.startswith(value)]
        return [CompletionItem(f"{key}={one}") for one in values]


class TypeName(click.ParamType):
    """A type of event, with or without ``container.``."""

    name = "type"

    def shell_complete(
        self,
        _ctx: click.Context,
        _param: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem]:
        """Offer the types."""
        return [CompletionItem(one) for one in _closed("type") if one.startswith(incomplete)]


def _closed(key: str) -> Iterable[str]:
    from sensor.model.vocabulary import EventType, Explanation, Finding, StartKind, Trigger

    values: dict[str, Iterable[str]] = {
        "type": [one.removeprefix("container.") for one in EventType],
        "sandbox": ["yes", "no"],
        "kind": StartKind,
        "trigger": Trigger,
        "explanation": [*Explanation, "none"],
        "expected": ["true", "false", "null"],
        "finding": Finding,
    }
    return values.get(key, ())


def _containers(ctx: click.Context, incomplete: str) -> list[tuple[str, str | None]]:
    """Ask the agent for words; nothing when it does not answer at once."""
    from sensor.api.client import AgentClient

    chosen = ctx.params.get("socket") or os.environ.get("CASTOFF_SOCKET") or SOCKET
    try:
        client = AgentClient(Path(chosen), seconds=PATIENCE_SECONDS)
        containers: list[dict[str, Any]] = client.document("/v1/containers?all=1")["containers"]
    except (CastoffError, KeyError):
        return []
    words: dict[str, str | None] = {}
    for one in containers:
        name, id_ = one.get("name"), str(one.get("id"))
        if name and name.startswith(incomplete) and _typable(name) and not one.get("sandbox"):
            words[name] = id_[:SHORT_ID]
        for word, help_ in _pod_words(one):
            if word.startswith(incomplete) and _typable(word):
                words.setdefault(word, help_)
        if incomplete and id_.startswith(incomplete) and _typable(id_):
            words[id_[:SHORT_ID] if len(incomplete) < SHORT_ID else id_] = None
    return list(words.items())[:ITEMS_MAX]


def _pod_words(container: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a container's pod and workload are called: pod, namespace/pod, Kind/name."""
    namespace, pod, owner = (container.get(key) for key in ("namespace", "pod", "owner"))
    words: list[tuple[str, str]] = []
    if pod:
        words += [(str(pod), "pod"), (f"{namespace}/{pod}", "pod")]
    if owner:
        words.append((str(owner), "workload"))
    return words


def _typable(word: str) -> bool:
    """Return whether a shell takes a word as it is: names are chosen by others."""
    return word.isascii() and all(one.isalnum() or one in "._-/" for one in word)


_BASH = r"""
_castoff_completion() {
    # What stands before the cursor, by its spaces: to bash a "=" is a word of its own.
    local line=${COMP_LINE:0:COMP_POINT} words word kind value
    read -r -a words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[-1]}
    local before=
    [[ $COMP_WORDBREAKS == *=* && $word == *=* ]] && before=${word%=*}=
    COMPREPLY=()
    while IFS=, read -r kind value; do
        [[ $kind == plain ]] || continue
        [[ $value == *= ]] && compopt -o nospace
        COMPREPLY+=("${value#"$before"}")
    done < <(COMP_WORDS=$line COMP_CWORD=$((${#words[@]} - 1)) _CASTOFF_COMPLETE=bash_complete "$1")
}
complete -o nosort -F _castoff_completion castoff
"""

_ZSH = r"""
#compdef castoff
_castoff_completion() {
    local -a items whole open shown
    local kind value help
    items=("${(@f)$(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT - 1)) \
        _CASTOFF_COMPLETE=zsh_complete "${words[1]}")}")
    for kind value help in "${items[@]}"; do
        [[ $kind == plain ]] || continue
        if [[ $value == *= ]]; then
            open+=("$value")
        else
            whole+=("$value")
            [[ $help == _ ]] && shown+=("$value") || shown+=("$value  $help")
        fi
    done
    (( $#open )) && compadd -S '' -V castoff -a open
    (( $#whole )) && compadd -l -d shown -V castoff -a whole
    (( $#open + $#whole ))
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _castoff_completion "$@"
else
    compdef _castoff_completion castoff
fi
"""

_FISH = r"""
function _castoff_completion
    for line in (env _CASTOFF_COMPLETE=fish_complete COMP_WORDS=(commandline -cp) \
            COMP_CWORD=(commandline -t) castoff)
        set -l parts (string split -m 1 , -- $line)
        test "$parts[1]" = plain; and echo $parts[2]
    end
end
complete --no-files --command castoff --arguments "(_castoff_completion)"
"""

_SCRIPTS = {
    "bash": _BASH.lstrip("\n"),
    "zsh": _ZSH.lstrip("\n"),
    "fish": _FISH.lstrip("\n"),
}


@click.command()
@click.argument("shell", type=click.Choice(list(_SCRIPTS)))
def command(shell: str) -> None:
    """Print the script by which SHELL completes commands and container names.

    For this shell alone: eval "$(castoff completion bash)"
    """
    click.echo(_SCRIPTS[shell], nl=False)

"""The text of an audit event without the parts that no reading needs.

Two parts are a fourth of an event with whole bodies. ``managedFields`` say who set which field
last. The object of a create stands in the answer once more. They are taken out of the text before
it is parsed. The caller has to parse what is left, and the whole where that fails.

No client can move a cut so that another object is read. A key is looked for with the comma and the
quote before it: inside of a text a quote is escaped, and a backslash would stand between them.
Where a cut ends inside of a text, the quote at its end becomes a beginning. The next quote is then
followed by the first letter of a key, which is not JSON. Where a cut goes from one depth to
another, the brackets of what is left do not match. ``managedFields`` are left out of the answer
only. There the API server writes them: a list that is never empty, of objects without lists. A
patch may hold any list under that name. A list stays where another one may begin in it.

What is left out is not checked: damage to it goes unseen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sensor.model.control_plane import ActorKind
from sensor.sources.controlplane.kubernetes_objects import is_status

if TYPE_CHECKING:
    from sensor.model.control_plane import Actor
    from sensor.sources.controlplane.json_text import Json

_MANAGED, _MANAGED_END = b',"managedFields":[{', b"}]"
"""A member of an object's metadata (apimachinery, ``ObjectMeta``)."""
_ASKED, _ANSWERED = b',"requestObject":{', b',"responseObject":{"kind":"'
_CREATE = b"create"
_REFUSED = b'Status"'
"""The kind of a refusal."""


def without_managed_fields(line: bytes) -> bytes:
    """Return an event's text without the lists of managed fields in its answer."""
    answer = line.rfind(_ANSWERED)
    begin = -1 if answer < 0 else line.find(_MANAGED, answer)
    if begin < 0:
        return line
    kept, at = [], 0
    while begin >= 0:
        end = line.find(_MANAGED_END, begin)
        if end < 0:
            break
        if line.count(b"[", begin, end) == 1:
            kept.append(line[at:begin])
            at = end + len(_MANAGED_END)
        begin = line.find(_MANAGED, end)
    kept.append(line[at:])
    return b"".join(kept)


def without_request(line: bytes, verb: bytes) -> bytes:
    """Return the text of a create without the object that was asked for, where an answer follows.

    Whether the answer says all that a reading needs is seen when it is parsed: ``answers``.
    """
    if verb != _CREATE:
        return line
    begin = line.find(_ASKED)
    end = line.find(_ANSWERED, begin) if begin >= 0 else -1
    if end < 0 or line.startswith(_REFUSED, end + len(_ANSWERED)):
        return line
    return line[:begin] + line[end:]


def answers(value: Json, actor: Actor | None) -> bool:
    """Return whether an event that was parsed without its request is read as with it.

    That is so where an object was made and the answer has its name. A node's own request says more
    of a static pod, and below a subresource the two are objects of different kinds.
    """
    answer: Any = value.get("responseObject")
    target: Any = value.get("objectRef")
    if type(answer) is not dict or type(target) is not dict or "subresource" in target:
        return False
    metadata = answer.get("metadata")
    if type(metadata) is not dict or answer.get("kind") == "Scale" or is_status(answer):
        return False
    name = metadata.get("name")
    by_node = actor is not None and actor.kind is ActorKind.NODE
    return type(name) is str and name != "" and not by_node

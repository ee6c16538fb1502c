"""How bodies stand in the file: the JSON line, deflated with a dictionary.

Events repeat each other: keys, host, boot, image, the ancestors of a client. Measured on a start
of 2,285 bytes: msgpack alone 1,860 bytes, zlib alone 1,100, zlib with a line of the same node as
its dictionary about 200, in 55 µs outside of the interpreter's lock. And the line is what the
socket sends, so that reading needs no encoder.

The format is zlib's (RFC 1950): it names the dictionary by its Adler-32 in bytes 2 to 5 and ends
with the Adler-32 of the line, so that a flipped bit is noticed.

The first dictionary is built in. Once a boot of the node has shown ``LEARN_AFTER`` events, the
latest line of each type becomes the dictionary from there on, and is kept in the database.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from sensor.store.entry import BODY_LIMIT

LEARN_AFTER = 32
"""Events after which a node's own dictionary is made."""

DICTIONARY_LIMIT = 16 * 1024
"""Bytes of a dictionary: the window of deflate."""

_LEVEL = 3
_WINDOW_BITS, _MEMORY_LEVEL = 14, 6
"""A window as long as a dictionary, and tables for lines of a few KiB: a third of the memory, which
is copied for each event."""
_HEADER = 6
_FDICT = 0x20

BUILT_IN = (
    b'"orchestrator":{"type":"kubernetes","namespace":"default","pod":"","pod_uid":"","container"'
    b':"","requested_by":null},"verdict":{"expected":true,"reasons":[],"change":null,"attack":['
    b'"T1610"]}"reactivation","restart","restore","api_client","restart_policy","engine_boot",'
    b'"orchestrator","service_manager","direct_runtime","unknown","containerd","podman","cri-o",'
    b'"ambiguous","none","audit","docker","procfs","kubernetes","gap":{"source":"kernel","reason":'
    b'"","since":"20","until":"20","lost":null},"sensor":{"action":"started","containers":0,'
    b'"probes_surviving":false}"stop":{"exit_code":0,"signal":null,"oom_killed":false,'
    b'"duration_seconds":0.,"reason":null}'
    b'{"schema":"castoff.event/1","type":"container.stop","type":"container.start","id":"","time":'
    b'"2026-00-00T00:00:00.000000000Z","observed":"2026-","host":{"name":"","boot_id":"",'
    b'"machine_id":"","kernel":"6.1.0-amd64","node":null},"container":{"id":"","name":"","runtime":'
    b'"docker","oci_runtime":"runc","image":{"name":":latest","id":"sha256:","digest":null},'
    b'"labels":{},"created":"2026-","pid":1,"cgroup":"/docker/","command":["/bin/sh","-c","sleep"],'
    b'"user":null,"parents":[],"sandbox":false,"security":{"privileged":false,"capabilities":[],'
    b'"host_namespaces":[],"mounts":[{"source":"","destination":"","writable":true}],"seccomp":'
    b'"filtered","apparmor":"docker-default","no_new_privileges":false}},"start":{"kind":"first",'
    b'"trigger":"user_command","attempt":null,"dormant_seconds":null,"previous":null},"stop":null,'
    b'"initiator":{"process":{"pid":1,"start_time":"2026-","exe":"/usr/bin/docker","argv":["docker"'
    b',"run"],"cwd":"/root","tty":"pts/0"},"user":{"uid":0,"name":"root","auid":1000,"auid_name":'
    b'null,"session":1},"container_id":null,"socket":"/run/docker.sock","ancestors":[{"pid":1,"exe"'
    b':"/usr/bin/bash","comm":"bash"},{"pid":1,"exe":"/usr/lib/systemd/systemd","comm":"systemd"}]}'
    b',"orchestrator":null,"verdict":null,"confidence":{"container":"exact","trigger":"inferred",'
    b'"initiator":"exact"},"candidates":[],"evidence":[{"source":"kernel","what":"exec of the '
    b'container\'s init","time":"2026-","ref":"cpu0:1"}],"gap":null,"sensor":null}\n'
)


def name_of(dictionary: bytes) -> int:
    """Return the number by which packed bodies name their dictionary."""
    return zlib.adler32(dictionary)


_MODULUS = 65_521
"""Of Adler-32 (RFC 1950, section 8.2): the largest prime below 65,536."""


def mended(dictionary: bytes, name: int) -> bytes | None:
    """Return a dictionary with the one bit turned back that makes it fit its name; None if no one.

    Adler-32 is two sums: of the bytes, and of the bytes times their distance from the end. One
    wrong bit changes the first by a power of two, and the second says where.
    """
    wrong = zlib.adler32(dictionary)
    first = ((name & 0xFFFF) - (wrong & 0xFFFF)) % _MODULUS
    second = ((name >> 16) - (wrong >> 16)) % _MODULUS
    for bit in range(8):
        for sign in (1, -1):
            change = sign << bit
            if first != change % _MODULUS:
                continue
            place = len(dictionary) - second * pow(change, -1, _MODULUS) % _MODULUS
            if not 0 <= place < len(dictionary):
                continue
            found = bytearray(dictionary)
            found[place] ^= 1 << bit
            if zlib.adler32(found) == name:
                return bytes(found)
    return None


class Packer:
    """Packs bodies with the newest dictionary."""

    def __init__(self, dictionary: bytes = BUILT_IN) -> None:
        self.use(dictionary)

    def use(self, dictionary: bytes) -> None:
        """Pack with this dictionary from now on."""
        self.dictionary = dictionary
        self._fresh = zlib.compressobj(
            _LEVEL,
            zlib.DEFLATED,
            _WINDOW_BITS,
            _MEMORY_LEVEL,
            zlib.Z_DEFAULT_STRATEGY,
            dictionary,
        )

    def pack(self, body: bytes) -> bytes:
        """Return the packed body."""
        stream = self._fresh.copy()
        return stream.compress(body) + stream.flush()


class Learner:
    """Gathers the latest line of each type until they make a dictionary."""

    def __init__(self) -> None:
        self._lines: dict[str, bytes] = {}
        self._seen = 0

    def show(self, kind: str, line: bytes) -> bytes | None:
        """Look at one more line; returns the dictionary once there were enough."""
        self._lines.pop(kind, None)
        self._lines[kind] = line[:DICTIONARY_LIMIT]
        self._seen += 1
        if self._seen < LEARN_AFTER:
            return None
        # Deflate finds near matches cheaper: what is most frequent, starts, stands last.
        lines = sorted(
            self._lines.items(), key=lambda item: (item[0] == "container.start", item[0])
        )
        dictionary = b"".join(line for _, line in lines)[-DICTIONARY_LIMIT:]
        self._lines.clear()
        return dictionary


Lookup = Callable[[int], bytes | None]
"""From a dictionary's name to the dictionary, None where there is none."""


class Unpacker:
    """Unpacks bodies with whatever dictionaries there were; not shared between threads."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._known = {name_of(BUILT_IN): BUILT_IN}

    def unpack(self, packed: bytes) -> bytes:
        """Return the body; raises ValueError when it is damaged or of an unknown dictionary."""
        if len(packed) < _HEADER or not packed[1] & _FDICT:
            message = "a body that was not packed here"
            raise ValueError(message)
        stream = zlib.decompressobj(
            zlib.MAX_WBITS, self._dictionary(int.from_bytes(packed[2:_HEADER], "big"))
        )
        try:
            body = stream.decompress(packed, BODY_LIMIT)
        except zlib.error as error:
            message = f"a damaged body: {error}"
            raise ValueError(message) from error
        if not stream.eof or stream.unused_data:
            message = "a body that does not end where it should"
            raise ValueError(message)
        return body

    def _dictionary(self, name: int) -> bytes:
        if name not in self._known:
            dictionary = self._lookup(name)
            if dictionary is None:
                message = "a body of an unknown dictionary"
                raise ValueError(message)
            self._known[name] = dictionary
        return self._known[name]

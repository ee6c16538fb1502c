"""Read what processes ask of a container engine, from the bytes of their connections.

The way of the bytes, module by module:

- ``connections``: all connections of the node, bounded, with a share per owner;
- ``connection``: one connection; it detects the protocol and pairs answers with requests;
- ``http1``, ``http1_sides``: messages of HTTP/1.1, and what the two directions mean;
- ``http2_frames``, ``http2``: frames of HTTP/2, and what the two directions mean;
- ``ttrpc``: both for ttrpc;
- ``frames``: what HTTP/2 and ttrpc share: length-prefixed frames whose bytes may be missing;
- ``header_block``: HPACK on connections whose beginning may be unknown;
- ``messages``: the few protobuf fields that name a container or a pod;
- ``methods``: the tables of Docker's, Podman's, containerd's and the CRI's methods;
- ``calls``: the vocabulary of the results.

Rules that hold in all of them:

1. The method decides what a request asks for. An id in a request whose method is unknown makes that
   request a candidate and no more (``Action.UNKNOWN``).
2. The kernel copies the first bytes of each write only. What was not copied is missing, and a
   parser goes on after it only where the protocol gives the length of what is missing.
3. ``sound`` is true while each boundary between requests is known from the connection's first byte.
   A parser that joined later, or lost its place, resumes where a write begins with what looks like
   a request, and reports ``sound=False`` from then on.
4. Every buffer has a limit, and the cost of a segment is linear in its length.
"""

"""Drain a pinned BPF ring buffer through a small sliding window.

The kernel lets a reader map the consumer position (writable), the producer position and any part
of the data pages (kernel/bpf/ringbuf.c). libbpf maps all of the data, twice, and every page of it
counts as the process's memory; a 32 MiB ring would cost an agent more than everything else in it.
So this reader maps WINDOW bytes of it at a time.

Record format (include/uapi/linux/bpf.h and kernel/bpf/ringbuf.c): an 8-byte header whose first
word is the length, with bit 31 = still being written and bit 30 = discarded; then the data, padded
to 8 bytes. Positions grow without bound; the data area is mapped twice in a row, so that a record
at its end can be read through.

Reading and releasing are two steps: records that led to an event are released when the event is
durable, so that a killed agent's successor reads them again. The kernel wakes a reader by itself
only when everything was released, so the probes ask for a wake-up with each urgent record
(BPF_RB_FORCE_WAKEUP) and for none with the others (BPF_RB_NO_WAKEUP); a reader waits
edge-triggered.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from typing import TYPE_CHECKING

from sensor.bpf.libbpf import BpfMap
from sensor.errors import KernelUnsupported

if TYPE_CHECKING:
    from pathlib import Path

WINDOW = 256 * 1024
"""Bytes of the data area mapped at a time."""

RECORD_MAX = 16 * 1024
"""Longest record that is read; the probes send up to 8.5 KiB."""

BATCH_MAX = 512
"""Records handed over by one drain, so that a full ring does not stall the loop."""

_BUSY = 1 << 31
_DISCARDED = 1 << 30
_HEADER_LEN = 8
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_PAGE = mmap.PAGESIZE

_MEMBARRIER_PRIVATE_EXPEDITED = 1 << 3
_MEMBARRIER_REGISTER = 1 << 4
_SYS_MEMBARRIER = {"aarch64": 283, "riscv64": 283, "ppc64le": 365, "s390x": 356}


class _Barrier:
    """Orders our reads where the processor does not: x86 never reorders loads with loads."""

    def __init__(self) -> None:
        machine = os.uname().machine
        self._number = _SYS_MEMBARRIER.get(machine)
        if self._number is None and machine != "x86_64":
            problem = f"no memory barrier known for {machine}"
            raise KernelUnsupported(problem, "Report this machine.")
        self._libc = ctypes.CDLL(None, use_errno=True)
        if self._number is not None:
            self._libc.syscall(self._number, _MEMBARRIER_REGISTER, 0, 0)

    def __call__(self) -> None:
        if self._number is not None:
            self._libc.syscall(self._number, _MEMBARRIER_PRIVATE_EXPEDITED, 0, 0)


class Ring:
    """One ring buffer. Only one reader may drain it at a time."""

    def __init__(self, path: Path) -> None:
        """Open the ring pinned at ``path``."""
        self._map = BpfMap.pinned(path)
        self.size = self._map.shape.max_entries
        self._consumer = mmap.mmap(self.descriptor, _PAGE, mmap.MAP_SHARED)
        self._producer = mmap.mmap(
            self.descriptor, _PAGE, mmap.MAP_SHARED, mmap.PROT_READ, offset=_PAGE
        )
        self._window: mmap.mmap | None = None
        self._window_start = 0
        self._window_length = min(WINDOW + RECORD_MAX, 2 * self.size)
        self._barrier = _Barrier()
        self.position = self._released()
        """Up to where this reader has read; what it has not released stays for the next one."""
        self.held_up = False
        """Whether the last drain stopped at a record that another processor was still writing."""

    @property
    def descriptor(self) -> int:
        """Readable, in the sense of poll(2), whenever there are records."""
        return self._map.descriptor

    def backlog(self) -> int:
        """Bytes that wait to be read."""
        return self._position(self._producer) - self.position

    def unreleased(self) -> int:
        """Bytes that are read and still held in the ring."""
        return self.position - self._released()

    def release(self, position: int) -> None:
        """Give the space of all records before ``position`` back to the kernel."""
        if position > self._released():
            _U64.pack_into(self._consumer, 0, position)

    def _released(self) -> int:
        return self._position(self._consumer)

    @staticmethod
    def _position(page: mmap.mmap) -> int:
        return int(_U64.unpack_from(page, 0)[0])

    def _data_at(self, position: int) -> tuple[mmap.mmap, int]:
        """Map the window that holds ``position`` and at least RECORD_MAX bytes after it."""
        offset = position & (self.size - 1)
        within = offset - self._window_start
        if self._window is None or not 0 <= within <= self._window_length - RECORD_MAX:
            if self._window is not None:
                self._window.close()
            start = offset // _PAGE * _PAGE
            length = min(self._window_length, 2 * self.size - start)
            self._window = mmap.mmap(
                self.descriptor,
                length,
                mmap.MAP_SHARED,
                mmap.PROT_READ,
                offset=2 * _PAGE + start,
            )
            self._window_start = start
            within = offset - start
        return self._window, within

    def drain(self, limit: int = BATCH_MAX) -> list[bytes]:
        """Take up to ``limit`` records; stops early at one that is still being written."""
        taken: list[bytes] = []
        self.held_up = False
        position = self.position
        end = self._position(self._producer)
        if position == end:
            return taken
        self._barrier()
        while position < end and len(taken) < limit:
            window, offset = self._data_at(position)
            header = _U32.unpack_from(window, offset)[0]
            if header & _BUSY:
                self.held_up = True
                break
            self._barrier()
            length = header & ~_DISCARDED
            if not header & _DISCARDED:
                start = offset + _HEADER_LEN
                taken.append(window[start : start + min(length, RECORD_MAX)])
            position += (length + _HEADER_LEN + 7) & ~7
        self.position = position
        return taken

    def close(self) -> None:
        """Unmap and close."""
        if self._window is not None:
            self._window.close()
        self._producer.close()
        self._consumer.close()
        os.close(self.descriptor)

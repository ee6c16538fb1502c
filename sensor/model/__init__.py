"""The one vocabulary, by stage: what sources observe, and the events that the core makes of it.

Rules that hold for every type here:

- frozen and slotted; unknown is ``None``, never ``""`` or ``0``;
- ``time`` of an observation is nanoseconds since boot (CLOCK_BOOTTIME), the clock of the
  kernel's ``task->start_boottime``; wall-clock values are named ``…_wall`` and are nanoseconds
  since the Unix epoch, UTC;
- strings from the kernel and from files are decoded once, as UTF-8 with ``surrogateescape``.


Nothing is re-exported here: an import names the stage that it belongs to.
"""

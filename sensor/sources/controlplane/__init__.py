"""Control planes: who asked the cluster or the cloud for a container.

The room, from bytes to records (``sensor.model.control_plane``):

========================  ==================================================================
:mod:`~.encoding`         bytes of a file to UTF-8: gzip, byte order marks, UTF-16
:mod:`~.framing`          UTF-8 to JSON values or lines, one bad record at a time
:mod:`~.carriers`         a value to what its envelopes carry; ``log_stores``, ``carried_text``
:mod:`~.envelopes`        a value to the records in it, and which source wrote each
one module a source       a record to a :class:`~sensor.model.control_plane.ControlRecord`
:mod:`~.reader`           all of these in a row, with counts
========================  ==================================================================

Everything here but the opening of files is pure. All text is hostile: sizes, depths and counts are
bounded, and no record raises.
"""

"""What outlives the agent, on disk: the event log, what is known of containers, cursors.

=============  =====================================================================================
``log``        :class:`~sensor.store.log.Store`, all that the agent writes through
``query``      :class:`~sensor.store.query.Reader`, all that is asked
``knowledge``  the containers known, and until when the agent saw
``entry``      an event as the log takes it and gives it back
``batch``      what waits to be written, bounded
``writer``     the one thread that writes; its rules for disks that fail are at its top
``rows``       the statements of one transaction
``database``   opening, checking, moving aside; what an error of SQLite means
``schema``     the tables, version by version
``body``       how the bodies of events are packed
``span``       from wall-clock times to sequences
``retention``  what is dropped, and when
``space``      the cap below the free space, and the ballast
=============  =====================================================================================
"""

"""What outlives the agent, on disk: the event log, what is known of containers, cursors.

=============  =====================================================================================
``log``        :class:`~sensor.store.log.Store`, all that the agent writes through
``listener``   who is told what becomes of it
``query``      :class:`~sensor.store.query.Reader`, all that is asked
``pages``      the log as outputs read it, onward and in bulk
``entry``      an event as the log takes it and gives it back
``knowledge``  the containers known, and until when the agent saw
``batch``      what becomes one transaction
``queue``      the batches that wait, bounded
``writer``     the one thread that writes; its rules for disks that fail are at its top
``rows``       the statements of one transaction
``retention``  what is dropped, and when
``space``      the cap below the free space, and the ballast
``database``   opening, checking, moving aside
``trouble``    what an error means
``schema``     the tables, version by version
``body``       how the bodies of events are packed
``question``   what can be asked, and what an answer looks like
``answer``     one query on its way
``span``       from wall-clock times to sequences
=============  =====================================================================================
"""

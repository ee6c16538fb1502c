"""What outlives the agent, on disk: the event log, what is known of containers, cursors.

=============== ====================================================================================
``log``         :class:`~sensor.store.log.Store`, all that the agent writes through
``callbacks``   what the store calls when events are durable, readable or lost
``reader``      :class:`~sensor.store.reader.LogReader`, which answers queries
``query``       queries, pages and their limits
``query_plan``  the index ranges that answer one query
``time_range``  times of a query as ranges of the log
``pages``       the log as outputs read it, onward and in bulk
``entry``       an event as the log takes it and gives it back
``knowledge``   the containers known, and until when the agent saw
``batch``       what becomes one transaction
``queue``       the batches that wait, bounded
``writer``      the one thread that writes; its rules for failing disks are at its top
``rows``        the statements of one transaction
``retention``   what is dropped, and when
``disk_space``  the cap below the free space, and the ballast
``database``    opening, checking, moving aside
``errors``      what kind of failure an error of SQLite is
``salvage``     what can be read of a damaged file, for the new one
``small_tables`` the same of the tables beside the log
``event_line``  what an event's line holds of its columns
``page_scan``   rows of a damaged file, page by page
``schema``      the tables, version by version
``compression`` how the bodies of events are packed
=============== ====================================================================================
"""

"""One self-contained page for an incident reviewer or an auditor.

============== =====================================================================================
``sources``    events of the local log, of exports, of what a collector gives out
``event_view`` parts of an event that may be of any form
``bounded``    lists and counts with a limit
``hosts``      each host: its span, gaps, coverage, chain
``starts``     starts by explanation, cause, person, hour; those that need a look
``alerts``     alerts with their newest state
``history``    policy, changes and what happened to the sensor
``tally``      all of it, fed event by event
``data``       the population of starts beside the page
``controls``   which section serves which control
``charts``     charts as SVG, by pygal
``page``       the page, by Jinja2
============== =====================================================================================
"""

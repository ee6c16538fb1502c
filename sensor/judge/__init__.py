"""The judge decides whether a start was expected, and by which explanation.

    event ─▶ facts ─▶ findings ─▶ the steps of :data:`sensor.judge.verdict.ORDER` ─▶ verdict

Pure: events, a policy and changes go in; verdicts, notes and rows to keep come out.
"""

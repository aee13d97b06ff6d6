"""What ``harness run`` and ``harness.run`` do alike: from a suite's name to a verdict, a record and its reports.

Decides nothing about streams, arguments or exit codes: the command line and the Python interface above do.
"""

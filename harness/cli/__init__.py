"""The command line: the only place that knows arguments, streams, signals and exit codes.

It may import every other package.
"""

"""The command line: the only place that knows arguments, streams, signals and exit codes. May import every room."""

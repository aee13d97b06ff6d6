"""Entry point of ``harness`` and ``python -m harness``, and the only place that decides how the process ends.

Signals are caught before anything else is imported. All later imports and work happen inside one ``try``.
"""

from __future__ import annotations

from harness.cli import signals

signals.catch()


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        code = _ended()
    except KeyboardInterrupt:
        signals.leave_stopped()
    signals.leave(code)


def _ended() -> int:
    """Run and return the exit code. Memory or threads may be exhausted even during the first imports."""
    try:
        import atexit

        atexit.register(signals.end_with_left_code)
        from harness.cli import crash
        from harness.report import streams
    except KeyboardInterrupt:
        raise
    except BaseException as e:
        signals.write(f"cannot be started: {type(e).__name__}: {e}".splitlines()[0])
        return 5 if isinstance(e, MemoryError) else 2
    try:
        streams.open_all()
        crash.watch_libraries()
        signals.start_watchdog()
        atexit.register(streams.flush)
        code = _command()
        streams.flush()
    except KeyboardInterrupt:
        raise
    except BaseException as e:
        line, told = crash.explain(e)
        streams.warn(line)
        code = int(told)
    return code


def _command() -> int:
    from harness.cli.commands import main

    try:
        return main()
    except SystemExit as e:  # raised by the parser, which has already printed its message
        return e.code if isinstance(e.code, int) else 0


if __name__ == "__main__":
    main()

"""A stand-in for the ``docker`` command: containers are processes of this machine, and what it was asked is noted.

Run as a program it is the command. ``HARNESS_FAKE_DOCKER`` names a folder with ``images.json`` (image → digest of its
configuration and its references) and, for an image that holds other packages, ``paths.json`` (image → PYTHONPATH).
"""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path


def install(
    folder: Path, images: dict[str, list[str]], paths: dict[str, str] | None = None
) -> dict[str, str]:
    """Put the command into a folder; returns the variables with which a process finds it."""
    folder.mkdir()
    command = folder / "docker"
    command.write_text(f"#!{sys.executable}\n{Path(__file__).read_text(encoding='utf-8')}")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    (folder / "images.json").write_text(json.dumps(images))
    (folder / "paths.json").write_text(json.dumps(paths or {}))
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "HARNESS_FAKE_DOCKER": str(folder)}


def main(arguments: list[str]) -> int:
    folder = Path(os.environ["HARNESS_FAKE_DOCKER"])
    with (folder / "asked.jsonl").open("a", encoding="utf-8") as asked:
        asked.write(json.dumps(arguments) + "\n")
    images = json.loads((folder / "images.json").read_text(encoding="utf-8"))
    if arguments[0] == "version":
        return 0
    if arguments[:2] == ["image", "inspect"]:
        if arguments[-1] not in images:
            print(f"Error: No such image: {arguments[-1]}", file=sys.stderr)
            return 1
        print("\n".join(images[arguments[-1]]))
        return 0
    if arguments[0] == "pull":
        images[arguments[-1]] = ["sha256:" + "e" * 64, arguments[-1]]
        (folder / "images.json").write_text(json.dumps(images), encoding="utf-8")
        return 0
    if arguments[0] == "ps":
        left = folder / "left.txt"
        print(left.read_text(encoding="utf-8") if left.exists() else "", end="")
        return 0
    if arguments[0] == "run":
        at = next(i for i, a in enumerate(arguments) if a.startswith("--entrypoint="))
        image, command = arguments[at + 1], [arguments[at].partition("=")[2], *arguments[at + 2 :]]
        variables = dict(a.partition("=")[2].split("=", 1) for a in arguments[:at] if a.startswith("--env="))
        path = json.loads((folder / "paths.json").read_text(encoding="utf-8")).get(
            image, os.environ["PYTHONPATH"]
        )
        assert command[0] == "harness"
        os.execve(
            sys.executable,
            [sys.executable, "-m", *command],
            {**os.environ, **variables, "PYTHONPATH": path, "HOME": os.environ["HOME"]},
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

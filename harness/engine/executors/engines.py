"""Container engines: the command lines that run, look at, fetch and remove containers and images.

Every command is a list of arguments that a pure function makes; no client library is used. The Python clients of the
engines lack what is needed here (requests for GPUs are ignored by one, and none knows Apptainer).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.errors import UsageError, nearest

LABEL = "harness.driver"
"""The label of our containers; its value is the process that started them: host, pid and the time of its start."""


@dataclass(frozen=True)
class Container:
    """A container to be started: one command in one image, with nothing of the host but the mounted paths."""

    image: str
    """As the engine runs it."""
    command: Sequence[str]
    name: str
    driver: str
    """See ``LABEL``."""
    readable: Sequence[Path] = ()
    """Absolute paths, mounted at the same place, read-only."""
    writable: Sequence[Path] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    gpus: Sequence[str] = ()
    user: tuple[int, int] = (0, 0)
    """User and group that the files belong to."""
    shared_memory: str = "8g"
    """Size of ``/dev/shm``: loader workers pass batches through it."""
    memory: str | None = None
    """Limit of main memory, such as ``16g``."""


class Engine(Protocol):
    """A container engine."""

    @property
    def name(self) -> str:
        """Its command."""

    def run(self, container: Container) -> list[str]:
        """Start a container that is removed when it ends; input and output are those of the command."""

    def has(self, image: str) -> list[str]:
        """End with 0 if the image is on this machine."""

    def pull(self, reference: str) -> list[str]:
        """Fetch an image."""

    def describe(self, image: str) -> list[str]:
        """Print the digest of the image's configuration, and its references by digest, a line each."""

    def leftovers(self) -> list[str] | None:
        """Print a line for each of our containers, for ``leftover``; None if none can be left over."""

    def remove(self, name: str) -> list[str] | None:
        """Remove a container, running or not; None if it ends with its command."""


@dataclass(frozen=True)
class Docker:
    """Docker, version 25 or later (GPUs by CDI)."""

    name: str = "docker"

    def run(self, container: Container) -> list[str]:
        mounts = [*((p, ",readonly") for p in container.readable), *((p, "") for p in container.writable)]
        return [
            *(self.name, "run", "--rm", "--interactive", "--init", "--pull=never"),
            *(f"--name={container.name}", f"--label={LABEL}={container.driver}"),
            *("--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
            *(f"--shm-size={container.shared_memory}", "--tmpfs=/tmp:exec", "--workdir=/tmp"),
            *([f"--memory={container.memory}"] if container.memory else []),
            *self.user(container.user),
            *(f"--mount=type=bind,source={path},target={path}{only}" for path, only in mounts),
            *(f"--device=nvidia.com/gpu={gpu}" for gpu in container.gpus),
            *(f"--env={name}={value}" for name, value in sorted(container.variables.items())),
            *(f"--entrypoint={container.command[0]}", container.image, *container.command[1:]),
        ]

    def user(self, user: tuple[int, int]) -> list[str]:
        """Run as this user and group."""
        return [f"--user={user[0]}:{user[1]}"]

    def has(self, image: str) -> list[str]:
        return [self.name, "image", "inspect", "--format={{.Id}}", image]

    def pull(self, reference: str) -> list[str]:
        return [self.name, "pull", reference]

    def describe(self, image: str) -> list[str]:
        listed = "{{.Id}}{{range .RepoDigests}}{{println}}{{.}}{{end}}"
        return [self.name, "image", "inspect", f"--format={listed}", image]

    def leftovers(self) -> list[str] | None:
        # Not {{.Label "…"}}: Podman 4 does not know it.
        return [self.name, "ps", "--all", f"--filter=label={LABEL}", "--format={{.Names}} {{.Labels}}"]

    def remove(self, name: str) -> list[str] | None:
        return [self.name, "rm", "--force", name]


@dataclass(frozen=True)
class Podman(Docker):
    """Podman, version 4.3 or later."""

    name: str = "podman"

    def user(self, user: tuple[int, int]) -> list[str]:
        """Run as this user; without root, the user's own number is kept inside."""
        return [*(["--userns=keep-id"] if user[0] else []), f"--user={user[0]}:{user[1]}"]


@dataclass(frozen=True)
class Apptainer:
    """Apptainer: images are files below a folder, named by their digest; a container is an ordinary process."""

    images: Path
    name: str = "apptainer"

    def file(self, image: str) -> Path:
        """The file of an image."""
        return self.images / f"{image.rpartition(':')[2]}.sif"

    def run(self, container: Container) -> list[str]:
        mounts = [*((p, ":ro") for p in container.readable), *((p, "") for p in container.writable)]
        return [
            *(self.name, "exec", "--containall", "--no-home", "--cleanenv", "--no-privs", "--pwd=/tmp"),
            *("--net", "--network=none", "--writable-tmpfs"),
            *([f"--memory={container.memory}"] if container.memory else []),
            *(f"--bind={path}:{path}{only}" for path, only in mounts),
            *(["--nv"] if container.gpus else []),
            *(f"--env={name}={value}" for name, value in sorted(container.variables.items())),
            *(str(self.file(container.image)), *container.command),
        ]

    def has(self, image: str) -> list[str]:
        return ["test", "-f", str(self.file(image))]

    def pull(self, reference: str) -> list[str]:
        return [self.name, "pull", str(self.file(reference)), f"docker://{reference}"]

    def describe(self, image: str) -> list[str]:
        return ["echo", f"sha256:{image.rpartition(':')[2]}"]

    def leftovers(self) -> list[str] | None:
        return None

    def remove(self, name: str) -> list[str] | None:
        return None


NAMES = ("docker", "podman", "apptainer")


def find(name: str | None, images: Path) -> Engine:
    """The engine of this name, or the first that answers here.

    Args:
        name: ``docker``, ``podman`` or ``apptainer``; None for any.
        images: folder for the image files of Apptainer.

    Raises:
        UsageError: there is none, or the named one does not answer.
    """
    if name is not None and name not in NAMES:
        raise UsageError(f"container engine {name!r}: none of {', '.join(NAMES)}{nearest(name, NAMES)}")
    for one in NAMES if name is None else (name,):
        if shutil.which(one) and answers([one, "version"]):
            engines: dict[str, Engine] = {
                "docker": Docker(),
                "podman": Podman(),
                "apptainer": Apptainer(images),
            }
            return engines[one]
    raise UsageError(
        f"{name} does not answer on this machine"
        if name
        else f"no container engine answers: {', '.join(NAMES)}"
    )


def answers(command: Sequence[str]) -> bool:
    """Whether a command ends with 0."""
    try:
        return subprocess.run(command, capture_output=True, timeout=120, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def said(command: Sequence[str], what: str, timeout_s: float = 600) -> str:
    """What a command prints.

    Raises:
        UsageError: it fails; the message is ``what`` and its last line.
    """
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False, errors="replace"
        )
    except (OSError, subprocess.SubprocessError) as e:
        raise UsageError(f"{what}: {e}") from None
    if ran.returncode != 0:
        lines = (ran.stderr or ran.stdout).strip().splitlines()
        raise UsageError(f"{what}: {lines[-1] if lines else f'{command[0]} ended with {ran.returncode}'}")
    return ran.stdout


def leftover(line: str) -> tuple[str, str] | None:
    """The name of a container and its driver, from a line of ``Engine.leftovers``.

    Labels are ``name=value,…`` with Docker, ``map[name:value …]`` with Podman.
    """
    name, _, labels = line.strip().partition(" ")
    found = re.search(rf"(?:^|[\s,\[]){re.escape(LABEL)}[=:]([^\s,\]]+)", labels)
    return (name, found[1]) if name and found else None


def driver() -> str:
    """This process, for ``LABEL``."""
    return f"{os.uname().nodename}/{os.getpid()}/{_begun(os.getpid())}"


def is_gone(driver: str) -> bool:
    """Whether the process behind a label's value, if it was on this machine, has ended."""
    host, _, rest = driver.partition("/")
    pid, _, begun = rest.partition("/")
    return host == os.uname().nodename and pid.isdecimal() and _begun(int(pid)) != begun


def _begun(pid: int) -> str:
    """When a process began, in the kernel's clock ticks; empty if there is no such process."""
    try:
        return (
            Path(f"/proc/{pid}/stat")
            .read_text(encoding="utf-8", errors="replace")
            .rpartition(")")[2]
            .split()[19]
        )
    except (OSError, IndexError):
        return ""

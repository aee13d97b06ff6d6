"""A Ray cluster of two nodes on this machine, with token authentication; it ends with the test that has started it.

Run as a program it is the cluster: it writes its address, loses its second node when it reads a line, and ends when its
input ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

SMALL = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
HEAD = {**SMALL, "num_cpus": 1}
SECOND = {**SMALL, "num_cpus": 2, "num_gpus": 2}
"""The GPUs exist in Ray's books only."""


def variables(folder: Path) -> dict[str, str]:
    """With these a process is let in."""
    token = folder / "token"
    token.write_text("0123456789abcdef" * 4)
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
    }


class TwoNodes:
    """The cluster.

    Args:
        environment: all variables of its processes, the workers included.
        folder: where they are started; not where drivers are.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()

    def __enter__(self) -> TwoNodes:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait() == 0

    def lose_a_node(self) -> None:
        """End the second node without a warning."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()


def main() -> int:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=HEAD)
    second = cluster.add_node(**SECOND)
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        cluster.remove_node(second, allow_graceful=False)
    cluster.shutdown()
    return 0


if __name__ == "__main__":
    code = main()
    os._exit(code)  # without the exit handlers of a driver

"""A model hub on 127.0.0.1: the part of the hub's HTTP interface that downloads use, over files in memory."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API = re.compile(r"/api/(model|dataset)s/([^/]+/[^/]+?)(?:/(revision|tree)/([^/?]+))?(?:\?.*)?")
FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/([^?]+)(?:\?.*)?")


class Hub:
    """What the server has, what it was asked, and how it misbehaves."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], dict[str, dict[str, bytes]]] = {}
        """Kind and name → commit → files; the last commit is the main branch's."""
        self.broken: set[str] = set()
        """Files whose download is answered with a server error."""
        self.stuck: dict[str, int] = {}
        """Files of which so many bytes are sent, and then nothing more."""
        self.is_stuck, self.released = threading.Event(), threading.Event()
        self.sent: list[str] = []
        """Files that were sent."""
        self.url = ""

    def add(self, kind: str, repo: str, commit: str, files: dict[str, bytes]) -> None:
        self.repositories.setdefault((kind, repo), {})[commit] = files


@contextmanager
def serve() -> Iterator[Hub]:
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if match := API.fullmatch(self.path):
            self._api(match[1], match[2], match[3], match[4])
        elif match := FILE.fullmatch(self.path):
            self._file("dataset" if match[1] else "model", match[2], match[3], match[4])
        else:
            self._refuse(404, "EntryNotFound")

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass

    def _api(self, kind: str, repo: str, what: str | None, revision: str | None) -> None:
        commits = self.hub.repositories.get((kind, repo))
        if commits is None:
            return self._refuse(401, "RepoNotFound")
        commit = list(commits)[-1] if revision in (None, "main") else revision
        if commit not in commits:
            return self._refuse(404, "RevisionNotFound")
        files = commits[commit]
        if what == "tree":
            return self._json(
                [
                    {"type": "file", "path": n, "size": len(b), "oid": _oid(b)}
                    for n, b in sorted(files.items())
                ]
            )
        siblings = [{"rfilename": name} for name in sorted(files)]
        return self._json({"id": repo, "sha": commit, "siblings": siblings, "private": False})

    def _file(self, kind: str, repo: str, commit: str, name: str) -> None:
        content = self.hub.repositories.get((kind, repo), {}).get(commit, {}).get(name)
        if content is None:
            return self._refuse(404, "EntryNotFound")
        if name in self.hub.broken and self.command == "GET":
            return self._refuse(500, "")
        self.send_response(200)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{_oid(content)}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return None
        self.hub.sent.append(name)
        if name in self.hub.stuck:
            self.wfile.write(content[: self.hub.stuck.pop(name)])
            self.hub.is_stuck.set()
            self.hub.released.wait()
            self.close_connection = True
            return None
        self.wfile.write(content)
        return None

    def _json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _oid(content: bytes) -> str:
    return sha1(content).hexdigest()

"""A model hub on 127.0.0.1: what of the hub's HTTP interface downloads and uploads use, over files in memory."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API = re.compile(r"/api/(model|dataset)s/([^/]+/[^/]+?)(?:/(revision|tree)/([^/?]+))?(?:\?.*)?")
FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/([^?]+)(?:\?.*)?")
WRITE = re.compile(r"/api/(model|dataset)s/([^/]+/[^/]+?)/(preupload|commit)/main(?:\?.*)?")


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
        self.writer = ""
        """The token that may write."""
        self.private: set[str] = set()
        """Repositories that nobody else sees."""
        self.summaries: list[str] = []
        """Of the commits that were uploaded."""
        self.full = False
        """Commits are refused, as where an account has no room left."""
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

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != f"Bearer {self.hub.writer}":
            self._refuse(403, "")
        elif self.path == "/api/repos/create":
            self._create(json.loads(body))
        elif self.path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif match := WRITE.fullmatch(self.path):
            write = self._preupload if match[3] == "preupload" else self._commit
            write(match[1], match[2], body)
        else:
            self._refuse(404, "EntryNotFound")

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
        private = repo in self.hub.private
        return self._json({"id": repo, "sha": commit, "siblings": siblings, "private": private})

    def _create(self, wanted: dict[str, str]) -> None:
        repo, kind = f"{wanted['organization']}/{wanted['name']}", wanted["type"]
        place: dict[str, object] = {"url": f"{self.hub.url}/{kind}s/{repo}", "name": repo, "id": repo}
        if (kind, repo) in self.hub.repositories:
            return self._json(place, status=409)
        self.hub.add(kind, repo, "0" * 40, {".gitattributes": b""})
        if wanted["visibility"] == "private":
            self.hub.private.add(repo)
        return self._json(place)

    def _preupload(self, kind: str, repo: str, body: bytes) -> None:
        names = [file["path"] for file in json.loads(body)["files"]]
        self._json(
            {
                "files": [
                    {"path": n, "uploadMode": "regular", "shouldIgnore": False, "oid": None} for n in names
                ]
            }
        )

    def _commit(self, kind: str, repo: str, body: bytes) -> None:
        if self.hub.full:
            return self._json({"error": "Your storage is full"}, status=413)
        commits = self.hub.repositories[kind, repo]
        files = dict(list(commits.values())[-1])
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                self.hub.summaries.append(value["summary"])
            elif line["key"] == "deletedFile":
                del files[value["path"]]
            else:
                files[value["path"]] = base64.b64decode(value["content"])
        commit = sha1(body).hexdigest()
        commits[commit] = files
        return self._json({"commitUrl": f"{self.hub.url}/{repo}/commit/{commit}", "commitOid": commit})

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

    def _json(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
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

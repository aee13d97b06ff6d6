"""GitHub's REST interface on 127.0.0.1: pull requests and the comments on them, as far as they are asked for."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "t0ken"
BOT = "github-actions[bot]"


class GitHub:
    """What the host has, and what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.pulls: list[dict[str, Any]] = []
        self.comments: dict[int, list[dict[str, Any]]] = {}
        """Number of a pull request → its comments."""
        self.asked: list[str] = []
        """``METHOD path``, in order."""
        self.may_write = True

    def comment(self, number: int, body: str, author: str = BOT) -> dict[str, Any]:
        count = sum(len(c) for c in self.comments.values())
        made = {"id": 1000 + count, "user": {"login": author}, "body": body}
        self.comments.setdefault(number, []).append(made)
        return made

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if method != "GET" and not self.may_write:
            return 403, {"message": "Resource not accessible by integration"}
        if method == "GET" and path == "/repos/team/models/pulls":
            [head] = query["head"]
            assert query["state"] == ["open"]
            return 200, [p for p in self.pulls if head.endswith(f":{p['head']['ref']}")]
        if found := re.fullmatch(r"/repos/team/models/issues/(\d+)/comments", path):
            number = int(found[1])
            if method == "POST":
                return 201, self.comment(number, body["body"])
            size, page = int(query["per_page"][0]), int(query["page"][0])
            return 200, self.comments.get(number, [])[size * (page - 1) : size * page]
        if found := re.fullmatch(r"/repos/team/models/issues/comments/(\d+)", path):
            [one] = [c for of in self.comments.values() for c in of if c["id"] == int(found[1])]
            one["body"] = body["body"]
            return 200, one
        return 404, {"message": "Not Found"}


@contextmanager
def serve() -> Iterator[GitHub]:
    host = GitHub()
    handler = type("Handler", (_Handler,), {"host": host})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    host.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    host: GitHub

    def _any(self) -> None:
        parts = urlsplit(self.path)
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        self.host.asked.append(f"{self.command} {parts.path}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            code, answer = 401, {"message": "Bad credentials"}
        else:
            code, answer = self.host.answer(self.command, parts.path, parse_qs(parts.query), body)
        content = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = _any  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""

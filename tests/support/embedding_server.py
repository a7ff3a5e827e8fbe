"""A local service with OpenAI's interface for embeddings, for tests."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import numpy as np

KEY = "sk-a-key-that-no-message-may-show"


@dataclass
class Service:
    """What it was asked, and how it answers: statuses first, then vectors."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    dims: int = 8
    obeys: bool = True
    """Whether it gives as many dimensions as it is asked for."""
    missing: int = 0
    """Vectors that each answer lacks."""


def vector_of(text: str, dims: int = 8) -> list[float]:
    """The vector of a text: the same each time, and of length 1."""
    seed = int.from_bytes(text.encode()[-8:] or b"0", "little")
    values = np.random.default_rng(seed).normal(size=dims)
    return (values / np.linalg.norm(values)).tolist()  # type: ignore[no-any-return]


@contextmanager
def service() -> Iterator[Service]:
    """A service that runs in a thread until the block ends."""
    state = Service()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Print nothing."""

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = json.loads(self.rfile.read(length))
            state.asked.append(body)
            state.keys.append(self.headers["Authorization"])
            status = state.statuses.pop(0) if state.statuses else 200
            answer: dict[str, Any] = {
                "error": {"message": f"no, {KEY} is not welcome", "type": "t"}
            }
            if status == 200:
                dims = body.get("dimensions") if state.obeys else None
                rows = [
                    {"object": "embedding", "index": place, "embedding": vector}
                    for place, vector in enumerate(
                        vector_of(text, dims or state.dims) for text in body["input"]
                    )
                ]
                # in another order than the texts, which the interface allows
                data = rows[: len(rows) - state.missing][::-1]
                answer = {"object": "list", "model": body["model"], "data": data}
                answer["usage"] = {"prompt_tokens": 1, "total_tokens": 1}
            data_sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data_sent)))
            self.send_header("retry-after-ms", "1")
            self.end_headers()
            self.wfile.write(data_sent)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""An HTTP server on loopback, for tests."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
DATE_S = 1445412480


@contextlib.contextmanager
def served(files: dict[str, bytes | str]) -> Iterator[str]:
    """http://127.0.0.1:PORT, where paths are bytes, or a text: where they redirect to."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = files.get(self.path.partition("?")[0])
            if found is None:
                self.send_error(404)
            elif isinstance(found, str):
                self.send_response(302)
                self.send_header("Location", found)
                self.end_headers()
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(found)))
                if "dated" in self.path:
                    self.send_header("Last-Modified", DATE)
                self.end_headers()
                self.wfile.write(found)

        def log_message(self, *words: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

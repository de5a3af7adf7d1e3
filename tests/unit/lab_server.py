"""A small HTTP server on loopback that can be slow, cut off, or silent."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class LabServer:
    """What the server does and what it saw.

    ``files`` maps a path to bytes. ``cuts`` are byte counts after which the next
    answers break off, one for each answer. ``pause`` seconds pass before every 64 kB.
    """

    def __init__(self, files, *, pause=0.0, cuts=(), ranges=True, status=200, mute=False):
        self.files, self.pause, self.ranges = files, pause, ranges
        self.cuts, self.status, self.mute = list(cuts), status, mute
        self.requests = []
        self.sent = {}
        """Bytes of body sent, by path."""

    def asked(self, path):
        return [r for p, r in self.requests if p == path]

    @contextmanager
    def running(self):
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                site.requests.append((self.path, self.headers.get("Range")))
                while site.mute:
                    time.sleep(0.05)
                site._answer(self)

            def log_message(self, *args):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.request_queue_size = 64
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            self.mute = False
            server.shutdown()
            server.server_close()

    def _answer(self, request):
        body = self.files.get(request.path)
        if body is None or self.status != 200:
            request.send_error(404 if body is None else self.status)
            return
        start = 0
        wanted = request.headers.get("Range")
        if wanted and self.ranges:
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            if start >= len(body):
                request.send_error(416)
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(len(body) - start))
        request.end_headers()
        end = start + self.cuts.pop(0) if self.cuts else len(body)
        for at in range(start, min(end, len(body)), 1 << 16):
            chunk = body[at : min(at + (1 << 16), end, len(body))]
            request.wfile.write(chunk)
            self.sent[request.path] = self.sent.get(request.path, 0) + len(chunk)
            time.sleep(self.pause)
        request.close_connection = True

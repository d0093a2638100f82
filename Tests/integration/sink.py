"""A downstream OTLP endpoint that can answer anything, and remembers what it took."""

import dataclasses
import gzip
import http.server
import socket
import struct
import threading
import zlib

import zstandard

import otlp


@dataclasses.dataclass
class Request:
    path: str
    headers: dict
    body: bytes

    @property
    def signal(self):
        return self.path.rpartition("/")[2]

    def message(self):
        data = decompress(self.body, self.headers.get("content-encoding"))
        return otlp.parse(self.signal, data, self.headers["content-type"])


@dataclasses.dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict = dataclasses.field(default_factory=dict)
    # "hang" answers nothing until the sink is closed or `release`d, "reset" cuts the connection,
    # "raw" sends the body in place of an HTTP response.
    kind: str = "http"


OK = Answer()
HANG = Answer(kind="hang")
RESET = Answer(kind="reset")


def decompress(body, encoding):
    match encoding:
        case None | "identity": return body
        case "gzip": return gzip.decompress(body)
        case "deflate": return zlib.decompress(body)
        case "zstd": return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    raise ValueError(encoding)


class Sink:
    """`answer` is an `Answer`, or makes one of a `Request`. `taken` holds what got a 2xx."""

    def __init__(self, answer=OK, port=0):
        self.answer = answer
        self.requests = []
        self.taken = []
        self._changed = threading.Condition()
        self._released = threading.Event()
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                sink._serve(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # What a reset connection raises is no news.

        self._server = Server(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def port(self):
        return self._server.server_address[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _serve(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        request = Request(handler.path, headers, body)
        with self._changed:
            answer = self.answer(request) if callable(self.answer) else self.answer
            self.requests.append(request)
            if answer.kind == "http" and 200 <= answer.status < 300:
                self.taken.append(request)
            self._changed.notify_all()
        self._reply(handler, answer, headers["content-type"])

    def _reply(self, handler, answer, content_type):
        match answer.kind:
            case "hang":
                self._released.wait()
                handler.close_connection = True
            case "reset":
                handler.close_connection = True
                handler.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                handler.connection.close()
            case "raw":
                handler.close_connection = True
                handler.wfile.write(answer.body)
            case _:
                handler.send_response(answer.status)
                for name, value in {"Content-Type": content_type, **answer.headers}.items():
                    handler.send_header(name, value)
                handler.send_header("Content-Length", str(len(answer.body)))
                handler.end_headers()
                handler.wfile.write(answer.body)

    def wait(self, condition, seconds=10, what="a request"):
        """Until `condition` of this sink is true; returns its value."""
        with self._changed:
            value = self._changed.wait_for(lambda: condition(self), seconds)
        assert value, f"the sink did not get {what} within {seconds} s"
        return value

    def items(self, signal):
        """What was taken, as `otlp.Item`s."""
        with self._changed:
            taken = [request for request in self.taken if request.signal == signal]
        return [item for request in taken for item in otlp.items(signal, request.message())]

    def wait_for_items(self, signal, count, seconds=10):
        self.wait(lambda sink: len(sink.items_of(signal)) >= count, seconds, f"{count} {signal}")
        return self.items(signal)

    def items_of(self, signal):
        """As `items`, for a `condition` (which holds the lock)."""
        return [
            item for request in self.taken if request.signal == signal
            for item in otlp.items(signal, request.message())]

    def release(self):
        """Ends every hanging request, and those to come."""
        self._released.set()

    def close(self):
        self.release()
        self._server.shutdown()
        self._server.server_close()

"""HTTP/1.1 without a library between the test and the bytes."""

import dataclasses
import gzip
import socket
import zlib

import cramjam
import zstandard

import otlp


@dataclasses.dataclass
class Response:
    status: int
    reason: str
    fields: list
    body: bytes

    def header(self, name):
        """The value, or None; a field that stands twice is joined with commas."""
        values = [value for field, value in self.fields if field.lower() == name.lower()]
        return ", ".join(values) if values else None

    def partial_success(self, signal):
        message = otlp.parse_response(signal, self.body, self.header("Content-Type"))
        partial = message.partial_success
        return getattr(partial, otlp.REJECTED[signal]), partial.error_message

    def is_full_success(self, signal):
        message = otlp.parse_response(signal, self.body, self.header("Content-Type"))
        return self.status == 200 and not message.HasField("partial_success")

    def rpc_status(self):
        return otlp.parse_status(self.body, self.header("Content-Type"))


class Connection:
    def __init__(self, address, timeout=15):
        self.socket = socket.create_connection(address, timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def request(self, *arguments, **options):
        self.send(head_and_body(*arguments, **options))
        return self.response()

    def line(self):
        while b"\r\n" not in self.buffer:
            self._receive()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line.decode("latin-1")

    def _receive(self):
        piece = self.socket.recv(1 << 16)
        if not piece:
            raise EOFError(f"the server closed the connection after {self.buffer!r}")
        self.buffer += piece

    def response(self, has_body=True):
        """The next response; interim ones are responses too."""
        _, status, reason = self.line().split(" ", 2)
        fields = []
        while line := self.line():
            name, _, value = line.partition(":")
            fields.append((name, value.strip()))
        response = Response(int(status), reason, fields, b"")
        if has_body and response.status >= 200 and response.status != 204:
            length = int(response.header("Content-Length"))
            while len(self.buffer) < length:
                self._receive()
            response.body, self.buffer = self.buffer[:length], self.buffer[length:]
        return response

    def is_closed(self):
        """True when the server has closed it, waiting up to the timeout; extra bytes fail."""
        assert not self.buffer, f"unexpected bytes: {self.buffer!r}"
        try:
            piece = self.socket.recv(1 << 16)
        except ConnectionResetError:
            return True
        assert not piece, f"unexpected bytes: {piece!r}"
        return True

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()


def head_and_body(path, body=b"", content_type=otlp.PROTOBUF, method="POST", headers=(),
                  has_length=True):
    fields = [("Host", "localhost")]
    if content_type:
        fields.append(("Content-Type", content_type))
    if has_length:
        fields.append(("Content-Length", str(len(body))))
    fields += dict(headers).items() if isinstance(headers, dict) else headers
    lines = [f"{method} {path} HTTP/1.1"] + [f"{name}: {value}" for name, value in fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def chunked(*pieces, extension=b"", trailers=b""):
    encoded = b"".join(
        b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces if piece)
    return encoded + b"0\r\n" + trailers + b"\r\n"


def post(gateway, path, body=b"", content_type=otlp.PROTOBUF, method="POST", headers=()):
    """One request on a connection of its own."""
    connection = Connection(gateway.address)
    try:
        return connection.request(path, body, content_type, method, headers)
    finally:
        connection.close()


def export(gateway, signal, message, content_type=otlp.PROTOBUF, encoding=None, headers=()):
    """Posts an OTLP request, and returns the response."""
    body = compress(otlp.encode(message, content_type), encoding)
    fields = list(dict(headers).items())
    if encoding:
        fields.append(("Content-Encoding", encoding))
    return post(gateway, f"/v1/{signal}", body, content_type, headers=fields)


def compress(data, encoding):
    match encoding:
        case None | "identity": return data
        case "gzip": return gzip.compress(data)
        case "deflate" | "zlib": return zlib.compress(data)
        case "snappy": return bytes(cramjam.snappy.compress_raw(data))
        case "x-snappy-framed": return bytes(cramjam.snappy.compress(data))
        case "lz4": return bytes(cramjam.lz4.compress(data))
        case "zstd": return zstandard.compress(data)
    raise ValueError(encoding)

"""A destination for everything that is sent by HTTP: it counts marks, and answers as it is told.

It parses nothing, as what attackers sent arrives here too.
"""

import collections
import contextlib
import gzip
import re
import socket
import threading
import time
import zlib

import zstandard

# A mark stands in the text of an item: "#<client>:<number>#", in protobuf and in JSON alike.
MARK = re.compile(rb"#([0-9]+:[0-9]+)#")
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"


def answer(status, headers=""):
    return f"HTTP/1.1 {status} x\r\n{headers}Content-Length: 0\r\n\r\n".encode()


def plain(body, encoding):
    match encoding:
        case "gzip": return gzip.decompress(body)
        case "deflate": return zlib.decompress(body)
        case "zstd": return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return body


class Destination:
    """`behave(path, plain body)` returns the bytes of the answer; None never answers."""

    def __init__(self, behave=lambda path, body: OK):
        self.behave = behave
        self.marks = collections.Counter()
        self.requests = collections.Counter()
        self.bytes = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self._listener.getsockname()[1]

    def close(self):
        self._closing.set()
        # close() alone leaves a thread in accept() that serves one more.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as reader:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._one(connection, reader):
                pass

    def _one(self, connection, reader):
        line = reader.readline().split()
        if len(line) < 2:
            return False
        headers = {}
        while (header := reader.readline()) not in (b"\r\n", b""):
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        body = reader.read(length)
        if len(body) < length:
            return False
        path = line[1].decode("latin-1")
        body = plain(body, headers.get("content-encoding"))
        reply = self.behave(path, body)
        taken = reply is not None and reply.startswith(b"HTTP/1.1 2")
        with self._lock:
            self.requests["none" if reply is None else reply[9:12].decode("latin-1")] += 1
            self.bytes += len(body)
            if taken:
                self.marks.update((path, mark) for mark in MARK.findall(body))
        if reply is None:
            self._closing.wait()
            return False
        connection.sendall(reply)
        return reply.startswith(b"HTTP/1.1 ")

    def received(self, under=""):
        """The marks that came to paths that begin so."""
        with self._lock:
            return {mark.decode() for path, mark in self.marks if path.startswith(under)}


def slowly(seconds):
    def behave(path, body):
        time.sleep(seconds)
        return OK
    return behave

"""The harness's own OTLP destination, and what goes wrong with it and with the files.

The sink counts ids as requests come and keeps no bytes, so that a run may take hours.
"""

import collections
import contextlib
import fcntl
import signal
import socket
import sqlite3
import struct
import threading
import time

import items
import otlp
import sink

# How it can fail, beside "ok" and "down" (the port is closed): answer 503, never answer, cut the
# connection before the data is taken, or after.
BROKEN = ["unavailable", "hang", "reset", "lost answer", "down"]

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class Downstream:
    def __init__(self, port):
        self.address = ("127.0.0.1", port)
        self.copies = items.Copies()
        self.requests = collections.Counter()
        self.errors = []
        self.busiest_second = 0
        self._second = (0, 0)
        self._mode = "down"
        self._changed = threading.Condition()
        self._connections = set()
        self._listener = None

    @property
    def url(self):
        return "http://%s:%d" % self.address

    def become(self, mode):
        with self._changed:
            was, self._mode = self._mode, mode
            self._changed.notify_all()
        if mode == "down" and was != "down":
            self._close()
        elif mode != "down" and was == "down":
            self._open()

    def _open(self):
        listener = socket.create_server(self.address, backlog=64)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _close(self):
        # Of a listener that is merely closed, a thread in accept() would serve one more.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            connections = list(self._connections)
        for connection in connections:
            cut(connection)

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._changed:
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            # Data that is under way while the gateway is killed, or a connection that the flapping
            # cuts before it is served: no fault of anybody's.
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with connection.makefile("rb") as reader:
                    while self._one(connection, reader):
                        pass
        finally:
            with self._changed:
                self._connections.discard(connection)
            connection.close()

    def _one(self, connection, reader):
        line = reader.readline()
        headers = {}
        while (header := reader.readline()) not in (b"\r\n", b""):
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = reader.read(int(headers.get("content-length", 0)))
        if header == b"" or len(body) < int(headers.get("content-length", 0)):
            return False
        mode = self._mode
        self.requests[mode] += 1
        if mode in ("ok", "lost answer"):
            signal = line.split()[1].decode().rpartition("/")[2]
            self._take(signal, sink.decompress(body, headers.get("content-encoding")))
        if mode == "ok":
            connection.sendall(OK)
            return True
        if mode == "unavailable":
            connection.sendall(UNAVAILABLE)
            return True
        if mode == "hang":
            with self._changed:
                self._changed.wait_for(lambda: self._mode != "hang")
            return False
        cut(connection)
        return False

    def _take(self, signal, data):
        try:
            numbers = list(items.received(signal, otlp.REQUESTS[signal].FromString(data)))
        except Exception as error:  # Whatever it is, it is the gateway's doing.
            self.errors.append(repr(error))
            return
        with self._changed:
            for number, is_whole in numbers:
                self.copies.add(number, is_whole)
            now = int(time.monotonic())
            before = self._second[1] if self._second[0] == now else 0
            self._second = (now, before + len(numbers))
            self.busiest_second = max(self.busiest_second, self._second[1])


def cut(connection):
    """A reset in place of an orderly end."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # close() alone waits for the reader's thread to let go of the descriptor.
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()


class Flapping:
    """Lets the destinations fail and recover at random, each in a thread, until `stop`."""

    def __init__(self, random, downstream, database, lines, postgres=None):
        self.locked = threading.Event()
        self.counts = collections.Counter()
        self._random = random
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=target, args=arguments, daemon=True)
            for target, *arguments in [
                (self._sink, downstream), (self._database, database), (self._file, lines),
                *([(self._postgres, postgres)] if postgres else [])]]
        self._server = postgres.server if postgres else None

    def start(self):
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        if self._server:
            # It ends with the thread that has started it.
            self._server.stop()
            self._server.start()

    def _pause(self, shortest, longest):
        return self._stopping.wait(self._random.uniform(shortest, longest))

    def _sink(self, downstream):
        while not self._pause(0.1, 2):
            mode = self._random.choice(BROKEN)
            self.counts[mode] += 1
            downstream.become(mode)
            self._pause(0.05, 1.5)
            downstream.become("ok")
        downstream.become("ok")

    def _database(self, path):
        """Another connection holds the write lock for about a second."""
        while not self._pause(0.5, 4):
            if not path.exists():
                continue
            database = sqlite3.connect(path, timeout=0.5, isolation_level=None)
            try:
                database.execute("BEGIN IMMEDIATE")
                self.locked.set()
                self.counts["locked database"] += 1
                self._pause(0.2, 1.2)
                database.execute("ROLLBACK")
            except sqlite3.OperationalError:
                pass  # The gateway has the lock itself.
            finally:
                self.locked.clear()
                database.close()

    def _postgres(self, database):
        """Stops the server as a crash does, or ends sessions, most of them in mid-transaction."""
        while not self._pause(0.2, 3):
            if self._random.random() < 0.3:
                self.counts["crash of PostgreSQL"] += 1
                database.close()
                database.server.stop(signal.SIGQUIT)
                self._pause(0, 1)
                database.server.start()
                continue
            self.counts["terminated sessions"] += database.execute(
                """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()
                     AND application_name = 'sluice' AND (state <> 'idle' OR random() < 0.3)"""
            )[0][0]

    def _file(self, path):
        while not self._pause(0.5, 4):
            if not path.exists():
                continue
            with path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue  # The gateway has it; after the next kill it may be free.
                self.counts["locked file"] += 1
                self._pause(0.1, 1)

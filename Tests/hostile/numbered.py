"""A well-behaved client: it sends numbered items, and remembers what was acknowledged.

Each item carries a mark, "#<client>:<number>#", in a text that every exporter writes.
"""

import json
import pathlib
import re
import socket
import sqlite3
import time

import client
from messages import to_protobuf

NOW = 1_790_000_000_000_000_000
TEXT_MARK = re.compile(r"#([0-9]+:[0-9]+)#")
BYTE_MARK = re.compile(rb"#([0-9]+:[0-9]+)#")


def request(signal, marks, padding=0):
    make, outer, inner = {
        "traces": (span, "resourceSpans", "scopeSpans"),
        "logs": (log_record, "resourceLogs", "scopeLogs"),
        "metrics": (gauge, "resourceMetrics", "scopeMetrics")}[signal]
    service = ("resource", [("attributes", [
        ("key", "service.name"), ("value", [("stringValue", "well-behaved")])])])
    return to_protobuf(signal, [(outer, [
        service, (inner, [make(f"#{mark}#" + "x" * padding) for mark in marks])])])[0]


def span(mark):
    number = int(TEXT_MARK.match(mark)[1].partition(":")[2]) + 1
    return ("spans", [
        ("traceId", number.to_bytes(16, "big")), ("spanId", number.to_bytes(8, "big")),
        ("name", mark), ("startTimeUnixNano", NOW), ("endTimeUnixNano", NOW + 1000)])


def log_record(mark):
    return ("logRecords", [("timeUnixNano", NOW), ("body", [("stringValue", mark)])])


def gauge(mark):
    # In the exemplar, as an attribute would make a series of each.
    exemplar = [("timeUnixNano", NOW), ("asDouble", 1.0), ("filteredAttributes", [
        ("key", "mark"), ("value", [("stringValue", mark)])])]
    return ("metrics", [("name", "numbered"), ("gauge", [("dataPoints", [
        ("timeUnixNano", NOW), ("asDouble", 1.0), ("exemplars", exemplar)])])])


class Client:
    def __init__(self, address, number, source="127.0.0.1"):
        self.address, self.number, self.source = address, number, source
        self.next = 0
        self.acknowledged = {"traces": set(), "metrics": set(), "logs": set()}
        self.statuses = {}
        self.seconds = []
        self._connection = None

    def send(self, signal="logs", count=10, padding=0):
        """The status, or 0 when the connection broke; then nobody knows what was taken."""
        marks = [f"{self.number}:{number}" for number in range(self.next, self.next + count)]
        self.next += count
        body = request(signal, marks, padding)
        started = time.monotonic()
        try:
            status = self.post(f"/v1/{signal}", body)
        except (OSError, EOFError):
            self.close()
            status = 0
        self.seconds.append(time.monotonic() - started)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status == 200:
            self.acknowledged[signal].update(marks)
        return status

    def post(self, path, body):
        if self._connection is None:
            self._connection = connect(self.address, self.source)
        answer = self._connection.request(path, body)
        if answer.header("Connection") == "close":
            self.close()
        return answer.status

    def close(self):
        if self._connection:
            self._connection.close()
            self._connection = None

    def all_acknowledged(self):
        return set().union(*self.acknowledged.values())


def connect(address, source="127.0.0.1", timeout=30):
    """From a loopback address of its own, as another machine would come."""
    connection = client.Connection.__new__(client.Connection)
    connection.socket = socket.create_connection(address, timeout, (source, 0))
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.buffer = b""
    return connection


# -- What arrived

def in_sqlite(path):
    """(marks, how many are there more than once)"""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    marks = in_texts(text for query in (
        "SELECT name FROM span", "SELECT body FROM log", "SELECT exemplars FROM metric_number")
        for (text,) in database.execute(query))
    database.close()
    return set(marks), len(marks) - len(set(marks))


def in_texts(texts):
    """The mark of each text that has one; what attackers sent has none."""
    return [found[1] for text in texts
            if isinstance(text, str) and (found := TEXT_MARK.search(text))]


def in_files(directory, pattern):
    marks = set()
    for path in pathlib.Path(directory).glob(pattern):
        with path.open("rb") as file:
            for line in file:
                marks.update(mark.decode() for mark in BYTE_MARK.findall(line))
    return marks


def set_aside(directory):
    """What the dead letters hold."""
    return in_files(directory, "*/dead-letter/*.jsonl")


def quantile(seconds, share):
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def milliseconds(seconds):
    return json.dumps({
        f"p{share * 100:g}": round(1000 * quantile(seconds, share)) for share in (0.5, 0.99, 1)})

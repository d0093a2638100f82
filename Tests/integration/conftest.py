import os
import pathlib

import pytest

import client
from postgres import (  # noqa: F401  The fixtures.
    database, edition, make_database, make_server, native, servers)
from sink import Sink
from sluice import BINARY, Sluice

os.environ.setdefault("NO_PROXY", "*")


def pytest_configure(config):
    if not BINARY.exists():
        pytest.exit(f"no binary at {BINARY}: run 'make build', or set SLUICE", returncode=2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" and report.failed:
        item.session.failed_nodes = getattr(item.session, "failed_nodes", set()) | {item.nodeid}
    return report


class Processes:
    """Starts gateways and sinks, and ends them: a gateway that does not end well fails the test."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.gateways = []
        self.sinks = []

    def sluice(self, settings, directory=None, **options):
        """In a directory of its own, or in the one of a gateway that has ended."""
        directory = directory or self.directory / f"gateway-{len(self.gateways)}"
        gateway = Sluice(directory, settings, **options)
        self.gateways.append(gateway)
        return gateway

    def sink(self, *arguments):
        sink = Sink(*arguments)
        self.sinks.append(sink)
        return sink

    def end(self, has_failed):
        try:
            for gateway in self.gateways:
                if has_failed:
                    gateway.kill()
                else:
                    gateway.stop()
        finally:
            for gateway in self.gateways:
                if not gateway.has_stopped:
                    gateway.kill()
            for sink in self.sinks:
                sink.close()


@pytest.fixture
def processes(tmp_path, request):
    started = Processes(tmp_path)
    yield started
    has_failed = request.node.nodeid in getattr(request.session, "failed_nodes", set())
    started.end(has_failed)


@pytest.fixture(scope="module")
def shared_processes(tmp_path_factory):
    """For tests that share one gateway; it must still end well after all of them."""
    started = Processes(tmp_path_factory.mktemp("shared"))
    yield started
    started.end(has_failed=False)


@pytest.fixture
def connect():
    """Opens raw connections, and closes them after the test."""
    opened = []

    def open_connection(address, **options):
        connection = client.Connection(address, **options)
        opened.append(connection)
        return connection

    yield open_connection
    for connection in opened:
        connection.close()

"""A private PostgreSQL 15 for tests, from Debian's binaries, and databases in it.

    def test_something(native):            # A database of the native edition, schema applied.
        native.execute("SELECT ...")
    def test_everywhere(database):         # Once for each edition.

`make_server` starts a server of a test's own, to be stopped, killed or made durable.
TimescaleDB's editions are skipped where the extension is not installed.
"""

import contextlib
import functools
import hashlib
import itertools
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile

import psycopg
import pytest

from sluice import ROOT, wait_until

EDITIONS = ("native", "timescale", "apache")
SQL = ROOT / "Sources/PostgresSchema/SQL"
START_SECONDS = 60
STOP_SECONDS = 60
MEMORY_BYTES_MIN = 4 << 30

# Sluice's files: the order is that in which a gateway runs them.
REPEATABLE = (
    "foundation.sql", "maintenance.sql", "settings.sql", "views.sql", "functions.sql", "functions_red.sql",
    "functions_metrics.sql")


@functools.cache
def find_binaries():
    """Where `postgres` and `initdb` are, or None; Debian doesn't put them in PATH."""
    for folder in (os.environ.get("PG_BIN"), "/usr/lib/postgresql/15/bin"):
        if folder and (pathlib.Path(folder) / "postgres").exists():
            return pathlib.Path(folder)
    if found := shutil.which("postgres"):
        return pathlib.Path(found).resolve().parent
    return None


def binaries():
    return find_binaries() or pytest.fail(
        "no PostgreSQL server: install postgresql-15, or set PG_BIN")


@functools.cache
def has_timescaledb():
    """Whether the extension's files are installed; `pg_available_extensions` would say the same."""
    folder = subprocess.run(
        [binaries() / "pg_config", "--sharedir"], capture_output=True, text=True).stdout.strip() \
        if (binaries() / "pg_config").exists() else "/usr/share/postgresql/15"
    return (pathlib.Path(folder) / "extension/timescaledb.control").exists()


def needs(edition):
    """Skips the test, saying why, where an edition can't be had."""
    if edition != "native" and not has_timescaledb():
        pytest.skip(f"edition '{edition}': the extension timescaledb is not installed")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def quick_folder():
    """Memory where there is plenty: a cluster is thousands of files, made and deleted again."""
    memory = pathlib.Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > MEMORY_BYTES_MIN:
        return memory
    return "/tmp"


class Server:
    """A cluster in a directory of its own: loopback and a Unix socket, no passwords.

    PostgreSQL refuses to run as root, so for root it runs as `postgres`. It gets SIGINT should the
    tests end without stopping it. TimescaleDB's own jobs run only with `jobs`: a test that calls a
    policy must not meet it.
    """

    def __init__(self, edition="native", *, fsync=False, jobs=False, settings=None):
        needs(edition)
        self.edition = edition
        self.jobs = jobs
        self.has_template = False
        self.port = free_port()
        self.directory = pathlib.Path(
            tempfile.mkdtemp(prefix="sluice-postgres-", dir="/tmp" if fsync else quick_folder()))
        self.process = None
        self._names = itertools.count(1)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
        self._run("initdb", "--pgdata", self.directory / "data", "--username=postgres",
                  "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        self.settings = {
            "listen_addresses": "127.0.0.1", "port": self.port,
            "unix_socket_directories": self.directory, "fsync": "on" if fsync else "off",
            "max_connections": 60, "shared_buffers": "128MB", "max_wal_size": "4GB",
            # Not UTC: nothing may depend on what a session is set to.
            "timezone": "America/St_Johns", "log_line_prefix": "%m [%p] %u@%d ",
            "autovacuum_naptime": "5s",
        }
        if edition != "native":
            self.settings |= {
                "shared_preload_libraries": "timescaledb", "timescaledb.license": edition,
                "timescaledb.telemetry_level": "off", "max_worker_processes": 32,
                "timescaledb.max_background_workers": 24 if jobs else 0,
            }
        self.settings |= settings or {}
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def _command(self, program, *arguments):
        as_postgres = ["setpriv", "--pdeathsig", "INT"]
        if os.geteuid() == 0:
            as_postgres += ["--reuid=postgres", "--regid=postgres", "--init-groups"]
        return [*as_postgres, "--", str(binaries() / program), *map(str, arguments)]

    def _run(self, program, *arguments):
        done = subprocess.run(
            self._command(program, *arguments), cwd=self.directory, capture_output=True, text=True)
        assert done.returncode == 0, f"{program}: {done.stderr}"

    @property
    def log(self):
        return self.directory / "log"

    def start(self):
        options = [f"--{name}={value}" for name, value in self.settings.items()]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self._command("postgres", "-D", self.directory / "data", *options),
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._is_ready, START_SECONDS, what=f"a start of PostgreSQL ({self.log})")

    def _is_ready(self):
        assert self.process.poll() is None, f"PostgreSQL ended:\n{self.log.read_text()[-3000:]}"
        try:
            psycopg.connect(self.dsn("postgres")).close()
            return True
        except psycopg.OperationalError:
            return False

    def stop(self, how=signal.SIGINT):
        """SIGINT is a fast stop, SIGQUIT an immediate one, as after a crash."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(STOP_SECONDS)

    def close(self):
        """Nothing of it is kept, so it needs no checkpoint."""
        try:
            self.stop(signal.SIGQUIT)
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def dsn(self, database, user="postgres", host="127.0.0.1"):
        return f"host={host} port={self.port} dbname={database} user={user}"

    def connect(self, database="postgres", user="postgres", autocommit=True):
        return psycopg.connect(self.dsn(database, user), autocommit=autocommit)

    def database(self, *, schema="otel", applied=True):
        """A new database, with the extension where the edition has it."""
        name = f"test_{next(self._names)}"
        if not applied or schema != "otel" or self.jobs:  # Jobs would be connected to a template.
            made = self._new_database(name, schema)
            return made.apply() if applied else made
        if not self.has_template:
            self._new_database("template_otel", "otel").apply().close()
            self.has_template = True
        with self.connect() as session:
            session.execute(f"CREATE DATABASE {name} TEMPLATE template_otel STRATEGY FILE_COPY")
        return Database(self, name, schema)

    def _new_database(self, name, schema):
        with self.connect() as session:
            session.execute(f"CREATE DATABASE {name}")
        made = Database(self, name, schema)
        if self.edition != "native":
            made.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            made.close()  # The library that a session has loaded must be the extension's.
        return made


class Database:
    """One session of the superuser, and what tests ask most."""

    def __init__(self, server, name, schema):
        self.server = server
        self.name = name
        self.schema = schema
        self._session = None

    @property
    def edition(self):
        return self.server.edition

    @property
    def session(self):
        if self._session is None or self._session.closed:
            self._session = self.server.connect(self.name)
        return self._session

    def dsn(self, user="postgres"):
        return self.server.dsn(self.name, user)

    def connect(self, user="postgres", autocommit=True):
        return self.server.connect(self.name, user, autocommit)

    def execute(self, statement, values=None):
        """The rows of a statement, if it has any; `@schema@` and `@internal@` stand for the schemas."""
        cursor = self.session.execute(self.named(statement), values)
        return cursor.fetchall() if cursor.description else cursor.rowcount

    def named(self, statement):
        return statement.replace("@schema@", self.schema).replace("@internal@", f"{self.schema}_internal")

    def value(self, statement, values=None):
        [[only]] = self.execute(statement, values)
        return only

    def apply(self):
        apply_schema(self.session, self.schema)
        return self

    def maintain(self, step, at=None):
        """Does a step as if it were `at`, to its end; fails with it. Returns what it said."""
        said = []
        while True:
            rows = self.execute(
                "SELECT ok, outcome, more FROM @internal@.maintain_step_at(%s, coalesce(%s, now()))",
                (step, at))
            failed = [outcome for ok, outcome, _ in rows if not ok]
            assert not failed, failed
            said += [outcome for _, outcome, _ in rows]
            if not any(more for *_, more in rows):
                return said

    def close(self):
        if self._session is not None:
            self._session.close()
            self._session = None

    def drop(self):
        self.close()
        if self.server.process.poll() is None:
            with self.server.connect() as session:
                session.execute(f"DROP DATABASE {self.name} WITH (FORCE)")


def schema_sql(path, schema):
    return path.read_text().replace("@schema@", f'"{schema}"').replace("@internal@", f'"{schema}_internal"')


def apply_schema(session, schema="otel", sql=SQL):
    """What a gateway does at its start: migrations once and in order, then what is repeatable."""
    lock = "SELECT pg_advisory_xact_lock(hashtextextended('sluice schema ' || %s, 0))"
    migrations = sorted(path for path in sql.glob("*.sql") if re.match(r"\d{4}_", path.name))
    newest = int(migrations[-1].name[:4])
    for path in migrations:
        version = int(path.name[:4])
        with session.transaction():
            session.execute(lock, (schema,))
            session.execute("SET LOCAL lock_timeout = '10s'")
            session.execute("SET LOCAL client_min_messages = warning")
            session.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
            if session.execute("SELECT to_regclass(%s)", (f'"{schema}".migration',)).fetchone()[0] \
                    and session.execute(f'SELECT 1 FROM "{schema}".migration WHERE version >= %s',
                                        (version,)).fetchone():
                continue
            session.execute(schema_sql(sql / "foundation.sql", schema).encode())
            session.execute(schema_sql(path, schema).encode())
            session.execute(
                f'INSERT INTO "{schema}".migration (version, name, oldest_writer)'
                " VALUES (%s, %s, 1)", (version, path.stem[5:]))
    for path in (sql / name for name in REPEATABLE if (sql / name).exists()):
        content_hash = hashlib.md5(schema_sql(path, schema).encode()).hexdigest()
        with session.transaction():
            session.execute(lock, (schema,))
            session.execute("SET LOCAL lock_timeout = '10s'")
            session.execute("SET LOCAL client_min_messages = warning")
            if session.execute(
                    f'SELECT 1 FROM "{schema}".repeatable WHERE name = %s AND content_hash = %s',
                    (path.stem, content_hash)).fetchone():
                continue
            session.execute(schema_sql(path, schema).encode())
            session.execute(
                f'INSERT INTO "{schema}".repeatable (name, content_hash, version)'
                " VALUES (%s, %s, %s) ON CONFLICT (name) DO UPDATE SET content_hash ="
                " excluded.content_hash, version = excluded.version, applied_at = now(),"
                " applied_by = current_user", (path.stem, content_hash, newest))


# -- Fixtures

@pytest.fixture(scope="session")
def servers():
    """One server for each edition that a test asks for, shared by all tests."""
    started = {}

    def server(edition):
        needs(edition)
        if edition not in started:
            started[edition] = Server(edition)
        return started[edition]

    yield server
    for each in started.values():
        each.close()


@pytest.fixture
def make_database(servers):
    """Makes databases: `make_database("native", applied=False)`."""
    with contextlib.ExitStack() as opened:
        def make(edition="native", **options):
            made = servers(edition).database(**options)
            opened.callback(made.drop)
            return made

        yield make


@pytest.fixture
def native(make_database):
    """A database of the native edition with the schema applied."""
    return make_database("native")


@pytest.fixture(params=EDITIONS)
def edition(request):
    needs(request.param)
    return request.param


@pytest.fixture
def database(edition, make_database):
    """A database with the schema applied, once for each edition."""
    return make_database(edition)


@pytest.fixture
def make_server():
    """Starts servers that a test has for itself: `make_server("native", fsync=True)`."""
    with contextlib.ExitStack() as started:
        def make(edition="native", **options):
            server = Server(edition, **options)
            started.callback(server.close)
            return server

        yield make

"""How PostgreSQL is reached: secrets, TLS, several hosts, sockets; and settings that are wrong."""

import json
import os
import signal
import socket
import subprocess
import threading

import pytest

import client
import otlp
from sluice import configuration, run, wait_until, write_configuration
from stored_postgres import Store
from test_postgres import gateway_for, wait_for_rows

SECRET = "Tr0ub4dor-and-3"


class Guarded:
    """A server where the role `writer` needs a password, and a database of its."""

    def __init__(self, server):
        self.server = server
        self.port = server.port
        self.renew()
        self.database.execute(f"CREATE ROLE writer LOGIN PASSWORD '{SECRET}'")
        self.allow("host all writer 127.0.0.1/32 scram-sha-256",
                   "local all writer scram-sha-256")

    def renew(self):
        """Another database: a gateway that has ended may have left a session in the last one."""
        self.database = self.server.database(applied=False)
        self.name = self.database.name
        self.database.execute(f"GRANT ALL ON DATABASE {self.name} TO public")

    def allow(self, *lines):
        """These before `trust` for all others."""
        path = self.server.directory / "data/pg_hba.conf"
        path.write_text("\n".join([*lines, "local all all trust",
                                   "host all all 127.0.0.1/32 trust"]) + "\n")
        self.database.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="module")
def guarded():
    from postgres import Server
    server = Server()
    try:
        yield Guarded(server)
    finally:
        server.close()


@pytest.fixture
def fresh(guarded):
    guarded.renew()
    yield guarded
    guarded.database.close()


def ways(guarded, directory):
    """How a password can be given: settings and environment, by what they are called."""
    place = f"127.0.0.1:{guarded.port}/{guarded.name}"
    keywords = f"host=127.0.0.1 port={guarded.port} dbname={guarded.name} user=writer"
    passes, services = directory / "passes", directory / "services"
    passes.write_text(f"127.0.0.1:{guarded.port}:{guarded.name}:writer:{SECRET}\n")
    passes.chmod(0o600)
    services.write_text(
        "[sluice]\n" + keywords.replace(" ", "\n") + f"\npassword={SECRET}\n")
    return {
        "uri": ({"connection": f"postgresql://writer:{SECRET}@{place}"}, {}),
        "query": ({"connection": f"postgresql://{place}?user=writer&password={SECRET}"}, {}),
        "keywords": ({"connection": f"{keywords} password='{SECRET}'"}, {}),
        "socket": ({"connection": f"host={guarded.server.directory} port={guarded.port} user=writer"
                    f" dbname={guarded.name} password={SECRET}"}, {}),
        "PGPASSWORD": ({"connection": keywords}, {"PGPASSWORD": SECRET}),
        "PGPASSFILE": ({"connection": f"postgres://writer@{place}"}, {"PGPASSFILE": str(passes)}),
        "passfile": ({"connection": f"{keywords} passfile={passes}"}, {}),
        "service": ({"connection": "service=sluice"}, {"PGSERVICEFILE": str(services)}),
        "environment": ({}, {
            "PGHOST": "127.0.0.1", "PGPORT": str(guarded.port), "PGDATABASE": guarded.name,
            "PGUSER": "writer", "PGPASSWORD": SECRET}),
        "variable": ({"connection": "postgresql://writer:${env:SECRET}@" + place},
                     {"SECRET": SECRET}),
    }


def everything_shown(gateway, env):
    """All that a gateway says of itself."""
    printed = run("print-config", "--config", gateway.config, env=env)
    assert printed.returncode == 0
    return "".join([
        gateway.log_path.read_text(), printed.stdout, printed.stderr,
        *(gateway.get(path)[1] for path in ("/ready", "/flow", "/metrics"))])


def start(processes, exporter, added):
    env = {**{key: value for key, value in os.environ.items() if not key.startswith("PG")}, **added}
    settings = configuration({"postgres": {
        # The spans are of 2023: neither taken for wrong nor purged.
        "time_window": "87600h", "retention": {"traces": "87600h"},
        "retry_on_failure": {"initial_interval": "50ms"}, **exporter}})
    return processes.sluice(settings, env=env, becomes_ready=False), env


@pytest.mark.parametrize("way", [
    "uri", "query", "keywords", "socket", "PGPASSWORD", "PGPASSFILE", "passfile", "service",
    "environment", "variable"])
def test_a_password_is_used_and_shown_nowhere(fresh, processes, tmp_path, way):
    gateway, env = start(processes, *ways(fresh, tmp_path)[way])
    assert client.export(gateway, "traces", otlp.spans(3)).status == 200
    wait_for_rows(fresh.database, "traces", 3)
    assert fresh.database.value(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = 'writer'"
        " AND application_name = 'sluice'")
    assert SECRET not in everything_shown(gateway, env)


@pytest.mark.parametrize("way", ["uri", "query", "keywords", "PGPASSWORD", "variable"])
def test_a_wrong_password_is_reported_and_shown_nowhere(fresh, processes, tmp_path, way):
    fresh.database.execute("ALTER ROLE writer PASSWORD 'another'")
    try:
        gateway, env = start(processes, *ways(fresh, tmp_path)[way])
        client.export(gateway, "traces", otlp.spans(3))
        wait_until(lambda: 'password authentication failed for user \\"writer\\"'
                   in gateway.get("/ready")[1], what="the error")
        assert SECRET not in everything_shown(gateway, env)
    finally:
        fresh.database.execute(f"ALTER ROLE writer PASSWORD '{SECRET}'")
    # It goes on by itself.
    wait_for_rows(fresh.database, "traces", 3)


@pytest.mark.parametrize("connection", [
    f"host=127.0.0.1 password='{SECRET}", f"host=127.0.0.1 {SECRET}",
    f"postgresql://w:{SECRET}@[::1",
    f"postgresql://w:{SECRET}%zz@127.0.0.1/x", f"postgresql://w:1/{SECRET}@127.0.0.1/x",
    f"postgresql://w:{SECRET}/1@127.0.0.1/x", f"postgresql://w:1@{SECRET}@127.0.0.1/x",
    f"postgresql://127.0.0.1/x?password={SECRET}&nothing",
    f"passwort={SECRET}", f"{SECRET}", "host=127.0.0.1 port=70000", "port=x"])
def test_a_connection_that_is_none_is_refused_with_its_place(tmp_path, connection):
    settings = configuration({"postgres": {"connection": connection}})
    path = write_configuration(tmp_path / "sluice.yaml", settings)
    line = 1 + path.read_text()[:path.read_text().index('"connection"')].count("\n")
    for command in ("validate", "run"):
        result = run(command, "--config", path, cwd=tmp_path)
        assert result.returncode == 1, result
        text = result.stdout + result.stderr
        assert f"sluice.yaml:{line}:" in text and "exporters.postgres.connection" in text, text
        assert SECRET not in text
    assert SECRET not in run("print-config", "--config", path).stdout


@pytest.mark.parametrize("connection", [
    f"host=127.0.0.1 password={SECRET}", f"postgresql://w:{SECRET}?@127.0.0.1/x",
    f"postgresql://w:{SECRET}#1@127.0.0.1/x", f"postgresql://127.0.0.1/x?password={SECRET}",
    f"postgresql://127.0.0.1/x?sslpassword={SECRET}", f"postgresql://127.0.0.1?p%61ssword={SECRET}",
    f"postgresql://w:{SECRET}@127.0.0.1,[::1]:5433/x?sslmode=require"])
def test_a_password_is_masked_wherever_it_stands(tmp_path, connection):
    path = write_configuration(
        tmp_path / "sluice.yaml", configuration({"postgres": {"connection": connection}}))
    result = run("print-config", "--config", path)
    assert result.returncode == 0 and "[REDACTED]" in result.stdout
    assert SECRET not in result.stdout + result.stderr


WRONG = {
    "schema": ({"name": 'x"y'}, "letters, digits"),
    "connections": (0, "1"),
    "deduplicate": ("logs", "spans"),
    "synchronous_commit": ("maybe", "remote_apply"),
    "statement_timeout": ("1ms", "100ms"),
    "lock_timeout": (-1, "lock_timeout"),
    "retention": ({"traces": "23h"}, "24h"),
    "time_window": ("forever", "time_window"),
    "cardinality": ({"series_per_service": 0}, "1"),
    "maintenance_interval": ("0s", "1s"),
    "transaction": ({"max_rows": 0}, "1"),
    "connetion": ("x", "connection"),
}


@pytest.mark.parametrize("key", list(WRONG))
def test_a_wrong_setting_is_refused_with_its_place(tmp_path, key):
    setting, hint = WRONG[key]
    path = write_configuration(
        tmp_path / "sluice.yaml", configuration({"postgres": {key: setting}}))
    name = next(iter(setting)) if isinstance(setting, dict) else key
    line = 1 + path.read_text()[:path.read_text().index(f'"{name}"')].count("\n")
    result = run("validate", "--config", path)
    text = result.stdout + result.stderr
    assert result.returncode == 1 and f"sluice.yaml:{line}:" in text and hint in text, text


# -- TLS

def openssl(*arguments, directory):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def encrypted(guarded, tmp_path_factory):
    """The same server with a certificate for 127.0.0.1 that signs itself."""
    directory = tmp_path_factory.mktemp("tls")
    for name, host in (("server", "IP:127.0.0.1"), ("other", "DNS:elsewhere.example")):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "2", "-subj",
                f"/CN={name}", "-addext", f"subjectAltName={host}", directory=directory)
    data = guarded.server.directory / "data"
    for end in ("crt", "key"):
        path = data / f"server.{end}"
        path.write_bytes((directory / f"server.{end}").read_bytes())
        path.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(path, data.stat().st_uid, data.stat().st_gid)
    guarded.database.execute("ALTER SYSTEM SET ssl = on")
    guarded.allow("hostssl all writer 127.0.0.1/32 scram-sha-256",
                  "host all writer 127.0.0.1/32 reject")
    wait_until(lambda: guarded.database.value("SHOW ssl") == "on", what="TLS")
    yield directory
    guarded.database.execute("ALTER SYSTEM RESET ssl")
    guarded.allow("host all writer 127.0.0.1/32 scram-sha-256", "local all writer scram-sha-256")


def tls_connection(guarded, **options):
    words = " ".join(f"{key}={value}" for key, value in options.items())
    return {"connection": f"host=127.0.0.1 port={guarded.port} dbname={guarded.name} user=writer"
            f" password={SECRET} {words}"}


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_tls_with_a_certificate_of_its_own(encrypted, fresh, processes, mode):
    options = {"sslmode": mode}
    if mode != "require":
        options["sslrootcert"] = encrypted / "server.crt"
    gateway, _ = start(processes, tls_connection(fresh, **options), {})
    client.export(gateway, "traces", otlp.spans(3))
    wait_for_rows(fresh.database, "traces", 3)
    assert fresh.database.value(
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
        " WHERE usename = 'writer'") is True


@pytest.mark.parametrize("options, error", [
    ({"sslmode": "verify-full", "sslrootcert": "other.crt"}, "certificate verify failed"),
    ({"sslmode": "verify-full"}, "root certificate file"),
    ({"sslmode": "disable"}, "pg_hba.conf rejects connection")])
def test_what_tls_does_not_allow_is_reported(encrypted, fresh, processes, options, error):
    if "sslrootcert" in options:
        options = {**options, "sslrootcert": encrypted / options["sslrootcert"]}
    gateway, env = start(processes, tls_connection(fresh, **options), {"HOME": str(encrypted)})
    client.export(gateway, "traces", otlp.spans(3))
    wait_until(lambda: error in gateway.get("/ready")[1], what=error)
    assert SECRET not in everything_shown(gateway, env)
    assert fresh.database.value("SELECT to_regclass('otel.span')") is None


# -- Several hosts

class Hanging:
    """Accepts connections, and never says a word."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.accepted = []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                self.accepted.append(self.socket.accept()[0])
            except OSError:
                return

    def close(self):
        self.socket.close()
        for each in self.accepted:
            each.close()


@pytest.mark.parametrize("kind", ["refusing", "hanging", "read-only"])
def test_the_host_that_takes_writes_is_found(native, make_server, processes, kind):
    """Whatever is wrong with the first."""
    hanging = None
    if kind == "refusing":
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
    elif kind == "hanging":
        hanging = Hanging()
        port = hanging.port
    else:
        standby = make_server(settings={"default_transaction_read_only": "on"})
        port = standby.port
        with standby.connect() as session:
            session.execute("SET default_transaction_read_only = off")
            session.execute(f"CREATE DATABASE {native.name}")
    gateway = gateway_for(processes, native, {
        "connection": f"postgresql://postgres@127.0.0.1:{port},127.0.0.1:{native.server.port}/"
        f"{native.name}?target_session_attrs=read-write", "connect_timeout": "500ms"})
    client.export(gateway, "traces", otlp.spans(3))
    wait_for_rows(native, "traces", 3)
    if hanging:
        assert hanging.accepted
        hanging.close()


def test_a_server_that_stops_and_comes_back_gets_the_rest(make_server, processes):
    server = make_server(fsync=True)
    database = server.database(applied=False)
    gateway = gateway_for(processes, database)
    client.export(gateway, "traces", otlp.spans(3))
    wait_for_rows(database, "traces", 3)
    database.close()
    server.stop(signal.SIGQUIT)
    client.export(gateway, "traces", otlp.spans(4))
    wait_until(lambda: "postgres" in gateway.get("/ready")[1]
               and json.loads(gateway.get("/ready")[1])["exporters"]["postgres"].get("last_error"),
               what="the error")
    server.start()
    wait_for_rows(database, "traces", 7)
    # What is new and what was there before have their dictionaries' rows.
    assert Store(database).actual("traces").total() == 7

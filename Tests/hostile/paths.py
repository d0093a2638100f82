"""What is tried: a way through the gateway, as a configuration, and how its cost is measured."""

import dataclasses
import pathlib

from destination import OK, Destination, answer
from sluice import configuration

# Keys as shapes.attributes_that_actions_name has them.
ACTIONS = [
    {"key": "secret.token", "action": "delete"},
    {"key": "user.email", "action": "hash"},
    {"key": "url.path", "action": "extract", "pattern": r"^/users/(?P<user_id>\d+)/(?P<rest>.*)$"},
    {"key": "number", "action": "convert", "converted_type": "int"},
    {"key": "copied", "action": "upsert", "from_attribute": "copy.of"},
    {"pattern": "^(gone|(a|aa)+b)$", "action": "delete"},
    {"key": "inserted", "action": "insert", "value": "x" * 100},
    {"key": "updated", "action": "update", "value": [1, {"a": "b"}]},
    {"key": "k", "action": "upsert", "value": "short"},
]
RESOURCE = [
    {"key": "deployment.environment.name", "action": "upsert", "value": "production"},
    {"key": "team", "action": "insert", "value": "observability-and-a-longer-name"},
    {"key": "k", "action": "hash"},
    {"key": "copied", "action": "insert", "from_attribute": "k"},
    {"key": "process.command_args", "action": "delete"},
]
CONTEXT = [
    {"key": "tenant", "action": "upsert", "from_context": "metadata.x-tenant"},
    {"key": "client.address", "action": "insert", "from_context": "client.address"}]
# 4 KB of attributes, as an operator may have them.
DETECTED = {"OTEL_RESOURCE_ATTRIBUTES": ",".join(
    f"deployment.key.number.{number:02}=" + "v" * 180 for number in range(20))}
SPAN_LIMITS = {
    "attribute_count_limit": 16, "attribute_value_length_limit": 64, "event_count_limit": 8,
    "link_count_limit": 8, "attribute_per_event_count_limit": 4,
    "attribute_per_link_count_limit": 4}


def sampler(mode):
    return {"mode": mode, "sampling_percentage": 50, "fail_closed": False}


@dataclasses.dataclass(frozen=True)
class Path:
    name: str
    processors: dict = dataclasses.field(default_factory=dict)
    exporter: str = "nop"
    settings: dict = dataclasses.field(default_factory=dict)
    signals: tuple = ("traces", "metrics", "logs")
    # Of the destination, where there is one: its URL goes into `endpoint`.
    behave: object = None
    env: dict = dataclasses.field(default_factory=dict)
    # A private PostgreSQL, which takes seconds to start.
    has_database: bool = False
    # Of the receiver.
    http: dict = dataclasses.field(default_factory=dict)

    def configuration(self, url=None, connection=None):
        settings = dict(self.settings)
        if connection:
            settings["connection"] = connection
        if self.behave:
            settings["endpoint"] = url
        return configuration(
            {self.exporter: settings}, signals=self.signals, processors=self.processors,
            http=self.http)

    def destination(self):
        return Destination(self.behave) if self.behave else None


def takes_all(path, body):
    return OK


def rejects_all(path, body):
    return answer(400)


def rejects_large(path, body):
    return OK if len(body) <= 20_000 else answer(413)


QUICK = {"retry_on_failure": {"initial_interval": "20ms", "max_interval": "50ms"}}
SPANS = ("traces",)

PATHS = [
    Path("intake"),
    Path("resource", {"resource": {"attributes": RESOURCE}}),
    Path("resourcedetection", {"resourcedetection": {"detectors": ["env", "system"]}},
         env=DETECTED),
    Path("attributes", {"attributes": {"actions": ACTIONS}}),
    Path("from_context", {
        "resource": {"attributes": CONTEXT}, "attributes": {"actions": CONTEXT}},
         http={"include_metadata": True}),
    Path("attributes, chosen", {"attributes": {
        "include": {"match_type": "regexp", "services": ["^shop", ".*"],
                    "attributes": [{"key": "k", "value": "(a|aa)+$"}]},
        "actions": ACTIONS}}, signals=SPANS),
    Path("span_limits", {"span_limits": SPAN_LIMITS}, signals=SPANS),
    *(Path(f"sampler, {mode}", {"probabilistic_sampler": sampler(mode)}, signals=("traces", "logs"))
      for mode in ("hash_seed", "equalizing", "proportional")),
    Path("all processors", {
        "memory_limiter": {"limit_mib": 400}, "resourcedetection": {"detectors": ["env"]},
        "resource": {"attributes": RESOURCE}, "attributes": {"actions": ACTIONS},
        "span_limits": SPAN_LIMITS, "probabilistic_sampler": sampler("proportional")},
         signals=SPANS, env=DETECTED),
    Path("otlp_http", exporter="otlp_http", behave=takes_all, settings=QUICK),
    Path("otlp_http, json", exporter="otlp_http", behave=takes_all,
         settings={"encoding": "json", **QUICK}),
    Path("zipkin", exporter="zipkin", behave=takes_all, settings=QUICK, signals=SPANS),
    Path("file", exporter="file", settings={"path": "lines.json"}),
    Path("file, proto", exporter="file",
         settings={"path": "lines.bin", "format": "proto", "compression": "zstd"}),
    Path("debug, detailed", exporter="debug", settings={
        "verbosity": "detailed", "output_paths": ["debug.txt"], "sampling_initial": 1000000}),
    Path("debug, normal", exporter="debug", settings={
        "verbosity": "normal", "output_paths": ["debug.txt"], "sampling_initial": 1000000}),
    Path("sqlite", exporter="sqlite", settings={"path": "store.db", "transaction": {
        "max_wait": "0s"}}),
    Path("postgres", exporter="postgres", settings={"transaction": {"max_wait": "0s"}},
         has_database=True),
    Path("narrowing a 400", exporter="otlp_http", behave=rejects_all, settings=QUICK),
    Path("narrowing a 413", exporter="otlp_http", behave=rejects_large, settings=QUICK),
]
BY_NAME = {path.name: path for path in PATHS}


def files(directory):
    """What a path's exporter wrote: emptied between measurements, so that a disk suffices."""
    return [pathlib.Path(directory) / name for name in ("debug.txt",)]

"""What the real Collector made of configurations and telemetry, and what a gateway makes of them.

The files in `collector_cases/` say in their first line how they were measured. All cases of a
file run in one gateway: a receiver for each input, a pipeline and a file for each case.
"""

import base64
import concurrent.futures
import dataclasses
import json
import pathlib

import client
from sluice import run, wait_until, write_configuration

DIRECTORY = pathlib.Path(__file__).parent / "collector_cases"
JSON = "application/json"
# Field names of OTLP/JSON, by signal: resources, scopes, items.
LEVELS = {
    "traces": ("resourceSpans", "scopeSpans", "spans"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
}
POINTS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")


@dataclasses.dataclass
class Case:
    id: str
    processor: str
    input: str
    signal: str
    config: dict
    expected: object

    @property
    def is_refused(self):
        return self.expected == "refused"


@dataclasses.dataclass
class Cases:
    inputs: dict
    cases: list

    def refused(self):
        return [case for case in self.cases if case.is_refused]

    def accepted(self):
        return [case for case in self.cases if not case.is_refused]


def load(name):
    head, *lines = map(json.loads, (DIRECTORY / name).read_text().splitlines())
    inputs = head["inputs"]
    return Cases(inputs, [
        Case(line["id"], line["processor"], line["input"], inputs[line["input"]]["signal"],
             line["config"], line["result"])
        for line in sorted(lines, key=lambda line: line["id"])])


def escaped(value):
    """As a configuration file has it: a `$` is written twice."""
    match value:
        case str(): return value.replace("$", "$$")
        case list(): return [escaped(element) for element in value]
        case dict(): return {escaped(key): escaped(element) for key, element in value.items()}
    return value


def settings(cases, inputs, directory):
    """A receiver for each input, and a pipeline with a file for each case."""
    used = sorted({case.input for case in cases})
    return {
        "receivers": {f"otlp/{name}": {"protocols": {"http": {
            "endpoint": "127.0.0.1:0", "include_metadata": True}}} for name in used},
        "processors": {f"{case.processor}/{case.id}": escaped(case.config) for case in cases},
        "exporters": {f"file/{case.id}": {
            "path": str(directory / f"{case.id}.json"), "fsync": False} for case in cases},
        "service": {
            "telemetry": {
                "logs": {"encoding": "json"},
                "metrics": {"readers": [{"pull": {"exporter": {"prometheus": {
                    "host": "127.0.0.1", "port": 0}}}}]},
            },
            "log": {"durability": "memory"},
            "pipelines": {f"{case.signal}/{case.id}": {
                "receivers": [f"otlp/{case.input}"],
                "processors": [f"{case.processor}/{case.id}"],
                "exporters": [f"file/{case.id}"],
            } for case in cases},
        },
    }


def are_refused(cases, inputs, directory):
    """What `validate` says to each case alone, by id: whether it refuses, and its text."""
    def validate(case):
        path = write_configuration(directory / f"{case.id}.yaml", settings([case], inputs, directory))
        result = run("validate", "--config", path)
        assert result.returncode in (0, 1), result
        return case.id, (result.returncode == 1, result.stderr)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return dict(pool.map(validate, cases))


def outcomes(cases, inputs, processes):
    """Sends each input once, and gives what arrives of it by the id of the case: the telemetry as
    OTLP/JSON, or nothing where a processor left nothing."""
    directory = processes.directory / "arrived"
    directory.mkdir()
    gateway = processes.sluice(settings(cases, inputs, directory))
    for name in sorted({case.input for case in cases}):
        given = inputs[name]
        body = json.dumps(given["otlp"]).encode()
        connection = client.Connection(gateway.addresses[f"otlp/{name}"])
        response = connection.request(
            f"/v1/{given['signal']}", body, JSON, headers=list((given.get("headers") or {}).items()))
        connection.close()
        assert response.status == 200 and response.is_full_success(given["signal"]), response
    gateway.stop()
    return {case.id: arrived(directory / f"{case.id}.json") for case in cases}


def arrived(path):
    lines = path.read_text().splitlines() if path.exists() else []
    assert len(lines) <= 1, path
    return json.loads(lines[0]) if lines else {}


# The cases' own forms.

def plain(value):
    """An AnyValue of OTLP/JSON in the form of the cases."""
    if not value:
        return {"nil": 1}
    (kind, content), = value.items()
    match kind:
        case "stringValue" | "boolValue": return content
        case "intValue": return {"i": int(content)}
        case "doubleValue": return {"f": float(content)}
        case "bytesValue": return {"b": base64.b64decode(content).hex()}
        case "arrayValue": return [plain(element) for element in content.get("values", [])]
        case "kvlistValue": return {"map": attributes(content.get("values", []))}
    raise ValueError(kind)


def attributes(pairs):
    return {pair["key"]: plain(pair.get("value")) for pair in pairs}


def normal(value):
    """The cases write numbers that JSON cannot hold as text."""
    match value:
        case {"i": number}: return {"i": int(number)}
        case {"f": number}: return {"f": str(float(number))}
        case {"map": members}: return {"map": normal_values(members)}
        case list(): return [normal(element) for element in value]
    return value


def normal_values(members):
    return {key: normal(value) for key, value in members.items()}


def normal_changes(by_item):
    return {
        item: {
            **({"set": normal_values(change["set"])} if "set" in change else {}),
            **({"gone": sorted(change["gone"])} if "gone" in change else {}),
        } for item, change in by_item.items()}


def owners(signal, tree):
    """Everything with attributes: its name in the cases, and the attributes."""
    resources, scopes, items = LEVELS[signal]
    for index, group in enumerate(tree.get(resources, []), 1):
        resource = group.get("resource", {})
        yield "resource" if index == 1 else f"resource#{index}", resource.get("attributes", [])
        for part in group.get(scopes, []):
            scope = part.get("scope", {})
            yield f"scope:{scope.get('name', '')}", scope.get("attributes", [])
            for item in part.get(items, []):
                yield from owners_of(signal, item)


def owners_of(signal, item):
    match signal:
        case "traces":
            yield f"span:{item['name']}", item.get("attributes", [])
            for event in item.get("events", []):
                yield f"event:{event['name']}", event.get("attributes", [])
        case "logs":
            pairs = item.get("attributes", [])
            yield f"log:{attributes(pairs).get('n')}", pairs
        case "metrics":
            for kind in POINTS:
                for point in item.get(kind, {}).get("dataPoints", []):
                    pairs = point.get("attributes", [])
                    yield f"point:{item['name']}:{attributes(pairs).get('n')}", pairs


def changes(signal, before, after):
    """By item: {set: new or changed, gone: removed}."""
    old, new = (
        {name: normal_values(attributes(pairs)) for name, pairs in owners(signal, tree)}
        for tree in (before, after))
    assert list(old) == list(new), f"other items arrived: {list(new)}"
    result = {}
    for name in old:
        was, now = old[name], new[name]
        put = {key: value for key, value in now.items() if was.get(key) != value}
        gone = sorted(set(was) - set(now))
        change = {**({"set": put} if put else {}), **({"gone": gone} if gone else {})}
        if change:
            result[name] = change
    return result


# Of samplers: which items arrive, and what they carry then.

def survivors(signal, before, after):
    """`kept` has a digit for each item that was sent, 1 where it arrived; `state` what it carries
    about sampling, by its name."""
    arrived = {name_of(signal, item): item for item in items(signal, after)}
    names = [name_of(signal, item) for item in items(signal, before)]
    assert arrived.keys() <= set(names), "items arrived that were not sent"
    states = {name: state_of(signal, item) for name, item in arrived.items()}
    return {
        "kept": "".join("1" if name in arrived else "0" for name in names),
        "state": {name: state for name, state in states.items() if state},
    }


def normal_survivors(expected):
    states = expected.get("state", {})
    return {"kept": expected["kept"], "state": {
        name: normal_values(state) if isinstance(state, dict) else state
        for name, state in states.items()}}


def items(signal, tree):
    resources, scopes, items = LEVELS[signal]
    return [
        item for group in tree.get(resources, []) for part in group.get(scopes, [])
        for item in part.get(items, [])]


def name_of(signal, item):
    return item["name"] if signal == "traces" else attributes(item["attributes"])["n"]


def state_of(signal, item):
    if signal == "traces":
        return item.get("traceState", "")
    return {
        key: normal(value) for key, value in attributes(item.get("attributes", [])).items()
        if key in ("sampling.threshold", "sampling.randomness")}

"""The samples in deploy/ are valid, and the Dockerfile makes an image that runs."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLUICE = pathlib.Path(os.environ.get("SLUICE", ROOT / ".build/release/sluice")).resolve()
CONFIGURATIONS = [ROOT / "deploy/sluice.yaml", *sorted((ROOT / "deploy").glob("*/sluice.yaml"))]
# The base is made once: it takes most of the test's time.
BASE = ROOT / ".build/container/debian-12.tar"
MIRROR = "http://deb.debian.org/debian"
DEBOOTSTRAP_SECONDS_MAX = 150


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=name_of)
def test_each_sample_configuration_is_valid_without_a_warning(path):
    result = subprocess.run(
        [SLUICE, "validate", "--config", path], capture_output=True, text=True, timeout=10,
        env=dict(os.environ, SLUICE_DB_PASSWORD="secret"))
    assert (result.returncode, result.stdout, result.stderr) == (0, "valid\n", "")


README_CONFIGURATIONS = re.findall(
    r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", README_CONFIGURATIONS, ids=["postgres", "example"])
def test_each_configuration_in_the_readme_is_valid_without_a_warning(text, tmp_path):
    path = tmp_path / "readme.yaml"
    path.write_text(text)
    result = subprocess.run(
        [SLUICE, "validate", "--config", path], capture_output=True, text=True, timeout=10,
        env=dict(os.environ, TOKEN="secret"))
    assert (result.returncode, result.stdout, result.stderr) == (0, "valid\n", "")


def test_the_samples_are_all_found():
    assert len(CONFIGURATIONS) == 4


def test_the_pod_names_what_its_configuration_reads():
    pod = (ROOT / "deploy/sidecar/pod.yaml").read_text()
    configuration = (ROOT / "deploy/sidecar/sluice.yaml").read_text()
    assert "${env:SLUICE_GATEWAY" in configuration
    for name in ["SLUICE_GATEWAY", "K8S_NODE_NAME", "K8S_NAMESPACE_NAME", "K8S_POD_NAME"]:
        assert f"name: {name}\n" in pod


def test_compose_names_files_that_are_there_and_all_that_grafana_and_sluice_read():
    folder = ROOT / "deploy/compose"
    compose = (folder / "compose.yaml").read_text()
    mounted = re.findall(r"^ +- (\.[^:]+):", compose, re.MULTILINE)
    assert len(mounted) == 5
    assert [path for path in mounted if not (folder / path).exists()] == []
    provisioning = "".join(
        path.read_text() for path in (ROOT / "deploy/grafana/provisioning").rglob("*.yaml"))
    read = set(re.findall(r"\$\{(\w+)\}", provisioning)) | set(
        re.findall(r"\$\{env:(\w+)\}", (folder / "sluice.yaml").read_text()))
    assert len(read) == 9
    assert {name for name in read if f"      {name}: " not in compose} == set()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_systemd_accepts_the_unit(tmp_path):
    unit = tmp_path / "sluice.service"
    # The binary has to be where the unit says; only its path is changed.
    text = (ROOT / "deploy/systemd/sluice.service").read_text()
    unit.write_text(text.replace("/usr/local/bin/sluice", str(SLUICE)))
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=30)
    complaints = [line for line in result.stderr.splitlines() if "sluice.service" in line]
    assert (result.returncode, complaints) == (0, [])


# MARK: The image


class Buildah:
    """buildah with storage of its own, so that it leaves nothing behind."""

    def __init__(self, directory):
        self.command = [
            "buildah", "--storage-driver", "vfs", "--root", str(directory / "storage"),
            "--runroot", str(directory / "run"),
        ]
        self.environment = dict(os.environ, BUILDAH_ISOLATION="chroot")

    def __call__(self, *arguments, seconds=120):
        result = subprocess.run(
            [*self.command, *map(str, arguments)], capture_output=True, text=True,
            env=self.environment, timeout=seconds)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout.strip()

    def start(self, container, *arguments, output):
        return subprocess.Popen(
            [*self.command, "run", container, "--", *map(str, arguments)],
            stdout=output, stderr=output, env=self.environment)


def make_base():
    for tool in ["buildah", "debootstrap"]:
        if not shutil.which(tool):
            pytest.skip(f"there is no {tool}")
    if os.geteuid() != 0:
        pytest.skip("debootstrap needs root")
    if BASE.exists():
        return
    try:
        urllib.request.urlopen(f"{MIRROR}/dists/bookworm/Release", timeout=10).close()
    except OSError as error:
        pytest.skip(f"the Debian mirror is not reachable: {error}")
    BASE.parent.mkdir(parents=True, exist_ok=True)
    directory = BASE.with_suffix(".new")
    shutil.rmtree(directory, ignore_errors=True)
    subprocess.run(
        ["debootstrap", "--variant=minbase", "bookworm", directory, MIRROR],
        check=True, capture_output=True, timeout=DEBOOTSTRAP_SECONDS_MAX)
    partial = BASE.with_suffix(".part")
    subprocess.run(
        ["tar", "-C", directory, "--exclude=./dev/*", "-cf", partial, "."], check=True)
    partial.rename(BASE)
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The image that the Dockerfile makes of the binary, on a Debian base, and its buildah."""
    make_base()
    directory = tmp_path_factory.mktemp("image")
    buildah = Buildah(directory)
    base = buildah("from", "scratch")
    buildah("add", "--quiet", base, BASE, "/")
    buildah("commit", "--quiet", "--rm", base, "localhost/base")

    context = directory / "context"
    shutil.copytree(ROOT / "deploy", context / "deploy")
    shutil.copy(ROOT / ".dockerignore", context)
    subprocess.run(["strip", "-o", context / "sluice", SLUICE], check=True)
    buildah(
        "build", "--pull-never", "--format", "docker", "--build-arg", "BINARY=prebuilt",
        "--build-arg", "BASE_IMAGE=localhost/base", "--file", ROOT / "Dockerfile",
        "--tag", "localhost/sluice", context)
    yield buildah
    shutil.rmtree(directory, ignore_errors=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answer(url, data=None):
    """The status and the body; None while nobody answers."""
    headers = {"Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=2) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return None


def is_ready(port):
    reply = answer(f"http://127.0.0.1:{port}/ready")
    return reply is not None and reply[0] == 200


def wait_until(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return value


def read(path):
    try:
        return path.read_text()
    except OSError:  # It has ended.
        return ""


def gateway_below(pid):
    """The gateway's process among the descendants of buildah's."""
    process = pathlib.Path(f"/proc/{pid}")
    if read(process / "comm") == "sluice\n":
        return pid
    # Each thread has the children that it made.
    children = [child for path in process.glob("task/*/children") for child in read(path).split()]
    return next((found for child in children if (found := gateway_below(child))), None)


def test_the_image_says_how_it_is_run(image):
    inspected = json.loads(image("inspect", "--type", "image", "localhost/sluice"))
    config = inspected["Docker"]["config"]
    assert config["User"] == "sluice"
    assert config["Entrypoint"] == ["sluice"]
    assert config["Healthcheck"]["Test"] == ["CMD", "sluice", "health"]
    assert set(config["ExposedPorts"]) == {"4318/tcp", "8888/tcp"}
    assert set(config["Volumes"]) == {"/var/lib/sluice"}


def test_the_image_receives_stores_and_stops_as_a_user_without_rights(image, tmp_path):
    # The chroot shares the machine's network: the ports must be free there.
    otlp, admin = free_port(), free_port()
    readers = f"[{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {admin}}}}}}}}}]"
    container = image("from", "--pull-never", "localhost/sluice")
    log = tmp_path / "log"
    with log.open("wb") as output:
        running = image.start(
            container, "sluice", "run", "--config", "/etc/sluice/sluice.yaml",
            "--set", f"receivers.otlp.protocols.http.endpoint=127.0.0.1:{otlp}",
            "--set", f"service.telemetry.metrics.readers={readers}", output=output)
    process = None
    try:
        wait_until(lambda: running.poll() is not None or is_ready(admin), "readiness")
        assert running.poll() is None, log.read_text()
        process = gateway_below(running.pid)
        status = pathlib.Path(f"/proc/{process}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines())
        assert fields["Uid"].split() == ["10001"] * 4
        assert int(fields["CapEff"], 16) == 0

        health = image("run", container, "--", "sluice", "health",
                       "--endpoint", f"http://127.0.0.1:{admin}")
        assert '"ready":true' in health

        span = {
            "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
            "name": "in a container", "kind": 2, "startTimeUnixNano": "1763654400000000000",
            "endTimeUnixNano": "1763654400012000000",
        }
        request = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
        reply = answer(f"http://127.0.0.1:{otlp}/v1/traces", json.dumps(request).encode())
        assert reply == (200, b"{}")
    finally:
        process = process or gateway_below(running.pid)
        if process:
            os.kill(int(process), signal.SIGTERM)
        else:
            running.terminate()
        code = running.wait(timeout=40)
    assert code == 0, log.read_text()
    assert "everything was delivered" in log.read_text()
    image("rm", container)

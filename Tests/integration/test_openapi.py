"""The gateway does what openapi/sluice.yaml says: schemathesis makes up requests and compares."""

import pathlib
import subprocess
import sys

import pytest

from sluice import ROOT, configuration

DOCUMENT = ROOT / "openapi/sluice.yaml"


@pytest.mark.skipif(not DOCUMENT.exists(), reason="there is no openapi/sluice.yaml yet")
@pytest.mark.parametrize("part, pattern", [("receiver", "^/v1/"), ("admin", "^/(?!v1/)")])
def test_the_gateway_conforms_to_its_openapi_document(processes, tmp_path, part, pattern):
    gateway = processes.sluice(configuration({"nop": {}}))
    address = gateway.address if part == "receiver" else gateway.admin
    schemathesis = pathlib.Path(sys.executable).with_name("schemathesis")
    # One worker: hypothesis's caches are not safe for more, and fail in some runs.
    result = subprocess.run(
        [schemathesis, "run", DOCUMENT, "--url", "http://%s:%d" % address,
         "--include-path-regex", pattern, "--max-examples", "15", "--seed", "1", "--workers", "1",
         "--request-timeout", "10", "--no-color"],
        cwd=tmp_path, capture_output=True, text=True, timeout=150)
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
    assert gateway.process.poll() is None

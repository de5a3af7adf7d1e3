"""Schemathesis reads the OpenAPI document and tries what it allows, and what it does not."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.unit import tiny_models as tiny
from tests.unit.serve_process import serving

EXAMPLES, CASES = 250, 2000
# One document stands for all models, so it cannot say how many numbers each of them takes.
CONFIG = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "404", "422"]

[parameters]
"path.version" = "1"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    tiny.put(store, "one", tiny.line(2))
    tiny.put(store, "labelled", tiny.labelled(), classes=["cat", "dog"])
    tiny.put(store, "words", tiny.words())
    with serving(store, "one", "labelled", "words") as (_, url, log):
        yield url, log


def test_the_server_keeps_to_its_document(server, tmp_path):
    url, log = server
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    program = Path(sys.executable).with_name("schemathesis")
    options = f"--checks all --max-examples {EXAMPLES} --continue-on-failure"
    options += " --generation-deterministic --request-timeout 20"
    options += " --report json --report-json-path report.json --no-color"
    call = [program, "run", *options.split(), url + "openapi.json"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["failures"] == report["errors"] == [] and report["complete"]
    assert report["operations"]["tested"] == report["operations"]["total"] >= 14
    print(f"{report['test_cases']['generated']} cases")
    assert report["test_cases"]["generated"] >= CASES
    assert {phase["status"] for phase in report["phases"].values()} == {"success"}
    counted = requests.get(url + "metrics").text
    assert not re.search(r'status="5', counted)
    for path in ("v1/models/{name}:predict", "v2/models/{name}/infer", "predict"):
        for status in (200, 400, 422):  # it came to the models, too
            assert f'method="POST",route="/{path}",status="{status}"' in counted
    assert '"ERROR"' not in log.read_text() and "Traceback" not in log.read_text()


def test_the_document_has_the_protocols_and_the_models_and_no_pages(server):
    document = requests.get(server[0] + "openapi.json").json()
    v2 = ["/v2", "/v2/health/live", "/v2/health/ready"]
    for model in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        v2 += [model, f"{model}/ready", f"{model}/infer"]
    v1 = ["/v1/models", "/v1/models/{name}", "/v1/models/{name}:predict"]
    assert {*document["paths"]} == {*v1, *v2, "/predict", "/metrics"}
    (name,) = document["paths"]["/v2/models/{name}/ready"]["get"]["parameters"][:1]
    assert name["schema"]["enum"] == ["one", "labelled", "words"]

"""Lab 11 with a Kafka of the classroom instead of the small one in the notebook."""

import os
import subprocess
import sys
from pathlib import Path

from labkit import stream
from tests.services.kafka import PASSWORD, USER

LAB = Path(__file__).parents[2] / "notebooks/11-stream-with-kafka.ipynb"


def test_the_lab_runs_unchanged_on_a_cluster_and_leaves_nothing_there(kafka, tmp_path):
    login = {
        "LABKIT_KAFKA_BOOTSTRAP": kafka.sasl_tls,
        "LABKIT_KAFKA_CA": str(kafka.ca),
        "LABKIT_KAFKA_USER": USER,
        "LABKIT_KAFKA_PASSWORD": PASSWORD,
    }
    others = {"LABKIT_HEADLESS": "1", "LABKIT_DATA": "sample", "USER": "a-learner"}
    others |= {name: str(tmp_path / name) for name in ("LABKIT_STORE", "LABKIT_PROGRESS")}
    done = subprocess.run(
        [sys.executable, "-m", "labkit", "run", str(LAB), "--out", str(tmp_path / "pages")],
        env={**os.environ, "JUPYTERHUB_USER": "", **others, **login},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (page,) = (tmp_path / "pages").glob("11-*.html")
    text = page.read_text()
    assert f"as {USER}" in text and PASSWORD not in text
    there = stream.connect(kafka.bootstrap).sender.list_topics(timeout=10).topics
    assert not [topic for topic in there if topic.startswith("alearner-")]

"""Servers: labkit serve against the textbook's Flask, FastAPI with Keras, and KServe's own.

    python benchmarks/serving.py [--rounds N] [--seconds N] [--kserve PYTHON]

All serve the same small convolutional network for MNIST (``LABKIT_DATA``, else the sample) on
loopback, one after the other, each in a process of its own; the files are in servers/. A client
posts one picture at a time and reads every answer. What is measured, as medians of the rounds:

- ready: seconds from the start of the process to its first answer.
- p50: half of the requests of a single client are answered within so many milliseconds.
- per second: what 8 clients get answered.
- peak: the most memory that the process held, in MB.

KServe's server needs an environment of its own, because it holds on to older versions of other
packages: it is made in build/kserve, unless ``--kserve`` names an interpreter that has it.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[1]
NAME, CLIENTS = "mnist-cnn", 8
KSERVE = ("kserve==0.21.0", "onnxruntime")


def prepare(store: Path) -> None:
    """Train the network for a moment, and save it with the pictures to ask for."""
    import labkit
    from labkit import models

    data = labkit.load("mnist", limit=2000)
    model = models.cnn(data)
    labkit.fit(model, data, epochs=1, verbose=False)
    labkit.store.save(model, NAME, data=data, url=store)
    pictures = np.asarray(data.x_test[:100], "float32").reshape(-1, 28, 28, 1)
    said = model.predict(pictures, verbose=0)
    np.savez(store / "pictures.npz", pictures=pictures, said=said)


def kserve_python() -> str:
    """The interpreter of KServe's environment, which is made first if need be."""
    folder = ROOT / "build" / "kserve"
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"Making {folder} for KServe's server, once.", file=sys.stderr)
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", folder], check=True)
        install = [*uv, "pip", "install", "--quiet", "--python", python, *KSERVE]
        subprocess.run(install, check=True)
    return str(python)


# What is asked, and what has to come back. Each: path, headers, body of a picture; check of an
# answer to it.


def digit(picture):
    return "/predict", {}, json.dumps({"data": picture.ravel().tolist()}).encode()


def is_digit(answer, said):
    return json.loads(answer)["prediction"] == said.index(max(said))


def are_close(answer, said):
    return len(answer) == len(said) and all(
        abs(a - b) < 1e-4 for a, b in zip(answer, said, strict=True)
    )


def v1(picture):
    body = {"instances": [picture.ravel().tolist()]}
    return f"/v1/models/{NAME}:predict", {}, json.dumps(body).encode()


def is_v1(answer, said):
    return are_close(json.loads(answer)["predictions"][0], said)


def v2(picture):
    tensor = {"name": "input", "shape": [1, 28, 28, 1], "datatype": "FP32"}
    tensor["parameters"] = {"binary_data_size": picture.nbytes}
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    headers["Content-Type"] = "application/octet-stream"
    return f"/v2/models/{NAME}/infer", headers, head + picture.tobytes()


def is_v2(answer, said):
    return are_close(json.loads(answer)["outputs"][0]["data"], said)


FORMS = {"digit": (digit, is_digit), "V1": (v1, is_v1), "V2": (v2, is_v2)}


def contenders(store: Path, kserve: str, port: int) -> dict:
    """Name: (command, path that answers when it is ready, forms)."""
    (onnx,) = (store / NAME).rglob("model.onnx")
    keras = onnx.with_name("model.keras")
    serve = [sys.executable, "-m", "labkit", "serve", NAME, "--store", store, "--port", port]
    servers = HERE / "servers"
    return {
        "labkit": (serve, f"/v2/models/{NAME}/ready", ("digit", "V1", "V2")),
        "textbook": ([sys.executable, servers / "textbook.py", keras, port], "/ready", ("digit",)),
        "FastAPI": (
            [sys.executable, servers / "keras_fastapi.py", keras, port],
            "/ready",
            ("digit",),
        ),
        "KServe": (
            [kserve, servers / "kserve_onnx.py", onnx, "--http_port", port],
            f"/v2/models/{NAME}/ready",
            ("V1", "V2"),
        ),
    }


def measure(command, ready, forms, port, store, seconds) -> dict:
    """Start a server, ask it, and stop it; figures by form."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        call = [str(word) for word in command]
        process = subprocess.Popen(call, stdout=log, stderr=log, cwd=store)
        try:
            while not answers(f"http://127.0.0.1:{port}{ready}"):
                if process.poll() is not None or time.perf_counter() - began > 120:
                    log.seek(0)
                    sys.exit(f"{call} does not start:\n{log.read().decode()[-3000:]}")
                time.sleep(0.01)
            start = time.perf_counter() - began
            saved = np.load(store / "pictures.npz")
            rows = {}
            for form in forms:
                asking = (FORMS[form], saved["pictures"], saved["said"], port)
                asyncio.run(ask_for(min(2, seconds), 1, *asking))
                alone = asyncio.run(ask_for(seconds, 1, *asking))
                together = asyncio.run(ask_for(seconds, CLIENTS, *asking))
                rows[form] = {
                    "ready": start,
                    "p50": 1000 * statistics.median(alone),
                    "rate": len(together) / seconds,
                    "p50 of 8": 1000 * statistics.median(together),
                }
            status = Path(f"/proc/{process.pid}/status").read_text()
            for row in rows.values():
                row["peak"] = int(status.partition("VmHWM:")[2].split()[0]) / 1000
                row["tensorflow"] = "tensorflow" in Path(f"/proc/{process.pid}/maps").read_text()
            return rows
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


async def ask_for(seconds, clients, form, pictures, said, port) -> list[float]:
    """How long each answer took."""
    build, is_right = form
    requests = []
    for picture, expected in zip(pictures, said.tolist(), strict=True):
        path, headers, body = build(picture)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        headers = {"Content-Type": "application/json"} | headers
        head += "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        requests.append((head.encode() + b"\r\n" + body, expected))
    end, took = time.perf_counter() + seconds, []

    async def client(number):
        connection = None
        while time.perf_counter() < end:
            request, expected = requests[(number + len(took)) % len(requests)]
            began = time.perf_counter()
            if connection is None:
                connection = await asyncio.open_connection("127.0.0.1", port)
            reader, writer = connection
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"\r\ncontent-length:")[2].split()[0])
            answer = await reader.readexactly(length)
            took.append(time.perf_counter() - began)
            if b" 200 " not in head[:16] or not is_right(answer, expected):
                sys.exit(f"A wrong answer: {head + answer[:500]}")
            if b"connection: close" in head:
                writer.close()
                connection = None

    await asyncio.gather(*(client(number) for number in range(clients)))
    return took


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="the medians count")
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--kserve", metavar="PYTHON", help="an interpreter that has kserve")
    parser.add_argument("--only", help="one contender, such as labkit", metavar="NAME")
    parser.add_argument("--port", type=int, default=8390)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.store:
        return prepare(options.store)
    kserve = os.path.abspath(options.kserve) if options.kserve else kserve_python()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder)
        environment = os.environ | {"LABKIT_HEADLESS": "1"}
        call = [sys.executable, __file__, "--store", folder]
        subprocess.run(call, check=True, env=environment)
        sides = contenders(store, kserve, options.port)
        for number in range(options.rounds):
            for name, (command, ready, forms) in sides.items():
                if options.only in (None, name):
                    rows = measure(command, ready, forms, options.port, store, options.seconds)
                    for form, row in rows.items():
                        found.setdefault((name, form), []).append(row)
                        rate, p50 = row["rate"], row["p50"]
                        print(f"round {number}  {name:8} {form:5} {rate:8.1f}/s {p50:8.2f} ms")
    table = {
        key: {what: statistics.median(row[what] for row in rows) for what in rows[0]}
        for key, rows in found.items()
    }
    print(f"\nOne CNN for MNIST, medians of {options.rounds} rounds of {options.seconds:g} s")
    print(
        f"{'server':8} {'form':5} {'p50 ms':>8} {'8 clients/s':>11} {'ready s':>8} {'peak MB':>8}"
    )
    for (name, form), row in table.items():
        print(
            f"{name:8} {form:5} {row['p50']:8.2f} {row['rate']:11.1f} {row['ready']:8.2f} "
            f"{row['peak']:8.0f}" + ("  with TensorFlow" if row["tensorflow"] else "")
        )
    print()
    for name, form in (
        ("textbook", "digit"),
        ("FastAPI", "digit"),
        ("KServe", "V1"),
        ("KServe", "V2"),
    ):
        if (name, form) in table and ("labkit", form) in table:
            ratios = [
                ours["rate"] / theirs["rate"]
                for ours, theirs in zip(found["labkit", form], found[name, form], strict=True)
            ]
            times = statistics.median(ratios)
            print(f"labkit answers {times:.1f} times the requests of {name} ({form}, 8 clients)")


if __name__ == "__main__":
    main()

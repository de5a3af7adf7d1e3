"""A kubectl that plays a script: it notes each call, and answers from a folder.

It stands for a cluster where there is none, for the words and the order of labkit's calls; what a
real Kubernetes makes of them is tested in tests/cluster. Its port-forward is a real HTTP server.
"""

import json
import os
import sys
import time
from pathlib import Path

HOME = Path(os.environ["KUBECTL_SCRIPT"])


def main(words):
    options = [w for w in words if w.startswith("--")]
    verb, *rest = (w for w in words if not w.startswith("--"))
    document = json.load(sys.stdin) if "--filename=-" in options else None
    with open(HOME / "calls.jsonl", "a") as file:
        file.write(json.dumps({"words": words, "document": document, "pid": os.getpid()}) + "\n")
    if (failing := HOME / f"fail-{verb}").exists():
        sys.exit(failing.read_text())
    if verb == "get":
        if (text := found(*rest)) is not None:
            print(text)
    elif verb == "create":
        name = document["metadata"]["name"]
        if document["kind"] == "Secret":
            import base64

            token = base64.b64encode(document["stringData"]["token"].encode()).decode()
            document["data"] = {"token": token}
        put(document["kind"].lower(), name, document)
        print(f"{document['kind'].lower()}/{name} created")
    elif verb == "apply":
        if not rest[0].endswith("kubeflow"):
            put("statefulset", "jupyterlab", {"metadata": {}, "spec": {"replicas": 1}})
            print("statefulset.apps/jupyterlab created")
    elif verb == "delete":
        print(" ".join(("deleted", *rest)))
        if rest[:1] in (["pod"], ["secret"]):
            (HOME / f"{rest[0]}-{rest[1]}.json").unlink(missing_ok=True)
    elif verb == "logs":
        print((HOME / "log.txt").read_text())
    elif verb == "port-forward":
        while (HOME / "carries-nothing").exists():
            time.sleep(0.1)
        forward(int(rest[1].partition(":")[0]))


def found(kind, name=None):
    """What is there: the first of several states that follow each other, and then the last."""
    path = HOME / f"{kind}-{name}.json" if name else HOME / f"{kind}.json"
    following = sorted(HOME.glob(f"{kind}-{name}.json.*"))
    if following:
        following[0].replace(path)
    return path.read_text() if path.exists() else None


def put(kind, name, thing):
    (HOME / f"{kind}-{name}.json").write_text(json.dumps(thing))


def forward(port):
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class JupyterLab(BaseHTTPRequestHandler):
        def do_GET(self):
            base = (HOME / "base-url").read_text()
            self.send_response(200 if self.path == f"{base}api" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    ThreadingHTTPServer(("127.0.0.1", port), JupyterLab).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])

"""The image's HEALTHCHECK: does what this container runs still answer?

JupyterLab and ``labkit serve`` are asked; another command is well as long as it runs.
"""

import os
import sys
import urllib.request
from pathlib import Path


def address(words: list[str], environ=os.environ) -> str | None:
    """What to ask, given the first process's words; None where nothing answers HTTP."""
    if "serve" in words:
        return f"http://127.0.0.1:{option(words, '--port', '8080')}/v2/health/live"
    if "pod" in words:
        base = environ.get("LABKIT_BASE_URL", "").strip("/ ")
        return f"http://127.0.0.1:{option(words, '--port', '8888')}/{base + '/' if base else ''}api"
    return None


def option(words: list[str], name: str, default: str) -> str:
    """The value of ``--name value`` or ``--name=value`` among a command's words."""
    for word, after in zip(words, [*words[1:], default], strict=True):
        if word == name:
            return after
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return default


if __name__ == "__main__":
    url = address(Path("/proc/1/cmdline").read_bytes().decode(errors="replace").split("\0"))
    if url:
        try:
            urllib.request.urlopen(url, timeout=4)
        except OSError as error:
            sys.exit(f"{url}: {error}")

"""Log lines that programs can read: JSON, one object a line."""

import logging


def as_json(name: str) -> None:
    """Let a logger write JSON, from "info" on."""
    from pythonjsonlogger.json import JsonFormatter

    handler = logging.StreamHandler()
    handler.setFormatter(
        JsonFormatter(
            "{levelname}{message}", style="{", timestamp=True, rename_fields={"levelname": "level"}
        )
    )
    log = logging.getLogger(name)
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)

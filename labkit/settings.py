"""The environment variables that a deployment sets, all in one place.

A notebook is configured by keyword arguments. What a pod, a classroom or CI
sets from outside comes through the variables below; ``labkit doctor`` prints
them with their values.
"""

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from labkit.errors import SettingsError

SECRET = ("LABKIT_TOKEN", "LABKIT_KAFKA_PASSWORD")
"""What is never shown."""


def _variable(name: str, default: str, meaning: str):
    return field(metadata={"name": name, "default": default, "meaning": meaning})


@dataclass(frozen=True)
class Settings:
    """The ``LABKIT_*`` variables, read once by :func:`read`."""

    data: str = _variable(
        "LABKIT_DATA",
        "",
        "where the data sets are: a folder, the address of a mirror such as "
        "https://host/data or s3://bucket/prefix, or 'sample' for the shipped sample",
    )
    offline: bool = _variable("LABKIT_OFFLINE", "0", "1 never tries the network")
    cache: Path = _variable(
        "LABKIT_CACHE",
        platformdirs.user_cache_dir("labkit"),
        "downloads and drawn samples; safe to delete",
    )
    progress: Path = _variable(
        "LABKIT_PROGRESS",
        str(Path(platformdirs.user_data_dir("labkit")) / "progress.json"),
        "the file that remembers solved exercises; on a pod, put it on the volume",
    )
    studies: Path = _variable(
        "LABKIT_STUDIES",
        str(Path(platformdirs.user_data_dir("labkit")) / "studies"),
        "the folder of the sweeps' journals; on a pod, put it on the volume",
    )
    storage: str = _variable(
        "LABKIT_STORAGE",
        "",
        "the URL of a database for studies that several machines share; "
        "without one they go to LABKIT_STUDIES",
    )
    store: str = _variable(
        "LABKIT_STORE",
        str(Path(platformdirs.user_data_dir("labkit")) / "models"),
        "where models are kept: a folder, or an address such as s3://bucket/prefix",
    )
    token: str = _variable(
        "LABKIT_TOKEN",
        "",
        "what clients of labkit serve have to show; 'none': nothing, when something else "
        "protects it; without one a new token is made where it listens beyond this machine",
    )
    kafka: str = _variable(
        "LABKIT_KAFKA_BOOTSTRAP",
        "",
        "the addresses of Kafka, such as kafka:9092; without one labkit.stream starts a small "
        "broker of its own",
    )
    kafka_security: str = _variable(
        "LABKIT_KAFKA_SECURITY",
        "",
        "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL; without one it follows from the others",
    )
    kafka_ca: str = _variable(
        "LABKIT_KAFKA_CA", "", "the file of the authority that signed Kafka's certificate"
    )
    kafka_mechanism: str = _variable(
        "LABKIT_KAFKA_MECHANISM",
        "",
        "SCRAM-SHA-512, SCRAM-SHA-256, PLAIN or OAUTHBEARER; the first where there is a user",
    )
    kafka_user: str = _variable("LABKIT_KAFKA_USER", "", "the user, or OAuth's client id")
    kafka_password: str = _variable(
        "LABKIT_KAFKA_PASSWORD", "", "the password, or OAuth's client secret"
    )
    kafka_token_url: str = _variable(
        "LABKIT_KAFKA_TOKEN_URL", "", "where OAuth's tokens are given out"
    )
    kafka_protocol: str = _variable(
        "LABKIT_KAFKA_PROTOCOL",
        "consumer",
        "how consumers share a topic: consumer (KIP-848), or classic, which misses a killed one "
        "after 6 s instead of the broker's 45",
    )
    kafka_properties: str = _variable(
        "LABKIT_KAFKA_PROPERTIES",
        "",
        "a file of librdkafka's settings, for all else: the variables above come before it",
    )
    base_url: str = _variable(
        "LABKIT_BASE_URL",
        "/",
        "the path under which JupyterLab answers in a pod, such as /user/ada/",
    )
    headless: bool = _variable(
        "LABKIT_HEADLESS", "0", "1 prints plain lines where a live notebook shows a bar"
    )


def read(environ=None) -> Settings:
    """The settings that ``environ`` (by default ``os.environ``) describes.

    Raises:
        SettingsError: an on/off variable is neither 0 nor 1.

    Example:
        >>> read({"LABKIT_OFFLINE": "1"}).offline
        True
    """
    environ = os.environ if environ is None else environ
    values = {}
    for f in fields(Settings):
        text = environ.get(f.metadata["name"], "").strip() or f.metadata["default"]
        if f.type is bool:
            if text.lower() not in _SWITCH:
                raise SettingsError(
                    f"{f.metadata['name']} is {text!r}; set it to 1 (on) or 0 (off)."
                )
            values[f.name] = _SWITCH[text.lower()]
        elif f.type is Path:
            values[f.name] = Path(text).expanduser()
        else:
            values[f.name] = text
    return Settings(**values)


def shown(text: str) -> str:
    """``text`` for people: an address without the user, password and options it may carry.

    Example:
        >>> shown("postgresql+psycopg://user:secret@db/studies")
        'postgresql+psycopg://db/studies'
    """
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets that hold no IPv6 address
        return f"{text.partition('://')[0]}://…"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


_SWITCH = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}

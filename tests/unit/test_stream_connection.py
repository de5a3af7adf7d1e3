"""Where Kafka is: from arguments, variables or a file; what cannot be, and what is never shown."""

import functools
import socket
import threading
import time
import traceback

import pytest
import requests

import labkit
from labkit import stream
from labkit.errors import StreamError
from labkit.stream import connection
from tests.unit.stream_parts import picture, topic

SECRET = "hunter2-of-the-test"
NOWHERE = "127.0.0.1:1"


@pytest.fixture(scope="module")
def address():
    return stream.connect().bootstrap


@pytest.fixture
def properties(tmp_path):
    """Writes a file of properties."""

    def write(text, encoding="utf-8"):
        path = tmp_path / "client.properties"
        path.write_text(text, encoding=encoding)
        return path

    return write


def refused(*given, **options):
    """What connecting says; the secret is in none of its words, nor in what led to them."""
    with pytest.raises(StreamError) as error:
        stream.connect(*given, **options)
    assert SECRET not in "".join(traceback.format_exception(error.value))
    return str(error.value)


# What comes before what


def test_arguments_come_before_variables_and_these_before_the_file(
    address, properties, monkeypatch
):
    path = properties(f"bootstrap.servers={address}\n")
    monkeypatch.setenv("LABKIT_KAFKA_PROPERTIES", str(path))
    assert stream.connect().bootstrap == address and connection.is_configured()
    path.write_text(f"bootstrap.servers={NOWHERE}\nsecurity.protocol=SASL_SSL\n")
    monkeypatch.setenv("LABKIT_KAFKA_BOOTSTRAP", address)
    monkeypatch.setenv("LABKIT_KAFKA_SECURITY", "plaintext")
    there = stream.connect()
    assert (there.bootstrap, there.options["security.protocol"]) == (address, "PLAINTEXT")
    monkeypatch.setenv("LABKIT_KAFKA_BOOTSTRAP", NOWHERE)
    monkeypatch.setenv("LABKIT_KAFKA_SECURITY", "SSL")
    there = stream.connect(address, security="PLAINTEXT")
    assert (there.bootstrap, there.options["security.protocol"]) == (address, "PLAINTEXT")
    other = properties(f"bootstrap.servers={address}\n# none\n\n! of these\nclient.id = me \n")
    monkeypatch.setenv("LABKIT_KAFKA_PROPERTIES", "/not/there")
    monkeypatch.delenv("LABKIT_KAFKA_BOOTSTRAP")
    monkeypatch.delenv("LABKIT_KAFKA_SECURITY")
    assert stream.connect(properties=other).options["client.id"] == "me"


def test_a_file_that_windows_has_written_is_read(address, properties):
    path = properties(f"bootstrap.servers={address}\r\n", encoding="utf-8-sig")
    assert stream.connect(properties=path).bootstrap == address


def test_the_embedded_broker_is_started_once_by_whoever_comes_first(monkeypatch, capsys):
    again = functools.cache(connection._started.__wrapped__)
    monkeypatch.setattr(connection, "_started", again)
    found = []
    threads = [threading.Thread(target=lambda: found.append(stream.connect())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in found}) == 1
    assert capsys.readouterr().out.count("A small Kafka runs") == 1


# What follows from the rest


@pytest.mark.parametrize(
    ("options", "security"),
    [
        ({"user": "me", "password": SECRET}, "SASL_SSL"),
        ({"ca": requests.certs.where()}, "SSL"),
        ({"user": "me", "password": SECRET, "ca": requests.certs.where()}, "SASL_SSL"),
        ({"security": "ssl"}, "SSL"),
    ],
)
def test_with_a_user_or_an_authority_it_speaks_tls_without_being_told(address, options, security):
    said = refused(address, **options)
    assert f"does not speak TLS as {security} asks it to" in said and address in said
    assert said.endswith("Check the port, and LABKIT_KAFKA_SECURITY.")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"security": "TLS"}, "LABKIT_KAFKA_SECURITY is 'TLS'; set it to one of PLAINTEXT, SSL"),
        (
            {"user": "me", "password": SECRET, "security": "SSL"},
            "There is a user for Kafka, and the security SSL sends none. Set",
        ),
        (
            {"user": "me", "password": SECRET, "mechanism": "GSSAPI"},
            "LABKIT_KAFKA_MECHANISM is 'GSSAPI'; set it to one of SCRAM-SHA-512",
        ),
        ({"user": "me"}, "missing: sasl.password. Set LABKIT_KAFKA_USER and LABKIT_KAFKA_PASSWORD"),
        ({"security": "SASL_SSL"}, "For SCRAM-SHA-512 Kafka needs a user and a password; missing"),
        (
            {"user": "me", "password": SECRET, "mechanism": "oauthbearer"},
            "missing: sasl.oauthbearer.token.endpoint.url. Set LABKIT_KAFKA_USER and "
            "LABKIT_KAFKA_PASSWORD and LABKIT_KAFKA_TOKEN_URL.",
        ),
        (
            {"mechanism": "OAUTHBEARER", "security": "SASL_SSL", "token_url": "https://sso"},
            "missing: sasl.oauthbearer.client.id, sasl.oauthbearer.client.secret",
        ),
        ({"ca": "/not/there.pem"}, "These settings for Kafka at 127.0.0.1:1 cannot be:"),
    ],
)
def test_settings_that_do_not_fit_together_are_told_before_anything_is_sent(options, words):
    assert words in refused(NOWHERE, **options)


def test_settings_without_an_address_do_not_start_a_broker_of_its_own(monkeypatch, properties):
    words = "Kafka's address is missing, though other settings of it are there. Set LABKIT_KAFKA"
    assert words in refused(user="me", password=SECRET)
    assert words in refused(properties=properties(f"sasl.password={SECRET}"))
    monkeypatch.setenv("LABKIT_KAFKA_PASSWORD", SECRET)
    assert words in refused()


def test_a_user_and_a_password_in_the_address_are_not_repeated():
    said = refused(f"me:{SECRET}@{NOWHERE}")
    assert "Kafka's address has no place for a user and a password. Set LABKIT_KAFKA_USER" in said


# Files of properties


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sasl.jaas.config=x required;", "which only Java's clients know. Write sasl.username and"),
        ("ssl.truststore.location=/t.jks", "Write ssl.ca.location, a PEM file instead."),
        ("ssl.keystore.type=JKS", "Write ssl.keystore.location, a PKCS#12 file instead."),
        ("ssl.no.such=1", "These settings for Kafka at 127.0.0.1:1 cannot be: No such"),
        ("hunter2-of-the-test", "Line 3 of "),
    ],
)
def test_a_file_that_does_not_fit_says_what_to_write_and_no_secret(properties, line, words):
    lines = f"bootstrap.servers={NOWHERE}\nsasl.password={SECRET}\n{line}"
    path = properties(lines + "\nsasl.username=me\nsecurity.protocol=SASL_PLAINTEXT\n")
    assert words in refused(properties=path)


def test_a_file_that_is_not_there_or_no_text_says_so(properties, tmp_path):
    for path in (tmp_path / "none", tmp_path):
        assert "cannot be read" in refused(properties=path)
    path = properties("")
    path.write_bytes(b"sasl.password=" + SECRET.encode() + b"\xff")
    said = refused(properties=path)
    assert f"The properties file {path} cannot be read" in said
    assert said.endswith("Check its path, or unset LABKIT_KAFKA_PROPERTIES.")


def test_a_file_cannot_load_libraries_run_commands_or_change_what_labkit_relies_on(
    address, properties, tmp_path
):
    ran = tmp_path / "ran"
    lines = [
        f"bootstrap.servers={address}",
        "plugin.library.paths=evil.so",
        "ssl.engine.location=evil.so",
        "ssl.providers=evil",
        f"sasl.kerberos.kinit.cmd=touch {ran}",
        "enable.sasl.oauthbearer.unsecure.jwt=true",
        "isolation.level=read_uncommitted",
        "enable.auto.commit=true",
        "group.id=another",
        "acks=0",
        "debug=all",
        "log_level=7",
    ]
    there = stream.connect(properties=properties("\n".join(lines)))
    assert there.options == {"bootstrap.servers": address, "security.protocol": "PLAINTEXT"}
    kerberos = "security.protocol=SASL_PLAINTEXT\nsasl.mechanisms=GSSAPI\n"
    said = refused(properties=properties("\n".join([*lines, kerberos])))
    assert "LABKIT_KAFKA_MECHANISM is 'GSSAPI'" in said and not ran.exists()


# What is shown


def test_a_connection_is_shown_without_what_is_secret():
    for mechanism, prefix in (("SCRAM-SHA-512", "sasl."), ("OAUTHBEARER", "sasl.oauthbearer.")):
        names = ("client.id", "client.secret") if "oauth" in prefix else ("username", "password")
        options = {
            "bootstrap.servers": "kafka:9093",
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": mechanism,
            f"{prefix}{names[0]}": "me",
            f"{prefix}{names[1]}": SECRET,
            "ssl.key.password": SECRET,
        }
        there = connection.Connection("kafka:9093", False, options)
        assert repr(there) == str(there) == f"Kafka at kafka:9093 (SASL_SSL, {mechanism}, as me)"
        assert SECRET not in f"{there} {there!r} {[there]} {there:}"


def test_the_doctor_shows_the_settings_and_not_the_secret(monkeypatch):
    monkeypatch.setenv("LABKIT_KAFKA_BOOTSTRAP", NOWHERE)
    monkeypatch.setenv("LABKIT_KAFKA_PASSWORD", SECRET)
    monkeypatch.setenv("LABKIT_KAFKA_TOKEN_URL", f"https://me:{SECRET}@sso/token?secret={SECRET}")
    table = labkit.doctor().table()
    assert NOWHERE in table and "https://sso/token" in table
    assert SECRET not in table


# Nobody there


@pytest.mark.slow
def test_an_address_where_nobody_is_says_what_to_check_within_seconds():
    began = time.monotonic()
    said = refused(NOWHERE, security="SASL_PLAINTEXT", user="me", password=SECRET)
    assert time.monotonic() - began < 20
    assert said.startswith("Kafka at 127.0.0.1:1 does not answer (")
    assert "Check the address and the port, and that Kafka runs; where it wants TLS, set" in said


@pytest.mark.slow
def test_something_else_than_kafka_says_what_to_check():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        said = refused(f"127.0.0.1:{silent.getsockname()[1]}")
    assert "does not answer (" in said and "LABKIT_KAFKA_CA" in said


@pytest.mark.slow
def test_a_broker_that_goes_away_is_told_with_what_to_do(tmp_path):
    there = connection.Connection(
        NOWHERE,
        False,
        {
            "bootstrap.servers": NOWHERE,
            "security.protocol": "PLAINTEXT",
        },
    )
    (tmp_path / "one.jpg").write_bytes(picture())
    with pytest.raises(StreamError, match="cannot make topics .*Check that Kafka runs"):
        stream.send(tmp_path / "one.jpg", topic(), connection=there)

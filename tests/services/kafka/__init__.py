"""An Apache Kafka broker of one node, with a listener for each way to log in.

Unlike librdkafka's mock it checks certificates, passwords and tokens, keeps what it is given on
disk, and can be killed. Its programs come from Maven Central, once, into build/.
"""

import base64
import contextlib
import http.server
import json
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.services.ports import free_port

USER, PASSWORD = "labkit", "a-secret-of-the-tests"  # for SCRAM, and for the token endpoint

POM = Path(__file__).with_name("pom.xml")
VERSION = ElementTree.parse(POM).findtext("{*}version")
JARS = Path(__file__).parents[3] / "build" / f"kafka-{VERSION}"
LISTENERS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL", "OAUTH", "CONTROLLER")
# These start sooner than a server's usual ones.
JAVA = ("java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


class Kafka:
    """The broker, in a folder, on free ports of loopback.

    `bootstrap`, `tls`, `sasl`, `sasl_tls` and `oauth` are its addresses, `ca` the file of the
    authority that signed its certificate, `token_url` where a client gets its token.
    """

    def __init__(self, folder: Path):
        java = "openjdk-17-jre-headless maven"
        for program, package in {"java": java, "mvn": java, "openssl": "openssl"}.items():
            if not shutil.which(program):
                pytest.fail(f"{program} is missing. On Debian and Ubuntu: apt install {package}")
        if not JARS.exists():
            _bring_jars()
        self.folder, self.process = folder, None
        self.ca, self.settings = folder / "ca.pem", folder / "server.properties"
        ports = set()
        while len(ports) < len(LISTENERS):
            ports.add(free_port())
        self.addresses = {
            name: f"127.0.0.1:{port}" for name, port in zip(LISTENERS, ports, strict=True)
        }
        self.bootstrap, self.tls = self.addresses["PLAINTEXT"], self.addresses["SSL"]
        self.sasl, self.sasl_tls = self.addresses["SASL_PLAINTEXT"], self.addresses["SASL_SSL"]
        self.oauth = self.addresses["OAUTH"]
        self._make_certificate()
        self.tokens = Tokens(folder)
        self.token_url = self.tokens.url
        lines = [f"{name}={value}" for name, value in self._settings().items()]
        self.settings.write_text("\n".join([*lines, ""]))
        scram = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
        cluster = base64.urlsafe_b64encode(b"labkit-of-tests!").decode().rstrip("=")
        self.tool(
            *("kafka.tools.StorageTool", "format", "-t", cluster, "-c", self.settings),
            *("--add-scram", scram),
        )

    def start(self):
        """Returns once the broker answers; what it was given before a kill is there again."""
        # Kafka reads the keys that tokens are checked with only from where it is told it may.
        allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.tokens.keys.as_uri()}"
        log = self.folder / "log"
        with log.open("a") as out:
            command = self._java("warn", allowed, "kafka.Kafka", self.settings)
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=out, stderr=out)
        quick = {"reconnect.backoff.max.ms": 200, "log_level": 0}
        client = AdminClient({"bootstrap.servers": self.bootstrap, **quick})
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            # A broker that answers but may not work yet does not name itself; and a consumer that
            # comes before groups are ready waits for three seconds.
            with contextlib.suppress(KafkaException):
                if client.list_topics(timeout=1).brokers:
                    groups = client.describe_consumer_groups(["any"], request_timeout=5)
                    return groups["any"].result()
            time.sleep(0.05)
        pytest.fail("Kafka does not start. It says:\n" + log.read_text()[-2000:])

    def kill(self):
        """As a power cut does."""
        self.process.kill()
        self.process.wait()

    def pause(self):
        """Its ports stay open, and it answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.resume()
            self.process.terminate()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.kill()

    def tool(self, name, *arguments, input=None):
        """What one of Kafka's own programs prints, named by its class."""
        command = self._java("error", name, *arguments)
        done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=90)
        assert not done.returncode, f"{name} fails:\n{done.stdout}{done.stderr}"
        return done.stdout

    def _java(self, level, *arguments):
        logs = "-Dorg.slf4j.simpleLogger."
        dates = (f"{logs}showDateTime=true", f"{logs}dateTimeFormat=HH:mm:ss.SSS")
        options = [*JAVA, f"{logs}defaultLogLevel={level}", *dates, "-cp", f"{JARS}/*"]
        return [*options, *(str(word) for word in arguments)]

    def _settings(self):
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        bearer = "org.apache.kafka.common.security.oauthbearer"
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{self.addresses['CONTROLLER']}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": ",".join(f"{name}://{at}" for name, at in self.addresses.items()),
            "listener.security.protocol.map": (
                "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,"
                "OAUTH:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.folder / "server.pem",
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.oauth.oauthbearer.sasl.jaas.config": (
                f"{bearer}.OAuthBearerLoginModule required;"
            ),
            "listener.name.oauth.oauthbearer.sasl.server.callback.handler.class": (
                f"{bearer}.OAuthBearerValidatorCallbackHandler"
            ),
            "listener.name.oauth.sasl.oauthbearer.jwks.endpoint.url": self.tokens.keys.as_uri(),
            "listener.name.oauth.sasl.oauthbearer.expected.audience": "kafka",
            "listener.name.oauth.sasl.oauthbearer.expected.issuer": "labkit",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "num.partitions": 4,
            "num.network.threads": 1,
            "num.io.threads": 4,
            "log.cleaner.dedupe.buffer.size": 4 << 20,
            # After a kill it is let in again only when it has been missed for this long.
            "broker.session.timeout.ms": 2000,
            "broker.heartbeat.interval.ms": 500,
            # One machine, and no waiting for others.
            "offsets.topic.num.partitions": 1,
            "offsets.topic.replication.factor": 1,
            "transaction.state.log.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500,
            "share.coordinator.state.topic.num.partitions": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            # A consumer that died is missed soon.
            "group.min.session.timeout.ms": 1000,
            "group.consumer.session.timeout.ms": 6000,
            "group.consumer.min.session.timeout.ms": 1000,
            "group.consumer.heartbeat.interval.ms": 500,
            "group.consumer.min.heartbeat.interval.ms": 500,
        }
        for listener in ("sasl_plaintext", "sasl_ssl"):
            prefix = f"listener.name.{listener}"
            settings[f"{prefix}.sasl.enabled.mechanisms"] = "SCRAM-SHA-512"
            settings[f"{prefix}.scram-sha-512.sasl.jaas.config"] = scram
        return settings

    def _make_certificate(self):
        new = ("req", "-x509", "-nodes", "-days", "7", "-newkey", "rsa:2048")
        authority, key, certificate = (self.folder / name for name in ("ca.key", "key", "cert"))
        names = "subjectAltName=IP:127.0.0.1,DNS:localhost"
        _openssl(*new, "-subj", "/CN=labkit tests", "-keyout", authority, "-out", self.ca)
        _openssl(
            *(*new, "-subj", "/CN=localhost", "-keyout", key, "-out", certificate),
            *("-addext", names, "-addext", "basicConstraints=critical,CA:FALSE"),
            *("-CA", self.ca, "-CAkey", authority),
        )
        together = key.read_text() + certificate.read_text()
        (self.folder / "server.pem").write_text(together)


class Tokens:
    """Gives out signed tokens over HTTP to those who know the password, as an identity server does.

    `lifetime` is for how many seconds a token is good. `given` counts them.
    """

    def __init__(self, folder: Path):
        self.key, self.keys = folder / "tokens.key", folder / "tokens.json"
        self.lifetime, self.given = 3600, 0
        _openssl("genrsa", "-out", self.key, "2048")
        modulus = _openssl("rsa", "-in", self.key, "-noout", "-modulus").decode().split("=")[1]
        key = {"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig", "e": "AQAB"}
        key["n"] = _base64(bytes.fromhex(modulus.strip()))
        self.keys.write_text(json.dumps({"keys": [key]}))

        tokens = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                known = self.headers.get("Authorization") == tokens.login
                self.send_response(200 if known else 401)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                answer = tokens.new() if known else {"error": "invalid_client"}
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_):
                pass

        self.login = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}/token"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def new(self):
        now = int(time.time())
        header = {"alg": "RS256", "typ": "JWT", "kid": "1"}
        claims = {"iss": "labkit", "sub": USER, "aud": "kafka", "iat": now}
        claims["exp"] = now + self.lifetime
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        signature = _openssl("dgst", "-sha256", "-sign", self.key, input=signed.encode())
        self.given += 1
        token = f"{signed}.{_base64(signature)}"
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime}


def _bring_jars():
    JARS.parent.mkdir(exist_ok=True)
    # Renamed once they are all there: whoever finds the folder finds it whole.
    with tempfile.TemporaryDirectory(dir=JARS.parent) as temporary:
        jars = Path(temporary) / "jars"
        command = ["mvn", "-q", "-B", "-f", POM, "dependency:copy-dependencies"]
        done = subprocess.run(
            [*command, f"-DoutputDirectory={jars}"], capture_output=True, text=True
        )
        if done.returncode:
            pytest.fail("Maven does not bring Kafka. It says:\n" + done.stdout[-2000:])
        try:
            jars.rename(JARS)
        except OSError:
            if not JARS.exists():  # otherwise another run was sooner
                raise


def _openssl(*arguments, input=None):
    command = ["openssl", *(str(word) for word in arguments)]
    return subprocess.run(command, input=input, check=True, capture_output=True).stdout


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")

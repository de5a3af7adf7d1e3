"""How much one server takes on: a mistake or an attack costs a message, and not the server."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The bounds of a server. Over one of them the answer is a sentence, and never a hang."""

    body: int = 8 << 20
    """Bytes of one request: 413."""
    bodies: int = 64 << 20
    """Bytes of all requests that are under way: 429."""
    examples: int = 1024
    """Examples in one request: 422."""
    waiting: int = 4096
    """Examples that wait for one model: 429."""
    batch: int = 64
    """Examples that the model looks at in one go."""
    seconds: float = 10
    """To send a body: 408; and then until the answer: 503."""
    connections: int = 512
    """That are open without a request; of more the quietest is closed."""

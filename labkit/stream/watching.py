"""A wall of the newest pictures of a topic, with what was said of them."""

import base64
import contextlib
import html
import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labkit import settings
from labkit.data.files import decode, printable, quiet_pillow
from labkit.errors import StoreError, StreamError
from labkit.stream import loop
from labkit.stream.connection import Connection, check_topic, connect, plainly
from labkit.stream.message import MOST_PIXELS, Broken, headers_of, unpack
from labkit.widgets.panel import Panel, status

_SIDE = 96  # pixels of a picture on the wall
_MOST = 200  # pictures
_COLUMNS = 6  # of the table that stands for the wall elsewhere
_PAUSE = 0.5  # seconds between two drawings of the wall, at least
_LOOK = 10  # seconds between two looks for partitions, and for a Kafka that says nothing
_WAIT = 10  # seconds in which a wall that stands still has to be read
# One committed alone takes two offsets, and fewer partitions may hold the answers.
_ANSWERS_A_PICTURE = 10
_log = logging.getLogger("labkit.stream")
_STYLE = """<style>
.labkit-wall { display: flex; flex-wrap: wrap; gap: 8px; margin: 8px 0; padding: 0;
  list-style: none; line-height: 1.3; }
.labkit-wall li { box-sizing: border-box; width: 114px; margin: 0; padding: 8px;
  border: 1px solid var(--jp-border-color1, #8888); border-radius: 4px; }
.labkit-wall li.dead { border: 2px solid #d55e00; padding: 7px; }
.labkit-wall img, .labkit-wall .none { display: flex; width: 96px; height: 96px; }
.labkit-wall .none { align-items: center; justify-content: center; border-radius: 4px;
  background: var(--jp-layout-color2, #8882); }
.labkit-wall img { outline: 1px solid #8884; }
.labkit-wall .text { margin-top: 4px; }
.labkit-wall .share { margin-bottom: 4px; background: var(--jp-layout-color2, #8882); }
.labkit-wall .share div { height: 4px; background: var(--jp-brand-color1, #0072b2); }
.labkit-wall .text { overflow-wrap: anywhere; color: var(--jp-content-font-color1, inherit); }
.labkit-wall .text span { font-size: 0.9em; }
</style>"""


def watch(
    topic: str = "pictures",
    answers: str = "answers",
    *,
    connection: Connection | None = None,
    size: int = 24,
    group: str = "classify",
    patience: float = 120,
    store: str | Path | None = None,
) -> "Watching":
    """A wall of the newest pictures with their answers, which goes on by itself in a notebook.

    It begins with what is in the topics, and shows what comes from then on, from a thread. It
    takes part in nobody's work. While a cell runs the wall goes on; the Stop button is heard
    when the cell has ended.

    Args:
        topic: the topic of pictures.
        answers: the topic of answers.
        connection: from :func:`~labkit.stream.connect`; ``None``: what that returns.
        size: how many pictures are on the wall, from 1 to 200.
        group: the consumer group that classifies, whose dead letters are shown.
        patience: seconds that Kafka may be away before this gives up.
        store: where large pictures are; ``None``: the setting LABKIT_STORE.

    Returns:
        What a notebook shows as the wall, with ``running`` and ``stop()``.

    Raises:
        StreamError: the topics cannot be read.

    Example:
        >>> wall = stream.watch("pictures")
        >>> wall
        Watching pictures. Pictures seen: 12. On the wall: 11 answered, 0 waiting, 1 dead letters.
        >>> wall.stop()
    """
    if not isinstance(size, int) or not 1 <= size <= _MOST:
        raise StreamError(f"size is {size!r}; give a whole number of pictures from 1 to {_MOST}.")
    wall = Wall(topic, answers, loop.dead_letters(topic, group), size, store)
    connection = connection or connect()
    back = {topic: size, answers: _ANSWERS_A_PICTURE * size, wall.dead_letters: size}
    return Watching(wall, Tail(connection, back, patience=patience))


def follow(
    answers: str = "answers",
    *,
    connection: Connection | None = None,
    patience: float = 120,
    stop: threading.Event | None = None,
) -> Iterator["Answer"]:
    """The answers as they come from now on, one after another, until ``stop`` is set.

    Raises:
        StreamError: the topic cannot be read, or Kafka is away for longer.
    """
    return _answers(Tail(connection or connect(), {answers: 0}, patience=patience), stop)


def _answers(tail, stop):
    try:
        while not (stop and stop.is_set()):
            for message in tail.step():
                if found := answer_of(message):
                    yield found
    finally:
        tail.close()


@dataclass(frozen=True)
class Answer:
    """What was said of a picture."""

    at: int
    """When, in milliseconds since 1970."""
    id: str
    name: str
    class_name: str
    probability: float | None
    """``None`` where the answer has none that can be."""
    model: str

    @property
    def percent(self) -> str:
        """``93 %``; nothing where there is no probability."""
        return "" if self.probability is None else f"{100 * self.probability:.0f} %"

    def __str__(self):
        return f"{self.id:32}  {self.class_name:12} {self.percent:>5}  {self.model}  {self.name}"


@dataclass(frozen=True)
class DeadLetter:
    """That a picture could not be used."""

    at: int
    why: str


@dataclass(frozen=True)
class Tile:
    """A picture on the wall."""

    at: int
    place: tuple[int, int]
    """Partition and offset."""
    name: str
    picture: str | None
    """Drawn anew, small, as an address of its bytes; ``None``: it is no picture."""


@dataclass
class Wall:
    """The newest pictures of a topic, and what was said of them.

    A picture that comes again, with the same id, is moved to the front.
    """

    topic: str = "pictures"
    answers: str = "answers"
    dead_letters: str = "pictures.classify.dead-letters"
    size: int = 24
    store: str | Path | None = None
    """Where large pictures are."""
    seen: int = 0
    """The pictures that have come, those among them that are not on the wall any more."""
    _tiles: dict[str, Tile] = field(default_factory=dict)
    # An answer has its picture's id. What is broken may have none; a dead letter says its place.
    _said: dict[str | tuple[int, int], Answer | DeadLetter] = field(default_factory=dict)

    def add(self, message) -> bool:
        """Look at a message of one of the three topics, of confluent-kafka's.

        Returns:
            Whether there is something to show.
        """
        if message.topic() == self.topic:
            self._add_picture(message)
            self.seen += 1
            return True
        if message.topic() == self.answers:
            said = answer_of(message)
            key = said and said.id
        else:
            said, key = _dead_letter(message)
        if key is None or (key in self._said and self._said[key].at > said.at):
            return False
        self._said[key] = said
        most = _ANSWERS_A_PICTURE * self.size
        if len(self._said) > 2 * most:  # seldom: sorting them takes a while
            for oldest in sorted(self._said, key=lambda key: self._said[key].at)[:-most]:
                del self._said[oldest]
        return True

    def shown(self) -> list[tuple[Tile, Answer | DeadLetter | None]]:
        """The pictures, the newest first, each with what was said of it."""
        # Copied in one go: it is asked from another thread than the one that adds.
        tiles = sorted([*self._tiles.items()], key=lambda pair: _age(pair[1]), reverse=True)
        return [(tile, self._said.get(tile.place) or self._said.get(id)) for id, tile in tiles]

    def summary(self) -> str:
        """How many there are, in a sentence."""
        shown = self.shown()
        if not shown:
            return f"No picture has come to {self.topic} yet."
        kinds = [type(said) for _, said in shown]
        waiting, answered, dead = map(kinds.count, (type(None), Answer, DeadLetter))
        wall = f"{answered} answered, {waiting} waiting, {dead} dead letters"
        return f"Pictures seen: {self.seen:,}. On the wall: {wall}."

    def html(self) -> str:
        """The wall as a list of tiles."""
        tiles = "".join(_tile(*pair) for pair in self.shown())
        return f'{_STYLE}<ul class="labkit-wall" role="list">{tiles}</ul>' if tiles else ""

    def table(self) -> str:
        """The wall where there are no styles: on GitHub, or in a page of nbconvert."""
        cells = [f"<td>{_cell(*pair)}</td>" for pair in self.shown()]
        rows = [cells[i : i + _COLUMNS] for i in range(0, len(cells), _COLUMNS)]
        body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
        return f"<table><tbody>{body}</tbody></table>" if body else ""

    def _add_picture(self, message):
        at, place = _when(message), (message.partition(), message.offset())
        full = len(self._tiles) >= self.size
        if full and (at, *place) < min(_age(tile) for tile in self._tiles.values()):
            return  # too old to be shown: nothing is unpacked
        name = _short(_headers(message).get("name", ""), 60)
        try:
            picture = unpack(message, store=self.store)
            tile = Tile(at, place, name or picture.id, _thumbnail(picture.raw))
            known = picture.id
        except (Broken, StoreError):
            known = "{}:{}".format(*place)  # not an id, which has no colon
            tile = Tile(at, place, name or f"message {place[1]} of partition {place[0]}", None)
        if known not in self._tiles or _age(self._tiles[known]) < _age(tile):
            self._tiles[known] = tile
        if len(self._tiles) > self.size:
            del self._tiles[min(self._tiles, key=lambda id: _age(self._tiles[id]))]


class Tail:
    """The newest messages of some topics, and those that come. No group is touched.

    Args:
        connection: see there.
        back: for each topic how many offsets before its end to begin at, in each partition.
        patience: seconds in which Kafka may be away.

    Raises:
        StreamError: a topic cannot be called that, or Kafka does not answer.
    """

    def __init__(self, connection: Connection, back: dict[str, int], *, patience: float = 120):
        for topic in back:
            check_topic(topic)
        self.connection, self.back, self.patience = connection, back, patience
        self.away_since = None
        self.reached: dict[tuple[str, int], int] = {}
        """By topic and partition, the offset of what is read next."""
        self._begun = False
        self._look_at = 0.0
        options = {"enable_partition_eof": True, "reconnect_backoff_max_ms": 1000}
        self._consumer = connection.consumer(None, error_cb=self._hear, **options)
        with plainly(f"{connection!r} does not let {', '.join(back)} be read"):
            self._look(timeout=10)

    def step(self) -> list:
        """The messages that have come, for which it waits a little.

        Raises:
            StreamError: Kafka is away for too long, or does not allow this.
        """
        from confluent_kafka import KafkaException

        if time.monotonic() > self._look_at:
            try:
                self._look(timeout=1)
            except KafkaException:
                self._hear_away()
        if self.away_since and time.monotonic() - self.away_since > self.patience:
            raise StreamError(
                f"{self.connection!r} has been away for {self.patience:.0f} s. Check that Kafka "
                "runs; then call the same again."
            )
        first = self._consumer.poll(0.2)
        found = [] if first is None else [first, *self._consumer.consume(15, 0.002)]
        return [message for message in found if self._is_news(message)]

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()

    def _is_news(self, message):
        """Whether it is a message and no note about a partition."""
        error, at = message.error(), (message.topic(), message.partition())
        if error is None or error.name() == "_PARTITION_EOF":
            self.reached[at] = message.offset() + (error is None)
        elif error.name() == "TOPIC_AUTHORIZATION_FAILED":
            raise _not_allowed(self.connection, message.topic())
        elif error.name() == "UNKNOWN_TOPIC_OR_PART":  # deleted
            self._look_at = 0.0
        return error is None

    def _look(self, timeout):
        """Read what is not read yet: a topic may be made, and get more partitions, later on."""
        from confluent_kafka import TopicPartition

        missing, changed = False, False
        for topic, back in self.back.items():
            told = self._consumer.list_topics(topic, timeout=timeout).topics[topic]
            if told.error and told.error.name() == "TOPIC_AUTHORIZATION_FAILED":
                raise _not_allowed(self.connection, topic)
            missing = missing or not told.partitions
            gone = [at for at in self.reached if at[0] == topic and at[1] not in told.partitions]
            for at in gone:  # the topic was deleted, and may be made again
                del self.reached[at]
            changed = changed or bool(gone)
            for number in told.partitions:
                if (topic, number) in self.reached:
                    continue
                at = TopicPartition(topic, number)
                low, end = self._consumer.get_watermark_offsets(at, timeout)
                # What was made since the first look is new from its beginning.
                self.reached[topic, number] = low if self._begun else max(low, end - back)
                changed = True
        if changed:
            self._consumer.assign(
                [TopicPartition(*at, offset) for at, offset in self.reached.items()]
            )
        self._begun, self.away_since = True, None
        self._look_at = time.monotonic() + (1 if missing else _LOOK)

    def _hear(self, error):
        if error.name() == "_ALL_BROKERS_DOWN":
            self._hear_away()

    def _hear_away(self):
        if self.away_since is None:
            self.away_since = time.monotonic()
            _log.warning("Kafka is away", extra={"at": self.connection.bootstrap})
        self._look_at = time.monotonic() + 1


class Watching:
    """A wall that a thread keeps up to date, until it is stopped.

    Args:
        wall: what it keeps up to date.
        tail: where the messages come from.
    """

    def __init__(self, wall: Wall, tail: Tail):
        self.wall, self._tail = wall, tail
        self._stop = threading.Event()
        self._ended = ""
        self._view = None
        self._shown_at, self._stale = 0.0, True
        # A daemon: it does not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="labkit-watch", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    @property
    def said(self) -> str:
        """How it stands, as the status line says it."""
        if self._ended:
            return f"{self._ended} {self.wall.summary()}"
        if self._tail.away_since:
            return (
                f"{self._tail.connection!r} does not answer. The wall goes on when it is back, if "
                f"that is within {self._tail.patience:.0f} s."
            )
        return self.wall.summary()

    def stop(self) -> None:
        """End it. What was shown stays. A second call does nothing."""
        self._stop.set()
        self._thread.join(_WAIT)

    def __repr__(self):
        return f"{'Watching' if self.running else 'Watched'} {self.wall.topic}. {self.said}"

    def _repr_mimebundle_(self, **options):
        headless = settings.read().headless
        if headless:
            self._catch_up()
        elif self._view is None:
            self._view = _View(self._stop.set)
            self._show()
        view = None if headless else self._view.whole
        return Panel(view, self._picture, "A wall of pictures")._repr_mimebundle_(**options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _picture(self):
        return f"<p>{html.escape(repr(self))}</p>{self.wall.table()}"

    def _run(self):
        ended = "Stopped. To go on, run the cell again."
        try:
            while not self._stop.is_set():
                messages, before = self._tail.step(), self.said
                if messages:
                    with quiet_pillow():
                        news = [self.wall.add(message) for message in messages]
                    self._stale = self._stale or any(news)
                self._stale = self._stale or self.said != before
                if self._stale and time.monotonic() - self._shown_at > _PAUSE:
                    self._show()
        except StreamError as error:
            ended = str(error)
        except Exception as error:  # a thread has no cell to raise in
            ended = f"It stopped by itself ({error}). To go on, run the cell again."
        finally:
            with contextlib.suppress(Exception):
                self._tail.close()
            self._ended = ended
            self._show()

    def _show(self):
        """The view as things stand, if there is one."""
        self._stale, self._shown_at = False, time.monotonic()
        if self._view is not None:
            self._view.show(self.wall.html(), self.said)

    def _catch_up(self):
        """Wait until all is read that is in the topics now: a picture that stands still has it."""
        end = time.monotonic() + _WAIT
        with contextlib.suppress(StreamError):
            for topic in self._tail.back:
                for number, (_, high) in self._tail.connection.ends(topic).items():
                    while self._tail.reached.get((topic, number), -1) < high:
                        if not self.running or time.monotonic() > end:
                            return
                        time.sleep(0.02)


class _View:
    """The button, the status line and the tiles."""

    def __init__(self, stop):
        import ipywidgets as w

        # Never disabled: a button that is loses the keyboard's focus.
        button = w.Button(
            description="Stop", icon="stop", layout=w.Layout(flex="none", width="auto")
        )
        button.on_click(lambda _: stop())
        self.said, self.tiles = w.HTML(), w.HTML()
        top = w.HBox([button, self.said], layout=w.Layout(align_items="center"))
        self.whole = w.VBox([top, self.tiles])

    def show(self, tiles, said):
        """What is new of it."""
        if self.tiles.value != tiles:
            self.tiles.value = tiles
        if self.said.value != status(said):
            self.said.value = status(said)


def answer_of(message) -> Answer | None:
    """The answer in a message of confluent-kafka's; ``None``: it is none."""
    try:
        value = json.loads(message.value() or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("class"), str):
        return None
    key = (message.key() or b"").decode(errors="replace")
    share = value.get("probability")
    is_share = isinstance(share, int | float) and 0 <= share <= 1  # NaN is not
    texts = {name: value.get(name) for name in ("id", "name", "model")}
    texts = {name: text if isinstance(text, str) else "" for name, text in texts.items()}
    return Answer(
        at=_when(message),
        id=_short(texts["id"] or key, 64),
        name=_short(texts["name"], 60),
        class_name=_short(value["class"], 40),
        probability=float(share) if is_share else None,
        model=_short(texts["model"], 80),
    )


def _dead_letter(message):
    """Why a message is a dead letter, and the place that it had; twice ``None``: it is none."""
    headers = _headers(message)
    try:
        place = tuple(int(headers[f"{loop.PREFIX}{key}"]) for key in ("partition", "offset"))
    except (KeyError, ValueError):
        return None, None
    why = headers.get(f"{loop.PREFIX}detail") or headers.get(f"{loop.PREFIX}reason", "")
    return DeadLetter(_when(message), _short(why, 200)), place


def _headers(message):
    try:
        return headers_of(message)
    except ValueError:
        return {}


def _thumbnail(raw):
    """A picture drawn anew, small, as an address; no byte of what came is in it."""
    from PIL import Image

    file = io.BytesIO()
    try:
        Image.fromarray(decode(raw, _SIDE, MOST_PIXELS)).save(file, "JPEG", quality=85)
    except ValueError:
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _tile(tile, said):
    dead = ' class="dead"' if isinstance(said, DeadLetter) else ""
    bar = ""
    if isinstance(said, Answer) and said.probability is not None:
        bar = f'<div class="share"><div style="width: {100 * said.probability:.0f}%"></div></div>'
    alt = html.escape(_alt(tile, said))
    picture = (
        # Decoded at once: all tiles are exchanged when one changes, and would flicker.
        f'<img alt="{alt}" src="{tile.picture}" width="{_SIDE}" height="{_SIDE}" decoding="sync">'
        if tile.picture
        else f'<div class="none" role="img" aria-label="{alt}"><em>no picture</em></div>'
    )
    # Readers of screens have the alt text, which says the same.
    return (
        f'<li{dead}>{picture}<div class="text" aria-hidden="true">{bar}{_words(said)}<br>'
        f"<span>{html.escape(tile.name)}</span></div></li>"
    )


def _cell(tile, said):
    alt = html.escape(_alt(tile, said))
    picture = (
        f'<img alt="{alt}" src="{tile.picture}" width="{_SIDE}" height="{_SIDE}">'
        if tile.picture
        else "<em>no picture</em>"
    )
    return f"{picture}<br>{_words(said)}<br>{html.escape(tile.name)}"


def _words(said):
    """What was said, as HTML."""
    if said is None:
        return "<em>waiting</em>"
    if isinstance(said, DeadLetter):
        return f"<b>dead letter</b>: {html.escape(said.why)}"
    return f"<b>{html.escape(said.class_name)}</b> {said.percent}"


def _alt(tile, said):
    """All of a tile in words.

    Example:
        >>> _alt(tile, said)
        'my_cat.jpg: cat, 93 %'
    """
    words = [] if tile.picture else ["no picture"]
    if said is None:
        words.append("waiting")
    elif isinstance(said, DeadLetter):
        words += ["dead letter", said.why]
    else:
        words += [said.class_name, *([said.percent] if said.percent else [])]
    return f"{tile.name}: {', '.join(words)}"


def _when(message):
    """When it was sent, in milliseconds since 1970; who sends may claim anything."""
    now, at = int(1000 * time.time()), message.timestamp()[1]
    return at if 0 < at <= now else now


def _age(tile):
    return tile.at, *tile.place


def _short(text, most):
    text = printable(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _not_allowed(connection, topic):
    return StreamError(
        f"{connection!r} does not let you read {topic}. Ask whoever runs it for the right to do so."
    )

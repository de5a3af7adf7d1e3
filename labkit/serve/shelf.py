"""The models that a server serves, and their new versions as they come."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from labkit import machine, store
from labkit.errors import LabError, ServeError
from labkit.serve.limits import Limits
from labkit.serve.measures import Measures
from labkit.serve.served import Served

_KEPT = 2  # the version before the newest answers whoever asked for it by number
_log = logging.getLogger("labkit.serve")


@dataclass
class Entry:
    """A name that is served."""

    name: str
    pinned: str | None
    """The one version that was asked for; ``None``: the newest, whichever that is."""
    versions: dict[int, Served] = field(default_factory=dict)
    problem: str = ""
    """Why it cannot be loaded, or a newer version not."""

    @property
    def current(self) -> Served | None:
        """The version that answers; ``None`` when none could be loaded."""
        return self.versions[max(self.versions)] if self.versions else None


class Shelf:
    """The models of a store that are served under their names.

    Args:
        wanted: names, or with a number, such as "mnist-cnn/3".
        url: the store.
        limits: of each model.
        measures: what Prometheus is told.

    Raises:
        ServeError: a name is there twice.
    """

    def __init__(
        self, wanted: list[str], url: str | Path | None, limits: Limits, measures: Measures
    ):
        self._url, self.limits, self._measures = url, limits, measures
        self._executor = ThreadPoolExecutor(machine.cores(), "labkit-model")
        self.entries: dict[str, Entry] = {}
        for one in wanted:
            name, _, number = one.partition("/")
            if name in self.entries:
                raise ServeError(f"{name} is there twice. Name each model once.")
            pinned = None if number in ("", "latest") else number
            self.entries[name] = Entry(name, pinned)
        for entry in self.entries.values():
            self.refresh(entry)

    def get(self, name: str, number: str | None = None) -> Served:
        """What answers for a name.

        Raises:
            ServeError: there is no such model or version (404), or it could not be loaded (503).
        """
        entry = self.entry(name)
        if entry.current is None:
            raise ServeError(f"The model {name} is not ready: {entry.problem}", 503)
        if number is None:
            return entry.current
        found = entry.versions.get(int(number)) if number.isdecimal() and len(number) < 10 else None
        if found is None:
            there = ", ".join(map(str, sorted(entry.versions)))
            raise ServeError(
                f"Version {number!r} of {name} is not served; those are: {there}.", 404
            )
        return found

    def entry(self, name: str) -> Entry:
        """A name's entry.

        Raises:
            ServeError: there is none (404).
        """
        if name not in self.entries:
            there = ", ".join(self.entries)
            raise ServeError(f"There is no model {name!r}; the models here: {there}.", 404)
        return self.entries[name]

    async def watch(self, seconds: float):
        """Look for new versions, for ever."""
        while True:
            await asyncio.sleep(seconds)
            for entry in self.entries.values():
                await asyncio.to_thread(self.refresh, entry)

    def refresh(self, entry: Entry) -> None:
        """Load the version that should be served, unless it is loaded. What fails is noted."""
        if entry.pinned and entry.versions:
            return
        try:
            version = store.find(f"{entry.name}/{entry.pinned or 'latest'}", url=self._url)
            if version.number not in entry.versions:
                served = Served(version, self._executor, self.limits, self._seen(entry.name))
                newest = {**entry.versions, version.number: served}
                # In one step: requests under way keep the version that they have begun with.
                entry.versions = {n: newest[n] for n in sorted(newest)[-_KEPT:]}
                self._measures.version.labels(entry.name).set(max(entry.versions))
                _log.info("loaded", extra={"model": entry.name, "version": version.number})
            entry.problem = ""
        except Exception as error:  # whatever it is: the others are to be served, and go on
            why = str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
            if why != entry.problem:
                entry.problem = why
                unforeseen = not isinstance(error, LabError)
                extra = {"model": entry.name, "why": why}
                _log.error("not loaded", exc_info=unforeseen, extra=extra)

    def close(self) -> None:
        """Let the threads end."""
        self._executor.shutdown(cancel_futures=True)

    def _seen(self, name):
        return self._measures.batch.labels(name).observe

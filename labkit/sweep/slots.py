"""Who trains what: a study as a row of slots, each of which is filled once.

Every trial carries the number of its slot. Slots are created as waiting trials, and a
worker takes one by changing it from waiting to running, which only one worker can. So a
study has exactly as many results as it has slots, however many workers there are. A trial
whose worker died is *lost*: it is marked as failed, and its slot gets a new trial with
the same parameters. When two processes do that at the same time, the slot has two trials;
the later one is given up by whoever takes it.
"""

import contextlib
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from labkit.sweep.storage import GRACE, patiently

ATTEMPTS = 3  # a slot whose workers die every time is given up: out of memory, most likely


@dataclass(frozen=True)
class Counts:
    """How a study stands, in slots."""

    slots: int
    complete: int
    pruned: int
    failed: int
    running: int

    @property
    def done(self) -> int:
        return self.complete + self.pruned + self.failed

    @property
    def left(self) -> int:
        """Those without a result, running or not."""
        return self.slots - self.done


def results(study) -> list:
    """The trial that counts in each slot that has one: finished, running or waiting."""
    chosen = {}
    for trial in study.get_trials(deepcopy=False):
        slot = trial.user_attrs.get("slot")
        if slot is not None and not _is_lost(trial):
            chosen.setdefault(slot, trial)
    return [chosen[slot] for slot in sorted(chosen)]


def count(study) -> Counts:
    """How many slots are in which state."""
    states = [trial.state.name for trial in results(study)]
    return Counts(
        slots=study.user_attrs["trials"],
        complete=states.count("COMPLETE"),
        pruned=states.count("PRUNED"),
        failed=states.count("FAIL"),
        running=states.count("RUNNING"),
    )


def fill(study) -> None:
    """Give each slot of an Optuna study a trial, unless it has one that is not lost."""
    lost, kept = {}, set()
    for trial in study.get_trials(deepcopy=False):
        slot = trial.user_attrs.get("slot")
        if _is_lost(trial):
            lost.setdefault(slot, []).append(trial)
        else:
            kept.add(slot)
    rows = study.user_attrs.get("grid")
    for slot in range(study.user_attrs["trials"]):
        if slot not in kept:
            params = dict(rows[slot]) if rows else {}
            for trial in lost.get(slot, ()):
                params |= trial.system_attrs.get("fixed_params", {}) | trial.params
            attempt = len(lost.get(slot, ())) + 1
            study.enqueue_trial(params, user_attrs={"slot": slot, "attempt": attempt})


def take(study, announce: Callable, sampler: Callable):
    """A waiting trial, now running and ours, or ``None`` when none waits.

    Args:
        study: an Optuna study.
        announce: called with the id of a trial and "?" before it is tried to take it, with
            the id and "" afterwards.
        sampler: makes Optuna's sampler for a slot.
    """
    import optuna
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    storage, study_id = study._storage, study._study_id
    for waiting in storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.WAITING,)):
        slot, trial_id = waiting.user_attrs.get("slot"), waiting._trial_id
        if slot is None:
            continue
        announce(trial_id, "?")
        try:
            if not storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                continue
        except UpdateFinishedTrialError:
            continue
        announce(trial_id, "")
        # It is ours: a database that goes away now must not make us forget that.
        if patiently(partial(_is_first, study, waiting)):
            study.sampler = sampler(slot)
            # As Study.ask does: without it the sampler would know of no other trial.
            study._thread_local.cached_all_trials = None
            return patiently(partial(optuna.trial.Trial, study, trial_id))
        patiently(partial(lose, study, trial_id, "another trial has its slot"))
    return None


def _is_first(study, trial):
    """Whether no earlier trial has its slot."""
    return not any(
        other.user_attrs.get("slot") == trial.user_attrs["slot"]
        and other.number < trial.number
        and not _is_lost(other)
        for other in study.get_trials(deepcopy=False)
    )


def tell(study, trial_id: int, state, value: float | None) -> None:
    """Finish a running trial, unless that was done before: lost, or told twice."""
    from optuna.exceptions import UpdateFinishedTrialError

    with contextlib.suppress(UpdateFinishedTrialError):
        study._storage.set_trial_state_values(trial_id, state, None if value is None else [value])


def lose(study, trial_id: int, reason: str) -> None:
    """Mark a running trial as lost, unless it was finished in the meantime.

    After too many attempts at its slot it has failed for good instead.
    """
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    storage = study._storage
    again = storage.get_trial(trial_id).user_attrs.get("attempt", 1) < ATTEMPTS
    with contextlib.suppress(UpdateFinishedTrialError):
        storage.set_trial_user_attr(trial_id, "lost" if again else "reason", reason)
        storage.set_trial_state_values(trial_id, TrialState.FAIL)


def stale(study) -> list:
    """The running trials of a database whose workers have been silent for too long."""
    from optuna.trial import TrialState

    silent = set(study._storage._get_stale_trial_ids(study._study_id))
    return [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if trial._trial_id in silent
        # Taken, but its worker died before the first heartbeat. Clocks may differ a little.
        or (not trial.params and trial.datetime_start and _age(trial.datetime_start) > 2 * GRACE)
    ]


def _age(moment) -> float:
    return (datetime.datetime.now(moment.tzinfo) - moment).total_seconds()


def _is_lost(trial) -> bool:
    return "lost" in trial.user_attrs and trial.state.is_finished()

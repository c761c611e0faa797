"""Step inputs."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from taskrunner.engines.messages import (
    FailedResult,
    GatheredResults,
    ImmovableResult,
    MissingResult,
    Placeholder,
    Step,
)
from taskrunner.errors import TaskrunnerError
from taskrunner.nodes.binding import MISSING, bind


class SkippedError(TaskrunnerError):
    """A step's guard is falsy."""


class FailedDependencyError(TaskrunnerError):
    """A result that was there once is not there any more, or cannot come here."""


def check_whole(value: Any) -> None:
    """Refuse a result that is none.

    Raises:
        NeedsBrokenError: it was lost, and its node failed when it ran again; or it could not be moved.

    """
    if type(value) is ImmovableResult:
        raise FailedDependencyError(f"a result cannot be moved: {value.message}")
    if type(value) is FailedResult:
        raise FailedDependencyError(f'needs "{value.node}", which failed when it was run again: {value.message}')


class StepInputs:
    """What a step is given: the results that came with its work, and that of the step before."""

    def __init__(self, results: Sequence[Any]) -> None:
        self.results = results
        self.previous: Any = None

    def unpack(self, value: Any) -> Any:
        """Return a value with the results in the places of its slots.

        Raises:
            NeedsBrokenError: one of them was lost, and its node failed when it ran again.

        """
        if type(value) is Placeholder:
            value = self.previous if value.number < 0 else self.results[value.number]
            check_whole(value)
            return value
        if type(value) is GatheredResults:
            parts = [self.unpack(part) for part in value.parts]
            return [None if part is MISSING else part for part in parts]
        return MISSING if type(value) is MissingResult else value

    def result_of(self, step: Step) -> Callable[[str], Any]:
        """Return what gives a node's result, for the templates of a step."""
        return functools.cache(lambda node: self.unpack(step.inputs[node]))


def check_condition(step: Step, given: StepInputs) -> None:
    """Look at a step's guard.

    Raises:
        SkippedError: it is falsy.
        BindingError: its reference leads nowhere.

    """
    if step.has_condition and not bind(step.templates.condition, given.result_of(step)):
        raise SkippedError("its guard is falsy")


def bind_step(step: Step, given: StepInputs) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a step's call.

    Raises:
        BindingError: a reference leads nowhere.

    """
    if step.is_flat:
        return [given.unpack(value) for value in step.args], {}
    args = [bind(template, given.result_of(step), given.unpack(step.item)) for template in step.args]
    return args, bind(step.templates.kwargs, given.result_of(step), given.unpack(step.item)) or {}

"""Inputs of a step: placeholders and templates are replaced by the results that were sent with the work item."""

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
    """The condition of a step is falsy."""


class FailedDependencyError(TaskrunnerError):
    """A result was lost and could not be recomputed, or could not be moved to its consumer."""


class StepInputs:
    """Results that were sent with a work item, and the result of the previous step."""

    def __init__(self, results: Sequence[Any]) -> None:
        self.results = results
        self.previous: Any = None

    def unpack(self, value: Any) -> Any:
        """Replace the placeholders in a value by results.

        Raises:
            FailedDependencyError: a result was lost, and its node failed on the rerun; or it could not be moved.

        """
        if type(value) is Placeholder:
            value = self.previous if value.number < 0 else self.results[value.number]
            check_result(value)
            return value
        if type(value) is GatheredResults:
            parts = [self.unpack(part) for part in value.parts]
            return [None if part is MISSING else part for part in parts]
        return MISSING if type(value) is MissingResult else value

    def result_of(self, step: Step) -> Callable[[str], Any]:
        """Return a cached function from a node id to its result, for the templates of a step."""
        return functools.cache(lambda node: self.unpack(step.inputs[node]))


def check_result(value: Any) -> None:
    """Reject a value that substitutes for an unavailable result.

    Raises:
        FailedDependencyError: the result was lost, and its node failed on the rerun; or it could not be moved.

    """
    if type(value) is ImmovableResult:
        raise FailedDependencyError(f"a result cannot be moved: {value.message}")
    if type(value) is FailedResult:
        raise FailedDependencyError(f'needs "{value.node}", which failed when it ran again: {value.message}')


def check_condition(step: Step, inputs: StepInputs) -> None:
    """Evaluate the condition of a step.

    Raises:
        SkippedError: it is falsy.
        BindingError: its reference cannot be resolved.

    """
    if step.has_condition and not bind(step.templates.condition, inputs.result_of(step)):
        raise SkippedError("its condition is falsy")


def bind_step(step: Step, inputs: StepInputs) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and keyword arguments for the call of a step.

    Raises:
        BindingError: a reference cannot be resolved.

    """
    if step.is_flat:
        return [inputs.unpack(value) for value in step.args], {}
    args = [bind(template, inputs.result_of(step), inputs.unpack(step.item)) for template in step.args]
    return args, bind(step.templates.kwargs, inputs.result_of(step), inputs.unpack(step.item)) or {}

"""The context of a step in a process of a cluster: the engine's variables, and none of what ran before (case 13)."""

import uuid
from contextvars import Context

import nodes
import pytest

from taskrunner.engines.messages import Step, WorkItem
from taskrunner.engines.worker.async_steps import start_item
from taskrunner.engines.worker.steps import run_item
from taskrunner.engines.worker.worker_run import drop_run
from taskrunner.plan.task import ASYNC, CALL

NEW = ["default", 28, "0.3333333333333333333333333333"]


@pytest.fixture
def run(tmp_path):
    """Return what runs steps one after the other, in the context of this thread, and returns the last result."""
    name = str(uuid.uuid4())

    def run(function, *, is_async=False, **options):
        kind = ASYNC if is_async else CALL
        steps = [Step(f"n{number}", kind, call=function, is_flat=True, **options) for number in range(3)]
        if is_async:
            for step in steps:
                item = WorkItem(name, "key", (step,))
                value = start_item(item, [], "here", lambda _: None, tmp_path, run.new_context).result(30)
            return value
        return run_item(WorkItem(name, "key", tuple(steps)), [], "here", lambda _: None, run.new_context)

    run.new_context = Context
    yield run
    drop_run(name)


STEPS = {
    "call": (nodes.change_context, {}),
    "timed": (nodes.change_context, {"timeout": 60.0}),
    "async": (nodes.change_context_async, {"is_async": True}),
    "executor": (nodes.change_context_in_executor, {"is_async": True}),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_sees_nothing_of_its_thread_nor_of_another_step(name, run):
    function, options = STEPS[name]

    def call():
        nodes.change_context()  # such as code that has unpickled something on this thread
        return run(function, **options), nodes.change_context()

    assert Context().run(call) == (NEW, ["changed", 5, "0.33333"])


@pytest.mark.parametrize("name", STEPS)
def test_a_step_sees_the_variables_of_the_engine(name, run):
    function, options = STEPS[name]
    engine = Context()
    engine.run(nodes.VARIABLE.set, "engine")
    run.new_context = engine.copy
    assert run(function, **options) == ["engine", *NEW[1:]]

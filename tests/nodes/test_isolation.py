"""Copies of the caller's context, one for each call."""

import contextvars
import decimal
import importlib
import threading
import types
from contextvars import Context, ContextVar

import pytest

from taskrunner.nodes.context import LOOP_CONTEXT
from taskrunner.nodes.isolation import context_factory

VARIABLE = ContextVar("variable", default=0)


def context_of(*calls):
    context = Context()
    for function, *arguments in calls:
        context.run(function, *arguments)
    return context


def test_a_copy_has_the_variables_of_the_caller_and_changes_neither_it_nor_another_copy():
    caller = context_of((VARIABLE.set, 1))
    new_context = context_factory(caller)
    first, second = new_context(), new_context()
    first.run(VARIABLE.set, 2)
    assert [context.run(VARIABLE.get) for context in (caller, first, second, new_context())] == [1, 2, 1, 1]


def test_the_copy_of_a_caller_without_decimal_costs_one_call_of_a_method_in_c():
    caller = context_of((VARIABLE.set, 1))
    assert isinstance(context_factory(caller), types.BuiltinMethodType)


def test_the_node_of_the_caller_is_no_node_of_its_run():
    caller = context_of((LOOP_CONTEXT.set, "outer"))
    assert context_factory(caller)().run(LOOP_CONTEXT.get) is None
    assert caller.run(LOOP_CONTEXT.get) == "outer"


@pytest.mark.parametrize("name", ["decimal", "_pydecimal"])
def test_the_context_of_decimal_is_copied_too(name):
    module = importlib.import_module(name)

    def use():
        module.getcontext().prec = 7
        return module.getcontext()

    caller = Context()
    mine = caller.run(use)
    new_context = context_factory(caller)
    mine.prec = 8  # the caller goes on
    seen = [new_context().run(module.getcontext) for _ in range(3)]
    assert [context.prec for context in seen] == [7, 7, 7]
    assert len({id(context) for context in (mine, *seen)}) == 4


def test_flags_of_the_caller_are_not_those_of_a_call():
    def use(settings):
        with decimal.localcontext(**settings) as mine:
            _ = decimal.Decimal(1) / 3
            return mine, context_factory(contextvars.copy_context())().run(decimal.getcontext)

    plain = decimal.Context()
    traps = dict.fromkeys(plain.traps, False)
    for settings in ({}, {"prec": 7}, {"rounding": decimal.ROUND_UP}, {"traps": traps}):
        mine, seen = Context().run(use, settings)
        assert mine.flags[decimal.Inexact]
        assert not any(seen.flags.values())
        assert (seen.prec, seen.rounding, seen.traps) == (mine.prec, mine.rounding, mine.traps)


def test_a_caller_that_has_used_decimal_with_its_default_settings_costs_no_more():
    caller = context_of((VARIABLE.set, 1), (decimal.getcontext().divide, 1, 3), (decimal.getcontext,))
    new_context = context_factory(caller)
    assert isinstance(new_context, types.BuiltinMethodType)
    one, other = new_context(), new_context()
    assert one.run(decimal.getcontext) is not other.run(decimal.getcontext)
    assert (one.run(VARIABLE.get), one.run(decimal.getcontext).prec) == (1, 28)


def test_another_variable_with_that_name_is_not_copied():
    variable, value = ContextVar("decimal_context"), ["no context"]
    caller = context_of((variable.set, value))
    assert context_factory(caller)().run(variable.get) is value


def test_threads_copy_one_context_at_once():
    decimals = context_of((VARIABLE.set, 1), (decimal.getcontext,))
    new_context, seen, barrier = context_factory(decimals), [], threading.Barrier(4)

    def act(number):
        barrier.wait(30)
        for _ in range(200):
            context = new_context()
            before = context.run(VARIABLE.get), context.run(decimal.getcontext).prec
            context.run(VARIABLE.set, number)
            context.run(decimal.getcontext).prec = number
            seen.append(before)

    threads = [threading.Thread(target=act, args=(number,)) for number in range(2, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {(1, 28)}
    assert contextvars.copy_context().run(VARIABLE.get) == 0

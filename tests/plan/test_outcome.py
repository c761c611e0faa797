from taskrunner.plan.outcome import FailedCall, describe


class Silent(Exception):  # noqa: N818  it is about to be raised as it is
    def __str__(self):
        raise RuntimeError("no text")


class Hostile(Exception):  # noqa: N818  it is about to be raised as it is
    @property
    def __notes__(self):
        raise SystemExit(3)


def caught(error):
    try:
        raise error
    except BaseException as found:  # noqa: BLE001  any error may be described
        return found


def test_the_traceback_begins_at_the_users_frame():
    failure = describe(FailedCall("a", ("a",)), caught(ValueError("no")))
    assert failure.message == "ValueError: no"
    assert failure.traceback.splitlines()[0] == "Traceback (most recent call last):"
    assert "in caught" in failure.traceback.splitlines()[1]


def test_the_cause_of_an_error_is_kept():
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer") from inner
    except ValueError as error:
        text = describe(FailedCall("a", ("a",)), error).traceback
    assert "KeyError: 'inner'" in text
    assert "direct cause" in text


def test_every_error_of_a_group_is_kept():
    text = describe(FailedCall("a", ("a",)), caught(ExceptionGroup("two", [ValueError("x"), KeyError("y")]))).traceback
    assert "ValueError: x" in text
    assert "KeyError: 'y'" in text


def test_an_error_without_a_text_is_still_described():
    assert describe(FailedCall("a", ("a",)), caught(Silent())).message.startswith(f"{__name__}.Silent")


def test_an_error_whose_methods_raise_is_still_described():
    assert "Hostile" in describe(FailedCall("a", ("a",)), caught(Hostile())).message

import json

import pytest

from taskrunner.safe.secrets import MASK, Mask, looks_secret


@pytest.mark.parametrize(
    "name",
    [
        "token", "TOKEN", "GITHUB_TOKEN", "accessToken", "tokens", "token2", "authtoken", "x-token-y",
        "secret", "CLIENT_SECRET", "clientSecret", "secrets", "password", "DB_PASSWORD", "dbPassword", "mypassword",
        "passwd", "MYSQL_PASSWD", "api_key", "API_KEY", "apikey", "ApiKey", "API-KEY", "api.key", "OPENAI_API_KEYS",
        "credential", "credentials", "AWS_CREDENTIALS", "private_key", "PrivateKey", "AWS_SECRET_ACCESS_KEY",
        "access_key_id", "accessKey",
    ],
)  # fmt: skip
def test_a_name_that_looks_secret(name):
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    ["", "n", "PATH", "key", "keyboard", "tokenizer", "secretary", "pass", "PWD", "api", "monkey", "user", 3, None],
)
def test_a_name_that_does_not(name):
    assert not looks_secret(name)


@pytest.mark.parametrize(
    ("value", "text", "shown"),
    [
        ("hunter2", "curl -H hunter2 x", "curl -H *** x"),
        ("hunter2", "hunter2hunter2", "******"),
        (["hunter2", {"k": "other one"}], "hunter2, other one", "***, ***"),
        (b"hunter2", "b'hunter2'", "b'***'"),
        (12345678, "pin 12345678", "pin ***"),
        ("two\nlines", "two\nlines", "***"),
        ("two\nlines", repr("two\nlines"), "'***'"),
        ('say "x" é', json.dumps('say "x" é'), '"***"'),
        ('say "x" é', json.dumps('say "x" é', ensure_ascii=False), '"***"'),
        ("first line\nsecond line", "> second line\n> first line", "> ***\n> ***"),
        ("a\udcffbcd", "a\udcffbcd", "***"),
    ],
)  # fmt: skip
def test_a_secret_is_taken_out_of_a_text_in_each_form(value, text, shown):
    assert Mask([value])(text) == shown


@pytest.mark.parametrize(
    "value",
    ["", "abc", 12345, True, None, [], 10**5000],
    ids=lambda value: str(value)[:5] if not isinstance(value, int) else "",
)
def test_what_stands_in_too_many_texts_is_not_looked_for(value):
    assert Mask([value])("abc 12345 True None") == "abc 12345 True None"


def test_of_two_secrets_one_may_be_a_part_of_the_other():
    assert Mask(["hunter", "hunter2"])("hunter2 hunter") == f"{MASK} {MASK}"


def test_a_value_that_holds_itself_is_gone_through_once():
    value = ["hunter2"]
    value.append(value)
    assert Mask([value])("hunter2") == MASK

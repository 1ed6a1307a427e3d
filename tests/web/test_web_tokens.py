"""A token opens one media socket, once, for a short time."""

import pytest

from calls.clocks import LEEWAY_SECS
from desk.tokens import KEPT_SECS, LIFETIME_SECS, StreamGrant, StreamTokens, TokenError

GRANT = StreamGrant("c", "CA1", "call_1", "receptionist", None, "+14155550101")


class Clock:
    now = 1_763_712_000.0

    def __call__(self) -> float:
        return self.now


def test_a_token_says_for_which_call_it_is():
    tokens = StreamTokens("secret")
    assert tokens.redeem(tokens.issue(GRANT)) == GRANT


def test_another_machine_with_the_same_secret_understands_it():
    assert StreamTokens("secret").redeem(StreamTokens("secret").issue(GRANT)) == GRANT
    with pytest.raises(TokenError, match="STREAM_TOKEN_SECRET"):
        StreamTokens("other").redeem(StreamTokens("secret").issue(GRANT))


def test_without_a_secret_each_process_has_its_own():
    with pytest.raises(TokenError):
        StreamTokens().redeem(StreamTokens().issue(GRANT))


def test_a_token_works_once():
    tokens = StreamTokens()
    token = tokens.issue(GRANT)
    tokens.redeem(token)
    with pytest.raises(TokenError, match="used before"):
        tokens.redeem(token)
    assert tokens.redeem(tokens.issue(GRANT)) == GRANT  # another token of the same call, in the same second


def test_writing_a_token_differently_does_not_renew_it():
    tokens = StreamTokens()
    token = tokens.issue(GRANT)
    tokens.redeem(token)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for variant in [token[1:], f"{token}=", *(token[:-1] + char for char in alphabet)]:
        with pytest.raises(TokenError):
            tokens.redeem(variant)


def test_a_token_gets_old():
    clock = Clock()
    tokens = StreamTokens(clock=clock)
    young, old = tokens.issue(GRANT), tokens.issue(GRANT)
    clock.now += LIFETIME_SECS + 1
    assert tokens.redeem(young) == GRANT
    clock.now += LEEWAY_SECS
    with pytest.raises(TokenError, match=r"older than 300 s by the clock of this machine"):
        tokens.redeem(old)


@pytest.mark.parametrize("behind", [0.4, 1.0, 4.0])
def test_clocks_may_differ_a_little(behind):
    ahead, late = Clock(), Clock()
    late.now -= behind
    token = StreamTokens("secret", clock=ahead).issue(GRANT)
    assert StreamTokens("secret", clock=late).redeem(token) == GRANT


def test_clocks_that_differ_more_are_named():
    ahead, late = Clock(), Clock()
    late.now -= 30
    token = StreamTokens("secret", clock=ahead).issue(GRANT)
    with pytest.raises(TokenError, match=r"30 s in the future by the clock of this machine.*NTP"):
        StreamTokens("secret", clock=late).redeem(token)


def test_used_tokens_are_forgotten_when_they_are_too_old_anyway():
    clock = Clock()
    tokens = StreamTokens(clock=clock)
    for _ in range(5):
        tokens.redeem(tokens.issue(GRANT))
    clock.now += KEPT_SECS + 1
    tokens.redeem(tokens.issue(GRANT))
    assert len(tokens._used) == 1


def test_a_secret_that_was_there_before_is_still_understood():
    token = StreamTokens("first").issue(GRANT)
    assert StreamTokens("second", "first").redeem(token) == GRANT
    with pytest.raises(TokenError):
        StreamTokens("first").redeem(StreamTokens("second", "first").issue(GRANT))


@pytest.mark.parametrize("token", ["", "t", "nonsense", "t.a.b.c", "ü", "a" * 5000])
def test_nonsense_opens_nothing(token):
    with pytest.raises(TokenError):
        StreamTokens().redeem(token)


def test_a_token_is_safe_in_a_path():
    token = StreamTokens().issue(GRANT)
    assert token[0] == "t"  # many web servers hide what begins with a dot
    assert token.replace("-", "").replace("_", "").replace(".", "").isalnum()

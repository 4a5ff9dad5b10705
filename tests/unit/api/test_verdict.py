from dataclasses import dataclass, field
from pathlib import Path

import pytest

from forwarder.api.answer import Answer, Declined, Registered, Unanswered, meaning
from forwarder.api.credentials import Credentials
from forwarder.api.verdict import Accept, Bisect, Judge, Refuse, Retry, Tries, Verdict
from forwarder.outcome import Halt, HaltReason, LetterReason

MAX_ATTEMPTS = 10
MAX_RETRY_AGE = 3600.0


@dataclass
class Court:
    """A judge and its clock; one batch per user, so one record of tries each."""

    credentials: Credentials = field(default_factory=lambda: Credentials("a-key", None))
    now: float = 0.0
    tries: dict[str, Tries] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.judge = Judge(self.credentials, "the-address", MAX_ATTEMPTS, MAX_RETRY_AGE, lambda: self.now)

    def answer(self, user: str, what: int | Answer) -> Verdict:
        if user not in self.tries:
            self.tries[user] = self.judge.first_try()
        answer = self.said(what) if isinstance(what, int) else what
        return self.judge.judge(user, answer, self.tries[user])

    def said(self, status: int, retry_after: float | None = None) -> Answer:
        what = meaning(status)
        if what is None:
            return Registered(status)
        return Declined(status, what, retry_after, self.credentials.fingerprint)

    def halted(self, user: str, what: int | Answer) -> HaltReason:
        verdict = self.answer(user, what)
        assert isinstance(verdict, Halt), verdict
        return verdict.reason


@pytest.fixture
def court() -> Court:
    return Court()


def test_a_202_accepts(court: Court) -> None:
    assert court.answer("a", 202) == Accept()


@pytest.mark.parametrize("status", [400, 406, 409, 422, 451, 499])
def test_what_is_malformed_is_divided_until_one_event_is_rejected(court: Court, status: int) -> None:
    verdict = court.answer("a", status)
    assert isinstance(verdict, Bisect)
    assert (verdict.refusal.reason, verdict.refusal.status) == (LetterReason.REJECTED, str(status))


def test_what_is_too_large_is_divided_until_one_event_is_too_large(court: Court) -> None:
    verdict = court.answer("a", 413)
    assert isinstance(verdict, Bisect)
    assert (verdict.refusal.reason, verdict.refusal.status) == (LetterReason.TOO_LARGE, "413")


def test_a_refusal_says_how_many_attempts_there_were(court: Court) -> None:
    court.answer("a", 503)
    court.answer("a", 503)
    verdict = court.answer("a", 400)
    assert isinstance(verdict, Bisect)
    assert verdict.refusal.attempts == 3


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_is_transient_is_tried_again(court: Court, status: int) -> None:
    assert court.answer("a", status) == Retry(str(status))


@pytest.mark.parametrize("cause", ["refused", "reset", "timeout", "dns", "tls", "other"])
def test_no_answer_is_tried_again(court: Court, cause: str) -> None:
    assert court.answer("a", Unanswered(cause, ambiguous=True)) == Retry(cause)


@pytest.mark.parametrize("status", [429, 503, 403, 404])
def test_the_wait_that_an_answer_asks_for_is_passed_on(court: Court, status: int) -> None:
    assert court.answer("a", court.said(status, retry_after=30.0)) == Retry(str(status), 30.0)


def test_a_401_halts_at_once_and_names_the_refused_key(court: Court) -> None:
    verdict = court.answer("a", 401)
    assert isinstance(verdict, Halt)
    assert (verdict.reason, verdict.fingerprint) == (HaltReason.CREDENTIALS, court.credentials.fingerprint)
    assert "a-key" not in repr(verdict)


def test_a_401_halts_also_while_others_are_accepted(court: Court) -> None:
    court.answer("a", 202)
    assert court.halted("b", 401) is HaltReason.CREDENTIALS


def test_a_401_halts_also_while_a_user_is_under_suspicion(court: Court) -> None:
    court.answer("a", 302)
    assert court.halted("b", 401) is HaltReason.CREDENTIALS


def test_a_new_key_in_the_file_is_tried_before_halting(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    court = Court(Credentials(None, file))
    file.write_text("new")
    assert court.answer("a", 401) == Retry("401")
    assert court.halted("a", 401) is HaltReason.CREDENTIALS, "the new one is refused as well"


def test_a_401_to_the_key_of_before_says_nothing_about_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    court = Court(Credentials(None, file))
    late = court.said(401)
    file.write_text("new")
    assert court.credentials.reload()
    assert court.answer("a", late) == Retry("401")


def test_an_unreadable_key_file_does_not_hide_the_401(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    court = Court(Credentials(None, file))
    file.unlink()
    assert court.halted("a", 401) is HaltReason.CREDENTIALS


# 404, 405, 410, 415: the user or the address


@pytest.mark.parametrize("status", [404, 405, 410, 415])
def test_no_such_address_is_one_strange_user_once_the_api_has_accepted(court: Court, status: int) -> None:
    court.answer("a", 202)
    verdict = court.answer("b", status)
    assert isinstance(verdict, Refuse)
    assert (verdict.refusal.reason, verdict.refusal.status) == (LetterReason.REJECTED, str(status))


def test_ever_so_many_strange_users_do_not_halt_once_the_api_has_accepted(court: Court) -> None:
    court.answer("a", 202)
    assert all(isinstance(court.answer(f"u{number}", 404), Refuse) for number in range(50))


@pytest.mark.parametrize("status", [404, 405, 410, 415])
def test_three_users_without_such_an_address_halt_before_anything_was_accepted(court: Court, status: int) -> None:
    assert court.answer("a", status) == Retry(str(status))
    assert court.answer("b", status) == Retry(str(status))
    verdict = court.answer("c", status)
    assert isinstance(verdict, Halt)
    assert (verdict.reason, verdict.fingerprint) == (HaltReason.MISDIRECTED, "the-address")


def test_one_user_without_such_an_address_never_halts_by_itself(court: Court) -> None:
    assert all(isinstance(court.answer("a", 404), Retry) for _ in range(50))
    assert isinstance(court.answer("b", 404), Retry)


def test_after_a_resume_three_more_users_are_heard(court: Court) -> None:
    for user in "abc":
        court.answer(user, 404)
    assert isinstance(court.answer("d", 404), Retry)
    assert isinstance(court.answer("e", 404), Retry)
    assert court.halted("f", 404) is HaltReason.MISDIRECTED


# 403, 407, 3xx, other 2xx: perhaps not the API at all


@pytest.mark.parametrize("status", [200, 201, 204, 301, 302, 304, 308, 407])
def test_two_users_answered_as_the_api_never_does_halt_misdirected(court: Court, status: int) -> None:
    assert court.answer("a", status) == Retry(str(status))
    verdict = court.answer("b", status)
    assert isinstance(verdict, Halt)
    assert (verdict.reason, verdict.fingerprint) == (HaltReason.MISDIRECTED, "the-address")
    assert str(status) in verdict.detail


def test_two_users_answered_403_halt_for_the_credentials(court: Court) -> None:
    assert court.answer("a", 403) == Retry("403")
    assert court.halted("b", 403) is HaltReason.CREDENTIALS


@pytest.mark.parametrize("status", [400, 404, 413, 302])
def test_whatever_else_the_next_user_is_refused_with_confirms_the_suspicion(court: Court, status: int) -> None:
    court.answer("a", 302)
    assert court.halted("b", status) is HaltReason.MISDIRECTED


def test_one_user_that_a_firewall_dislikes_halts_nothing(court: Court) -> None:
    for _ in range(50):
        assert court.answer("a", 403) == Retry("403")
        assert court.answer("b", 202) == Accept()


def test_one_suspicious_user_alone_never_confirms_itself(court: Court) -> None:
    assert all(isinstance(court.answer("a", 403), Retry) for _ in range(50))


def test_an_acceptance_of_another_user_ends_the_suspicion(court: Court) -> None:
    court.answer("a", 302)
    court.answer("b", 202)
    assert court.answer("c", 302) == Retry("302")


def test_a_transient_failure_of_another_user_neither_confirms_nor_ends_the_suspicion(court: Court) -> None:
    court.answer("a", 302)
    assert court.answer("b", 503) == Retry("503")
    assert court.answer("b", Unanswered("reset", ambiguous=True)) == Retry("reset")
    assert court.halted("b", 400) is HaltReason.MISDIRECTED


def test_after_a_resume_a_suspicion_starts_anew(court: Court) -> None:
    court.answer("a", 302)
    court.answer("b", 302)
    assert court.answer("c", 302) == Retry("302")


# exhausted


def fail_among_others(court: Court, attempts: int, *, others: int, accepted: int, status: int = 503) -> list[Verdict]:
    """The verdicts on one user's failing attempts; between each two, `others` POSTs, so many accepted."""
    verdicts = [court.answer("poor", status)]
    for _ in range(attempts):
        for number in range(others):
            court.answer(f"other-{number}", 202 if number < accepted else 503)
        verdicts.append(court.answer("poor", status))
    return verdicts


def exhausted(verdict: Verdict) -> bool:
    return isinstance(verdict, Refuse) and verdict.refusal.reason is LetterReason.EXHAUSTED


def test_a_batch_that_fails_among_accepted_ones_is_exhausted_after_enough_attempts_and_time(court: Court) -> None:
    court.now = MAX_RETRY_AGE
    court.tries["poor"] = Tries(since=0.0, posts=0, accepted=0)
    verdicts = fail_among_others(court, MAX_ATTEMPTS, others=3, accepted=3)
    assert [exhausted(verdict) for verdict in verdicts] == [False] * MAX_ATTEMPTS + [True]
    last = verdicts[-1]
    assert isinstance(last, Refuse)
    assert (last.refusal.status, last.refusal.attempts) == ("503", MAX_ATTEMPTS + 1)


def test_enough_attempts_in_too_short_a_time_do_not_exhaust(court: Court) -> None:
    court.answer("poor", 503)
    court.now = MAX_RETRY_AGE - 0.001
    assert not any(map(exhausted, fail_among_others(court, 100, others=3, accepted=3)))
    court.now = MAX_RETRY_AGE
    assert exhausted(court.answer("poor", 503)), "only time was wanting"


def test_time_alone_does_not_exhaust(court: Court) -> None:
    court.answer("poor", 503)
    court.now = 100 * MAX_RETRY_AGE
    assert not any(map(exhausted, fail_among_others(court, MAX_ATTEMPTS - 1, others=3, accepted=3)))


def test_an_outage_never_exhausts_anything(court: Court) -> None:
    court.answer("poor", 503)
    court.now = 100 * MAX_RETRY_AGE
    assert not any(map(exhausted, fail_among_others(court, 1000, others=3, accepted=0)))


def test_a_brownout_in_which_half_is_accepted_does_not_exhaust_either(court: Court) -> None:
    court.answer("poor", 503)
    court.now = 100 * MAX_RETRY_AGE
    assert not any(map(exhausted, fail_among_others(court, 1000, others=4, accepted=2)))


def test_a_user_all_alone_is_never_exhausted(court: Court) -> None:
    court.answer("poor", 503)
    court.now = 100 * MAX_RETRY_AGE
    assert not any(map(exhausted, fail_among_others(court, 1000, others=0, accepted=0)))


def test_acceptances_of_before_the_last_attempt_do_not_count(court: Court) -> None:
    court.answer("poor", 503)
    for _ in range(1000):
        court.answer("other", 202)
    court.now = 100 * MAX_RETRY_AGE
    assert not any(exhausted(court.answer("poor", 503)) for _ in range(100))


@pytest.mark.parametrize("what", [Unanswered("timeout", ambiguous=True), 429, 403])
def test_whatever_is_tried_again_can_exhaust(court: Court, what: int | Answer) -> None:
    court.answer("poor", what)
    court.now = MAX_RETRY_AGE
    verdicts = []
    for _ in range(MAX_ATTEMPTS):
        court.answer("other", 202)
        verdicts.append(court.answer("poor", what))
    assert exhausted(verdicts[-1])

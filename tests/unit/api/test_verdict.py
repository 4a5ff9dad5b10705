from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import pytest

from forwarder.api.answer import Answer, Cause, Declined, Registered, Unanswered, meaning
from forwarder.api.credentials import Credentials
from forwarder.api.doubts import Doubts
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
        self.users = 0
        self.doubts = Doubts(self.credentials, "the-address", lambda: self.users)
        self.judge = Judge(self.credentials, self.doubts, MAX_ATTEMPTS, MAX_RETRY_AGE, lambda: self.now)

    def answer(self, user: str, what: int | Answer, users: int = 100) -> Verdict:
        """The verdict, where so many users have events."""
        self.users = users
        if user not in self.tries:
            self.tries[user] = self.judge.first_try()
        answer = self.said(what) if isinstance(what, int) else what
        return self.judge.judge(user, answer, self.tries[user])

    def answers(self, users: str, what: int | Answer) -> list[Verdict]:
        """The same answer to one user after the other."""
        return [self.answer(user, what) for user in users]

    def said(self, status: int, retry_after: float | None = None, *, is_object: bool = True) -> Answer:
        what = meaning(status)
        if what is None:
            return Registered(status)
        return Declined(status, what, retry_after, self.credentials.fingerprint, is_object)

    def halted(self, user: str, what: int | Answer, users: int = 100) -> HaltReason:
        verdict = self.answer(user, what, users)
        assert isinstance(verdict, Halt), verdict
        return verdict.reason


@pytest.fixture
def court() -> Court:
    return Court()


def test_a_202_accepts(court: Court) -> None:
    assert court.answer("a", 202) == Accept()


@pytest.mark.parametrize("status", [400, 406, 409, 422, 499])
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


@pytest.mark.parametrize("cause", get_args(Cause))
def test_no_answer_is_tried_again(court: Court, cause: Cause) -> None:
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
    court.answers("ab", 302)
    assert court.halted("c", 401) is HaltReason.CREDENTIALS


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


# 404, 405, 410, 415: the user or the address; 451: an erased user, or a block; 400 with another body than the API's

UNPROVED = pytest.mark.parametrize("status", [404, 405, 410, 415, 451])


def doubtful(court: Court) -> Answer:
    """What a load balancer answers to everything."""
    return court.said(400, is_object=False)


@pytest.mark.parametrize("status", [404, 405, 410, 415])
def test_no_such_address_is_one_strange_user_once_the_api_has_accepted(court: Court, status: int) -> None:
    court.answer("a", 202)
    verdict = court.answer("b", status)
    assert isinstance(verdict, Refuse)
    assert (verdict.refusal.reason, verdict.refusal.status) == (LetterReason.REJECTED, str(status))


def test_a_451_is_an_erased_user_once_the_api_has_accepted(court: Court) -> None:
    court.answer("a", 202)
    verdict = court.answer("b", 451)
    assert isinstance(verdict, Refuse), "the whole batch, as one decision"
    assert (verdict.refusal.reason, verdict.refusal.status) == (LetterReason.ERASED, "451")


def test_a_400_is_believed_whatever_its_body_once_the_api_has_accepted(court: Court) -> None:
    court.answer("a", 202)
    assert isinstance(court.answer("b", doubtful(court)), Bisect)


@UNPROVED
def test_an_address_that_others_or_a_person_know_is_believed_from_the_start(court: Court, status: int) -> None:
    court.doubts.known = True
    assert isinstance(court.answer("a", status), Refuse)
    assert isinstance(court.answer("b", doubtful(court)), Bisect)


def test_ever_so_many_strange_users_do_not_halt_once_the_api_has_accepted(court: Court) -> None:
    court.answer("a", 202)
    assert all(isinstance(court.answer(f"u{number}", 404), Refuse) for number in range(50))


@UNPROVED
def test_three_users_without_such_an_address_halt_before_anything_was_accepted(court: Court, status: int) -> None:
    assert court.answers("ab", status) == [Retry(str(status))] * 2
    verdict = court.answer("c", status)
    assert isinstance(verdict, Halt)
    assert (verdict.reason, verdict.fingerprint) == (HaltReason.MISDIRECTED, "the-address")


def test_three_users_answered_400_with_another_body_halt_before_anything_was_accepted(court: Court) -> None:
    assert court.answers("ab", doubtful(court)) == [Retry("400")] * 2
    verdict = court.answer("c", doubtful(court))
    assert isinstance(verdict, Halt)
    assert (verdict.reason, verdict.fingerprint) == (HaltReason.MISDIRECTED, "the-address")
    assert "FORWARDER_API_URL" in verdict.detail
    assert "malformed" in verdict.detail


@pytest.mark.parametrize("status", [404, 451, 400])
def test_one_or_two_users_never_halt_by_themselves(court: Court, status: int) -> None:
    what = court.said(status, is_object=False)
    assert court.answers("ab" * 50, what) == [Retry(str(status))] * 100


@pytest.mark.parametrize("status", [404, 451, 400, 302, 403])
def test_where_fewer_users_have_events_all_of_them_suffice_with_three_answers_each(court: Court, status: int) -> None:
    what = court.said(status, is_object=False)
    verdicts = [court.answer(user, what, users=2) for user in "abaaab"]
    assert verdicts == [Retry(str(status))] * 6
    court.halted("b", what, users=2)


def test_where_fewer_users_have_events_one_of_them_is_not_enough_once_the_api_has_accepted(court: Court) -> None:
    court.answer("a", 202)
    for what in (court.said(403), Unanswered("unreadable", ambiguous=True)):
        assert not any(isinstance(court.answer("a", what, users=1), Halt) for _ in range(50))


def test_after_a_resume_three_more_users_are_heard(court: Court) -> None:
    court.answers("abc", 404)
    assert court.answers("de", 404) == [Retry("404")] * 2
    assert court.halted("f", 404) is HaltReason.MISDIRECTED


# an answer that cannot be parsed

UNREADABLE = Unanswered("unreadable", ambiguous=True)


@pytest.mark.parametrize("known", [False, True])
def test_three_users_with_unreadable_answers_halt_misdirected(court: Court, known: bool) -> None:  # noqa: FBT001
    court.doubts.known = known
    assert court.answers("abab", UNREADABLE) == [Retry("unreadable")] * 4
    assert court.halted("c", UNREADABLE) is HaltReason.MISDIRECTED


def test_unreadable_answers_between_which_somebody_is_accepted_halt_nothing(court: Court) -> None:
    for user in "abcdef":
        assert court.answer(user, UNREADABLE) == Retry("unreadable")
        court.answer("well", 202)


# 403, 407, 3xx, other 2xx: perhaps not the API at all


@pytest.mark.parametrize("status", [200, 201, 204, 301, 302, 304, 308, 407])
def test_three_users_answered_as_the_api_never_does_halt_misdirected(court: Court, status: int) -> None:
    assert court.answers("ab", status) == [Retry(str(status))] * 2
    verdict = court.answer("c", status)
    assert isinstance(verdict, Halt)
    assert (verdict.reason, verdict.fingerprint) == (HaltReason.MISDIRECTED, "the-address")
    assert str(status) in verdict.detail


def test_three_users_answered_403_halt_for_the_credentials(court: Court) -> None:
    assert court.answers("ab", 403) == [Retry("403")] * 2
    assert court.halted("c", 403) is HaltReason.CREDENTIALS


def test_a_mixture_is_not_the_keys_fault(court: Court) -> None:
    court.answers("ab", 403)
    assert court.halted("c", 302) is HaltReason.MISDIRECTED


def test_one_user_that_a_firewall_dislikes_halts_nothing_whatever_others_are_answered(court: Court) -> None:
    for number in range(50):
        assert court.answer("a", 403) == Retry("403")
        for status in (202, 400, 413, 503, 404):
            assert not isinstance(court.answer(f"u{number}", status), Halt)


def test_two_suspicious_users_alone_never_confirm_each_other(court: Court) -> None:
    assert court.answers("ab" * 50, 403) == [Retry("403")] * 100


@pytest.mark.parametrize("status", [202, 400])
def test_an_answer_that_only_the_api_gives_starts_the_count_anew(court: Court, status: int) -> None:
    court.answers("ab", 302)
    court.answer("d", status)
    assert court.answer("c", 302) == Retry("302")


def test_a_400_that_is_not_the_apis_does_not(court: Court) -> None:
    court.answers("ab", 302)
    court.answer("d", doubtful(court))
    assert court.halted("c", 302) is HaltReason.MISDIRECTED


@pytest.mark.parametrize("what", [404, 406, 410, 413, 418, 429, 503, Unanswered("reset", ambiguous=True)])
def test_what_others_are_answered_neither_confirms_nor_ends_the_suspicion(court: Court, what: int | Answer) -> None:
    court.answers("ab", 302)
    court.answer("c", what)
    court.answer("d", what)
    assert court.halted("e", 302) is HaltReason.MISDIRECTED


def test_a_user_who_got_one_before_the_last_202_does_not_count(court: Court) -> None:
    court.answers("abcdef"[:2], 403)
    court.answer("well", 202)
    assert court.answers("abcd", 403) == [Retry("403")] * 4
    assert court.halted("e", 403) is HaltReason.CREDENTIALS


def test_many_users_that_a_firewall_dislikes_halt_nothing_while_nobody_else_is_here(court: Court) -> None:
    """Each of them was seen between two acceptances; at night they are alone."""
    disliked = [f"u{number}" for number in range(1_000)]
    for user in disliked:
        court.answer("well", 202)
        court.answer(user, 403)
    court.answer("well", 202)
    assert not any(isinstance(court.answer(user, 403), Halt) for user in disliked)


def test_a_403_to_the_key_of_before_says_nothing_about_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    court = Court(Credentials(None, file))
    late = court.said(403)
    file.write_text("new")
    assert court.credentials.reload()
    assert court.answers("abcd", late) == [Retry("403")] * 4


def test_a_new_key_in_the_file_is_tried_before_halting_for_its_rights(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    court = Court(Credentials(None, file))
    late = court.said(403)
    file.write_text("new")
    assert court.answers("abc", late) == [Retry("403")] * 3
    assert court.answers("de", 403) == [Retry("403")] * 2
    assert court.halted("f", 403) is HaltReason.CREDENTIALS, "the new one has no more rights"


def test_after_a_resume_a_suspicion_starts_anew(court: Court) -> None:
    court.answers("abc", 302)
    assert court.answers("de", 302) == [Retry("302")] * 2


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

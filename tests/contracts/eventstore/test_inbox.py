"""What was heard: each once and in order; what cannot be done waits in line, the rest goes on."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.contracts.eventstore.conftest import OpenShop
from tests.contracts.eventstore.test_append import notes
from tests.support.eventstore import (
    HEARD,
    START,
    AskUnheard,
    Meet,
    Note,
    foreign,
    heard,
    id_of,
    job,
)

from steward_decider import Refused
from steward_eventstore.execute import Applied, Job, Outcome, Parked, Repeated, Run, To
from steward_eventstore.port import OwnMark, Reading


def say(text: str) -> To:
    return To("clock-1", "p-1", Note(START, text))


def ask(needs: str) -> To:
    return To("clock-1", "p-1", AskUnheard(START, needs))


def again(job: Job) -> Job:
    return Job(job.cause, job.react, job.mark, job.parcel, order=job.order, retry=True, attempts=1)


async def place(shop: OpenShop, stream: str) -> int:
    view = await shop.store.read(Reading({}, own=[("listener", stream)]))
    return view.own.get(("listener", stream), (0, None))[0]


async def kinds(shop: OpenShop, *jobs: Job) -> list[type[Outcome]]:
    return [type(outcome) for outcome in await shop.executor().execute_batch(jobs)]


async def test_versions_apply_in_turn_and_a_repeat_is_ignored(shop: OpenShop) -> None:
    first, second = heard("case-1", 1, say("one")), heard("case-1", 2, say("two"))
    assert await kinds(shop, first, second, first, second) == [Applied, Applied, Repeated, Repeated]
    assert await kinds(shop, first, second) == [Repeated, Repeated]
    assert await notes(shop, "clock-1") == ["one", "two"]


def run(*versions: int, at_once: bool = False) -> Job:
    """Give the job of facts of one stream that mean nothing here."""
    *_, last = jobs = [heard("case-1", version) for version in versions]
    return last._replace(run=Run(versions[0], lambda: [] if at_once else jobs))


async def test_a_run_that_follows_is_passed_over_at_once(shop: OpenShop) -> None:
    jobs = heard("case-1", 1, say("one")), run(2, 3, 4, at_once=True), heard("case-1", 5, say("5"))
    assert await kinds(shop, *jobs) == [Applied, Applied, Applied]
    assert await kinds(shop, run(6, 7, at_once=True)) == [Applied]
    assert await place(shop, "case-1") == 7
    assert await notes(shop, "clock-1") == ["one", "5"]


async def test_a_run_of_which_some_was_heard_goes_on_one_by_one(shop: OpenShop) -> None:
    await kinds(shop, heard("case-1", 1), heard("case-1", 2))
    assert await kinds(shop, run(1, 2)) == [Repeated]
    assert await kinds(shop, run(2, 3, 4)) == [Applied]
    assert await place(shop, "case-1") == 4
    assert await shop.store.parked() == []


async def test_in_a_run_too_no_version_comes_twice_with_different_ids(shop: OpenShop) -> None:
    await kinds(shop, heard("case-1", 1), heard("case-1", 2, id_="another"))
    assert await kinds(shop, run(2, 3, 4)) == [Parked]
    [parked] = await shop.store.parked()
    assert (parked.stream, parked.code, parked.waiting) == ("case-1", "conflict", 3)


async def test_a_run_after_a_gap_waits_message_by_message(shop: OpenShop) -> None:
    await kinds(shop, heard("case-1", 1))
    assert await kinds(shop, run(3, 4), run(5, 6)) == [Parked, Parked]
    [parked] = await shop.store.parked()
    assert (parked.stream, parked.code, parked.waiting) == ("case-1", "gap", 4)
    assert await kinds(shop, run(7, 8)) == [Parked]
    assert [each.order for each in await shop.store.line("listener", "case-1")] == [
        3,
        4,
        5,
        6,
        7,
        8,
    ]


async def test_a_run_waits_behind_what_waits(shop: OpenShop) -> None:
    broken = heard("case-1", 2, broken=Refused("It is broken."))
    assert await kinds(shop, heard("case-1", 1), broken) == [Applied, Parked]
    assert await kinds(shop, run(2, 3)) == [Parked]
    assert [each.order for each in await shop.store.line("listener", "case-1")] == [2, 3]


async def test_a_gap_parks_until_what_is_missing_has_come(shop: OpenShop) -> None:
    third = heard("case-1", 3, say("three"))
    assert await kinds(shop, heard("case-1", 1, say("one")), third) == [Applied, Parked]
    [parked] = await shop.store.parked()
    assert (parked.stream, parked.code, parked.waiting) == ("case-1", "gap", 1)
    assert await place(shop, "case-1") == 1


async def test_the_first_of_a_line_says_why_the_stream_is_parked(shop: OpenShop) -> None:
    assert await kinds(shop, heard("case-1", 2), heard("case-1", 1)) == [Parked, Parked]
    assert [p.code for p in await shop.store.parked()] == ["gap"]
    assert [waiting.order for waiting in await shop.store.line("listener", "case-1")] == [1, 2]


async def test_the_same_version_with_another_id_parks_loudly(shop: OpenShop) -> None:
    await kinds(shop, heard("case-1", 1, say("one")))
    assert await kinds(shop, heard("case-1", 1, say("other"), id_="other")) == [Parked]
    assert [p.code for p in await shop.store.parked()] == ["conflict"]
    assert await notes(shop, "clock-1") == ["one"]


async def test_two_facts_of_one_version_both_stay_in_the_line(shop: OpenShop) -> None:
    one, other = heard("case-1", 5, say("one")), heard("case-1", 5, say("other"), id_="other")
    assert await kinds(shop, one, other) == [Parked, Parked]
    assert len(await shop.store.line("listener", "case-1")) == 2


async def test_types_passed_over_advance_the_inbox_too(shop: OpenShop) -> None:
    assert await kinds(shop, heard("case-1", 1), heard("case-1", 2, say("two"))) == [Applied] * 2
    assert await place(shop, "case-1") == 2


async def test_the_inbox_of_one_consumer_says_nothing_of_another(shop: OpenShop) -> None:
    await kinds(shop, heard("case-1", 1))
    other = Job(job("x").cause, list, OwnMark("someone", "case-1", 1, id_of("case-1/1")))
    assert await kinds(shop, other) == [Applied]


async def test_a_parked_stream_lines_up_and_the_rest_goes_on(shop: OpenShop) -> None:
    jobs = [
        heard("case-1", 1, ask("policy")),
        heard("case-1", 2, say("two")),
        heard("case-2", 1, say("elsewhere")),
    ]
    assert await kinds(shop, *jobs) == [Parked, Parked, Applied]
    assert await kinds(shop, heard("case-1", 3, say("three"))) == [Parked]
    assert await kinds(shop, *jobs) == [Parked, Parked, Repeated]
    line = await shop.store.line("listener", "case-1")
    assert [waiting.order for waiting in line] == [1, 2, 3]
    assert line[0].parcel == jobs[0].parcel
    [parked] = await shop.store.parked()
    assert (parked.code, parked.waiting, parked.attempts) == ("not_heard_yet", 3, 0)
    assert await place(shop, "case-1") == 0


async def test_a_line_is_tried_again_in_order_and_freed_when_the_last_has_left(
    shop: OpenShop,
) -> None:
    jobs = [heard("case-1", 1, ask("policy")), heard("case-1", 2, say("two"))]
    await kinds(shop, *jobs)
    HEARD.add("policy")
    assert await kinds(shop, again(jobs[0])) == [Applied]
    assert [p.waiting for p in await shop.store.parked()] == [1]
    assert await kinds(shop, heard("case-1", 3, say("three"))) == [Parked]
    assert (
        await kinds(shop, again(jobs[1]), again(heard("case-1", 3, say("three")))) == [Applied] * 2
    )
    assert await shop.store.parked() == []
    assert await kinds(shop, heard("case-1", 4, say("four"))) == [Applied]
    assert await notes(shop, "clock-1") == ["policy", "two", "three", "four"]


async def test_a_retry_in_vain_is_postponed(shop: OpenShop) -> None:
    jobs = [foreign("ticket-1", "a", ask("policy")), foreign("ticket-1", "b", say("b"))]
    assert await kinds(shop, *jobs) == [Parked, Parked]
    [before] = await shop.store.parked()
    assert await shop.store.parked(due_by=before.retry_at - timedelta(microseconds=1)) == []
    assert await shop.store.parked(due_by=before.retry_at) == [before]
    assert await kinds(shop, again(jobs[0])) == [Parked]
    [after] = await shop.store.parked()
    assert after.attempts == 1
    assert after.retry_at > before.retry_at
    assert after.since == before.since
    assert await notes(shop, "clock-1") == []


async def test_a_repeat_in_the_line_leaves_it(shop: OpenShop) -> None:
    first, second = foreign("ticket-1", "a", say("a")), foreign("ticket-1", "b", ask("policy"))
    assert await kinds(shop, first, second, first) == [Applied, Parked, Parked]
    HEARD.add("policy")
    assert await kinds(shop, again(second)) == [Applied]
    assert await kinds(shop, again(first)) == [Repeated]
    assert await shop.store.parked() == []
    assert await notes(shop, "clock-1") == ["a", "policy"]


async def test_foreign_messages_wait_in_the_order_in_which_they_came(shop: OpenShop) -> None:
    await kinds(shop, foreign("ticket-1", "z", ask("policy")))
    await kinds(shop, foreign("ticket-1", "a", say("a")), foreign("ticket-1", "m", say("m")))
    line = await shop.store.line("inbound", "ticket-1")
    assert [waiting.parcel.value for waiting in line] == [b"z", b"a", b"m"]


async def test_foreign_messages_wait_in_their_sources_order_and_of_one_order_as_they_came(
    shop: OpenShop,
) -> None:
    parked = [("late", 2**50), ("z", 7), ("a", 7), ("first", 1), ("late", 2**50), ("middle", 8)]
    for id_, order in parked:
        await kinds(shop, foreign("ticket-1", id_, ask("policy"), order=order))
    line = await shop.store.line("inbound", "ticket-1")
    waiting = [message.parcel.value for message in line]
    assert waiting == [b"first", b"z", b"a", b"middle", b"late"]
    assert [message.order for message in line] == [1, 7, 7, 8, 2**50]


async def test_what_lines_up_in_front_is_tried_at_once_and_nothing_else_is(
    shop: OpenShop,
) -> None:
    second, third = (foreign("ticket-1", f"{n}", ask("first"), order=n) for n in (2, 3))
    await kinds(shop, second)
    for tried in range(9):
        await kinds(shop, second._replace(retry=True, attempts=tried))
    [long] = await shop.store.parked()
    assert (long.attempts, long.retry_at - shop.wall.now()) == (9, timedelta(minutes=10))
    shop.wall.instant += timedelta(seconds=1)
    await kinds(shop, third, second, foreign("ticket-1", "other", ask("first"), order=2))
    # What has no order goes to the end.
    await kinds(shop, foreign("ticket-1", "any", ask("first")))
    assert await shop.store.parked() == [replace(long, waiting=4)]
    first = foreign("ticket-1", "1", say("one"), order=1)
    assert await kinds(shop, first, first) == [Parked, Parked]
    assert await shop.store.parked(due_by=shop.wall.now()) == [
        replace(long, waiting=5, attempts=0, retry_at=shop.wall.now())
    ]
    assert await kinds(shop, again(first)) == [Applied]
    assert await notes(shop, "clock-1") == ["one"]


async def test_a_try_of_the_former_head_does_not_put_off_what_came_to_stand_in_front(
    shop: OpenShop,
) -> None:
    second = foreign("ticket-1", "2", ask("first"), order=2)
    await kinds(shop, second, foreign("ticket-1", "1", say("one"), order=1))
    before = await shop.store.parked()
    assert await kinds(shop, again(second)) == [Parked]
    assert await shop.store.parked() == before


async def test_of_what_foreign_messages_tell_anew_the_newest_in_their_order_stands(
    shop: OpenShop,
) -> None:
    def tells(order: int, about: str, *, subject: str = "ticket-1") -> Job:
        name = f"{subject[-1]}/{order}/{about}"
        return foreign(subject, name, say(name)._replace(about=about), say("also"), order=order)

    jobs = [
        *(tells(2**50, "a"), tells(3, "a"), tells(3, "b"), tells(2**50, "b")),
        *(tells(5, "b"), tells(2**51, "a"), tells(1, "a", subject="ticket-2")),
    ]
    assert await kinds(shop, *jobs[:3]) == [Applied] * 3
    assert await kinds(shop, *jobs[3:], jobs[0]) == [Applied] * 4 + [Repeated]
    told = [note for note in await notes(shop, "clock-1") if note != "also"]
    assert told == [f"1/{2**50}/a", "1/3/b", f"1/{2**50}/b", f"1/{2**51}/a", "2/1/a"]
    assert len(await notes(shop, "clock-1")) == len(told) + len(jobs)


async def test_a_message_that_could_not_be_read_waits_like_the_others(shop: OpenShop) -> None:
    broken = heard("case-1", 1, broken=Refused("It is not JSON.", code="unreadable"))
    assert await kinds(shop, broken, heard("case-1", 2, say("two"))) == [Parked, Parked]
    assert [p.reason for p in await shop.store.parked()] == ["It is not JSON."]


async def test_a_message_given_up_lets_those_behind_it_pass(shop: OpenShop) -> None:
    await kinds(shop, heard("case-1", 1, ask("never")), heard("case-1", 2, say("two")))
    given_up = again(heard("case-1", 1))
    assert await kinds(shop, given_up, again(heard("case-1", 2, say("two")))) == [Applied, Applied]
    assert await shop.store.parked() == []
    assert await kinds(shop, heard("case-1", 1, ask("never"))) == [Repeated]


async def test_a_foreign_message_is_taken_once(shop: OpenShop) -> None:
    message = foreign("ticket-1", "m-1", say("once"))
    assert await kinds(shop, message, message) == [Applied, Repeated]
    assert await kinds(shop, message) == [Repeated]
    assert await notes(shop, "clock-1") == ["once"]


async def test_a_repeated_request_gets_the_answer_of_the_first(shop: OpenShop) -> None:
    def request(text: str, fingerprint: str) -> Job:
        return foreign(
            "clock-1", "key-1", say(text), fingerprint=fingerprint, parked=False,
            answer=lambda facts: f"{len(facts)} of {text}".encode(),
        )  # fmt: skip

    first = await shop.executor().execute(request("one", "x"))
    second = await shop.executor().execute(request("two", "x"))
    assert isinstance(first, Applied)
    assert second == Repeated(b"1 of one")
    assert first.answer == b"1 of one"
    with pytest.raises(Refused) as refusal:
        await shop.executor().execute(request("three", "y"))
    assert refusal.value.code == "key_reused"
    assert await notes(shop, "clock-1") == ["one"]


async def test_a_refused_request_may_be_sent_again_with_its_key(shop: OpenShop) -> None:
    request = foreign("clock-1", "key-1", To("clock-1", "p-1", Meet(START)), parked=False)
    for _ in range(2):
        with pytest.raises(Refused, match="Nothing runs"):
            await shop.executor().execute(request)

"""What intake does about what others have told it."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from steward_decider import Command
from steward_events.intake import (
    BreachNoted,
    ExtensionNoted,
    FollowupNoted,
    FollowupOwed,
    OwnerInformed,
    ReceiptConfirmed,
)
from steward_events.notify import MessageDelivered
from steward_events.recorded import Recorded
from steward_events.sla import BreachWithdrawn, ClockBreached, ExtensionApproved, MajorByAge
from steward_events.visits import FollowupDone, FollowupDue, FollowupFact, FollowupWaived
from steward_eventstore.execute import To
from steward_intake.domain.commands import RaiseSeverity, ReopenCase, TellRefusal, TellResult
from steward_intake.domain.sayings import Say
from steward_intake.domain.story import Origin


def on_followup(recorded: Recorded) -> Iterable[To]:
    """A complaint may close once its follow-up is done or waived; an unsatisfied owner reopens it.

    A request that is owed one as each such case is does not close by itself before (RC-5.4).
    """
    match recorded.fact:
        case FollowupDue(rate=1.0) as fact:
            said: FollowupOwed | FollowupNoted = FollowupOwed(**_followup(fact))
        case FollowupDone() as fact:
            said = FollowupNoted(**_followup(fact), outcome="done")
        case FollowupWaived() as fact:
            said = FollowupNoted(**_followup(fact), outcome="waived")
        case _:
            return
    stream, at = f"case-{fact.case_id}", recorded.occurred_at
    if isinstance(fact, FollowupDone) and fact.satisfied is False:
        # First: what an owner is not content with does not close now that it was followed up.
        reopen = ReopenCase(at, "followup", fact.round, fact.followup_id)
        yield To(stream, fact.project_id, reopen)
    yield To(stream, fact.project_id, Say(at, said, "external"))


class _Followup(TypedDict):
    case_id: str
    followup_id: str
    round: int


def _followup(fact: FollowupFact) -> _Followup:
    return {"case_id": fact.case_id, "followup_id": fact.followup_id, "round": fact.round}


def on_clock(recorded: Recorded) -> Iterable[To]:
    """A month makes a valid complaint major (RM-4.4.1c); a breach and more time are remembered.

    So is that a breach was taken back.
    """
    at = recorded.occurred_at
    match recorded.fact:
        case MajorByAge() as fact:
            command: Command = RaiseSeverity(at, reason=fact.clock)
        case ClockBreached() | BreachWithdrawn() as fact:
            withdrawn = isinstance(fact, BreachWithdrawn)
            noted = BreachNoted(case_id=fact.case_id, clock=fact.clock, withdrawn=withdrawn)
            by: Origin = "external" if recorded.history is None else "history"
            command = Say(at, noted, by)
        case ExtensionApproved() as fact:
            extension = ExtensionNoted(
                case_id=fact.case_id,
                extension_id=fact.extension_id,
                until=fact.until,
                approved_by=fact.approved_by,
            )
            command = Say(at, extension, "external")
        case _:
            return
    yield To(f"case-{fact.case_id}", fact.project_id, command)


def on_message(recorded: Recorded) -> Iterable[To]:
    """What a delivered message was about, the owner knows (RM-4.6.3, RC-5.1..2, RM-4.10.1, RM-4.8)."""
    match recorded.fact:
        case MessageDelivered(case_id=str(of_message)) as fact if fact.about:
            for case_id in (of_message, *fact.also):
                told = _told(recorded.occurred_at, case_id, fact)
                yield To(f"case-{case_id}", recorded.key, told)
        case _:
            return


def _told(at: datetime, case_id: str, fact: MessageDelivered) -> Command:
    match fact.about:
        case "receipt":
            return Say(at, ReceiptConfirmed(case_id=case_id, how="message"), "external")
        case "result":
            return TellResult(at, "message", round=int(fact.about_id))
        case "refusal":
            return TellRefusal(at, fact.message_id, int(fact.about_id))
        case "solution" | "new_date" | "progress" as about:
            which = fact.about_id or None
            informed = OwnerInformed(
                case_id=case_id,
                notice_id=fact.message_id,
                about=about,
                how="message",
                extension_id=which if about == "new_date" else None,
                proposal_id=which if about == "solution" else None,
                incident=fact.incident,
            )
            return Say(at, informed, "external")
        case _:
            informed = OwnerInformed(
                case_id=case_id,
                notice_id=fact.message_id,
                about="other",
                how="message",
                incident=fact.incident,
            )
            return Say(at, informed, "external")

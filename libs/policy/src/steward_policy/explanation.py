"""What an entry of a pack says, in words: for `steward policy explain` and for reports."""

from collections.abc import Iterator, Sequence

from steward_policy.calendars import clock_face
from steward_policy.catalogue import BY_ID
from steward_policy.classification import ClassificationRow
from steward_policy.durations import Counting, Duration, Ending, Roll
from steward_policy.ladder import TITLES, Role
from steward_policy.packs import AnyRule, DutyRule, FollowUpRule, QuotaRule, Rules, Tell
from steward_policy.targets import ALWAYS, EscalationStep, FactPattern, Target, WarnBefore

BASIS = {
    "rule": "the number stands in the rule",
    "default": "no rule gives this number; it is Steward's default, or the house's own",
}
"""What the basis of an entry means."""


def explain_cases(rules: Rules) -> str:
    """Explain what the desk allows and counts of a case."""
    cases = rules.cases
    dated = [
        f"{one.within.amount} by {f'the {_titles((one.by,))} or above' if one.by else 'anybody'}"
        for one in cases.backdating
    ]
    lines = [
        f"cases in {rules.version}",
        f"  basis: {cases.basis} ({BASIS[cases.basis]})",
        f"  may be dated back: {'; '.join(dated)}",
        f"  a case waits for its owner: {cases.waits_at_most.amount} at most",
        f"    who was not reached: after {cases.failed_contacts} failed contacts",
        f"  a request closes by itself: {cases.closes_after.amount} after its completion",
        f"  a closed case is reopened: within {cases.reopened_within.amount}",
        f"  a matter was raised before: within {cases.mentioned_within.amount}",
    ]
    return "\n".join(lines)


def explain(entry: AnyRule, rules: Rules) -> str:
    """Explain an entry: rule, basis, and how its due time is counted."""
    lines = [f"{entry.id} in {rules.version}"]
    for rule_id in entry.rule:
        rule = BY_ID[rule_id]
        lines += [f"  {rule_id}: {rule.original}", f"    read as: {rule.reading}"]
    lines.append(f"  basis: {entry.basis} ({BASIS[entry.basis]})")
    match entry:
        case Target():
            lines += _target(entry, rules)
        case FollowUpRule():
            lines += _followup(entry, rules)
        case QuotaRule():
            lines += _quota(entry)
        case DutyRule():
            lines += _duty(entry)
        case Tell():
            lines += _tell(entry, rules)
        case ClassificationRow():
            lines += _row(entry, rules)
    return "\n".join(lines)


def _tell(tell: Tell, rules: Rules) -> Iterator[str]:
    policy = rules.pack.messages
    yield f"  applies when: {tell.when.in_words()}"
    yield f"  the owner is told after: {tell.after}"
    if policy.owners == "both":
        yield "  by: SMS and email"
    else:
        term = _amount(policy.email_after, rules.pack.calendar)
        yield f"  by: SMS; by email where it fails or has no receipt after {term}"
    night = f"{policy.quiet.since:%H:%M} and {policy.quiet.until:%H:%M}"
    yield f"  not between {night} local time, unless {policy.quiet.unless.in_words()}"


def _row(row: ClassificationRow, rules: Rules) -> Iterator[str]:
    thing = row.gives.thing
    yield f"  holds when: {row.when.in_words()}"
    yield f"  gives: {', '.join(f'{name} {value}' for name, value in row.gives.fields.items())}"
    same = [other.id for other in rules.classification if other.gives.thing == thing]
    if before := same[: same.index(row.id)]:
        word = "might hold" if row.only_if_sure else "holds"
        yield f"  taken unless one above it {word}: {', '.join(before)}"


def _target(target: Target, rules: Rules) -> Iterator[str]:
    calendar = target.calendar or rules.pack.calendar
    yield f"  applies when: {target.when.in_words()}"
    if target.stays_when is not None:
        yield f"    goes on while: {target.stays_when.in_words()}"
    yield f"  starts with: {_either(target.starts)}"
    if target.met_by:
        yield f"  met by: {_either(target.met_by)}"
    if target.resets_on:
        yield f"  owed anew after: {_either(target.resets_on)}"
    if target.stays_after:
        yield f"  goes on after: {' or '.join(target.stays_after)}"
    if target.within is not None:
        yield f"  due: {duration_in_words(target.within, calendar)}"
    if target.due is not None:
        grace = f" and {_amount(target.due.grace, calendar)} of grace" if target.due.grace else ""
        yield f"  due: at the time in {target.due.field}{grace}"
    if target.or_by is not None:
        words = {
            "later": "the later of that and",
            "earlier": "the earlier of that and",
            "replace": "instead of that",
        }[target.or_by.take]
        condition = "" if target.or_by.if_ == ALWAYS else f", if {target.or_by.if_.in_words()}"
        source = f" of {target.or_by.fact}" if target.or_by.fact else ""
        yield f"    or by: {words} {target.or_by.field}{source}{condition}"
        if target.or_by.earlier_if is not None:
            yield f"      an earlier one only if {target.or_by.earlier_if.in_words()}"
    for reason, limit in target.pauses_on.items():
        yield f"  pauses: on {reason}, for {_amount(limit.max, calendar)} at most"
    for warning in target.warn_before:
        yield f"  warns: {_warning(warning, calendar)}"
    if target.overdue is not None:
        yield f"  past it: only with the approval of the {TITLES[target.overdue.approval][1]}"
    for step in target.escalate:
        yield f"  tells: the {TITLES[step.to][1]} ({TITLES[step.to][0]}) {_step(step, calendar)}"
    if target.on_breach is not None:
        yield f"  late: the case is raised to {target.on_breach.raise_severity}"
    yield (
        f"  reclassified: counted from the {target.on_reclassify.correction} after a correction,"
        f" from the {target.on_reclassify.new_facts} after new facts,"
        f" from the {target.on_reclassify.age} by age"
    )
    yield f"  reopened: {target.on_reopen}"


def _followup(followup: FollowUpRule, rules: Rules) -> Iterator[str]:
    calendar = followup.calendar or rules.pack.calendar
    yield f"  applies when: {followup.when.in_words()}"
    yield f"  owed after: {followup.after}"
    yield f"  made: {' or '.join(followup.mode)}"
    if followup.role:
        yield f"  made by: {_titles(followup.role)}, or somebody above"
    yield f"  due: {duration_in_words(followup.within, calendar)}"
    yield f"  rate: at least {followup.rate:.0%}"


def _quota(quota: QuotaRule) -> Iterator[str]:
    yield f"  applies to: each {_titles(quota.role)}, who holds the role when the month ends"
    yield f"  due: {quota.households} households, each counted once, by the end of each calendar month"


def _duty(duty: DutyRule) -> Iterator[str]:
    yield f"  seen to by: {_titles([duty.role])}"
    yield f"  met by: {duty.met_by}"
    yield f"  due: by the end of each {duty.every} of the project's zone; late: the same role is told"


def _titles(roles: Sequence[Role]) -> str:
    return " or ".join(f"{TITLES[role][1]} ({TITLES[role][0]})" for role in roles)


def _either(patterns: tuple[FactPattern, ...]) -> str:
    return " or ".join(pattern.in_words() for pattern in patterns)


def _warning(warning: WarnBefore, calendar: str) -> str:
    if warning.before is None:
        return f"when {warning.share:.0%} of the time has passed"
    return f"{_amount(warning.before, warning.calendar or calendar)} before"


def _step(step: EscalationStep, calendar: str) -> str:
    moment = {"breach": "the due time", "start": "the start"}[step.at]
    later = (
        "at" if step.after is None else f"{_amount(step.after, step.calendar or calendar)} after"
    )
    told = {"at_once": "day and night", "duty_hours": "in duty hours"}[step.deliver]
    condition = "" if step.when == ALWAYS else f", if {step.when.in_words()}"
    return f"{later} {moment}, {told}{condition}"


def _amount(duration: Duration, calendar: str) -> str:
    match duration.counted:
        case Counting.WORKING:
            return f"{duration.amount} of working time ({calendar})"
        case Counting.CALENDAR | Counting.ELAPSED:
            return duration.amount


def duration_in_words(duration: Duration, calendar: str) -> str:
    """Say how a limit is counted."""
    words = _amount(duration, calendar)
    match duration.counted:
        case Counting.ELAPSED:
            words += ", day and night"
        case Counting.CALENDAR if duration.months is not None:
            words += ", to the same date"
        case Counting.CALENDAR:
            words += " through weekends and holidays, the first day not counted"
        case Counting.WORKING:
            pass
    match duration.final:
        case Ending.SAME_TIME:
            pass
        case Ending.END_OF_DAY:
            words += ", until 24:00 of the last day"
        case Ending.END_OF_WORKING_DAY:
            words += f", until the last day closes ({calendar})"
    if duration.roll is Roll.NEXT_WORKING_DAY:
        words += f"; an end on a day that is not worked moves to the next working day ({calendar})"
    if duration.late_start is not None:
        words += (
            f"; started after {clock_face(duration.late_start.after)}:"
            f" {clock_face(duration.late_start.due)} of the next day"
        )
    if duration.at_least is not None:
        words += f"; at least {_amount(duration.at_least, calendar)}"
    return words

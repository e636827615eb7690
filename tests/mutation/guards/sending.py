"""Guards: each message is sent once, and to whom it is owed."""

from tests.mutation.guard import Guard
from tests.mutation.places import (
    INTAKE,
    LOCKS_TEST,
    NOTIFY,
    SAYINGS,
    SENDER_TEST,
    SERVICE,
    TOLD_TEST,
)

_SENDING = "Sending"

GUARDS = (
    Guard(
        _SENDING,
        "Many cases of one incident are told in one text.",
        "one text for an incident",
        f"{NOTIFY}/application/sender.py",
        "    return message.incident is not None and _is_step(message)\n",
        "    return False\n",
        f"{SENDER_TEST}test_what_many_cases_of_an_incident_bring_is_one_text_that_names_it",
    ),
    Guard(
        _SENDING,
        "More of the same incident comes a minute later, in one text.",
        "a minute between texts of an incident",
        f"{NOTIFY}/application/sender.py",
        "        gathering.again_at = now + AGAIN_AFTER\n",
        "",
        f"{SENDER_TEST}test_more_of_the_same_incident_is_told_in_one_text_a_minute_later",
    ),
    Guard(
        _SENDING,
        "Of two processes one sends.",
        "one leader",
        f"{SERVICE}/locks.py",
        '"SELECT pg_try_advisory_lock($1)"',
        '"SELECT $1::bigint > 0"',
        f"{SENDER_TEST}test_of_two_processes_one_sends",
    ),
    Guard(
        _SENDING,
        "A session that may still hold a lock goes back into no pool.",
        "a lock that was not given back ends with its session",
        f"{SERVICE}/locks.py",
        "        connection.terminate()\n",
        "",
        f"{LOCKS_TEST}test_a_session_that_may_hold_a_lock_is_ended[pg_advisory_unlock]",
    ),
    Guard(
        _SENDING,
        "An attempt is stored before it is made; what was taken back meanwhile is not sent.",
        "stored, then sent",
        f"{NOTIFY}/application/sender.py",
        "        if not await self._note(message, begin):\n"
        "            return  # taken back meanwhile\n",
        "        await self._note(message, begin)\n",
        f"{SENDER_TEST}test_what_was_taken_back_at_the_last_moment_is_not_sent",
    ),
    Guard(
        _SENDING,
        "What a killed process was sending is told as unknown.",
        "what was left in sending",
        f"{NOTIFY}/application/sender.py",
        "                    await self._give_up_left(lead)\n",
        "                    pass\n",
        f"{SENDER_TEST}test_what_a_killed_process_was_sending_is_unknown_and_not_sent_again",
    ),
    Guard(
        _SENDING,
        "What may have been sent is never sent again by itself.",
        "unknown is not owed",
        f"{NOTIFY}/domain/message.py",
        "case BeginSending(), Owed(message_id, channel, attempts):",
        "case BeginSending(), Owed(message_id, channel, attempts) | Unknown(\n"
        "                message_id, channel, attempts\n            ):",
        "tests/unit/notify_domain/test_message.py::"
        "test_an_unknown_outcome_is_never_sent_again_by_itself",
    ),
    Guard(
        _SENDING,
        "The provider sees a repeat as one text, by its key.",
        "the key of a text",
        f"{NOTIFY}/application/sender.py",
        "                message.message_id, address, message.template, language, values, text\n",
        "                str(uuid7()), address, message.template, language, values, text\n",
        f"{SENDER_TEST}test_what_a_killed_process_was_sending_is_unknown_and_not_sent_again",
    ),
    Guard(
        _SENDING,
        "A connection lost after the text was handed over is unknown, and not tried again.",
        "lost after the data",
        f"{NOTIFY}/adapters/email_smtp.py",
        "        case _ if data_begun:\n",
        "        case _ if False:\n",
        "tests/integration/notify/test_email.py::"
        "test_a_connection_lost_after_the_data_is_unknown_though_the_mail_arrived",
    ),
    Guard(
        _SENDING,
        "The same escalation heard twice is one message.",
        "a message that is asked for again",
        f"{NOTIFY}/application/reactions.py",
        'return str(uuid5(_NAMESPACE, f"{escalation_id}|{template}|{channel}"))',
        "import uuid\n\n    return str(uuid.uuid1())",
        "tests/unit/notify_domain/test_telling.py::"
        "test_the_same_escalation_heard_twice_is_the_same_message",
    ),
    Guard(
        _SENDING,
        "A message is taken back only while it is owed.",
        "owed before it is sent",
        f"{NOTIFY}/domain/message.py",
        "case Suppress(), Owed(message_id, channel):",
        "case Suppress(), Owed(message_id, channel) | Sending(message_id, channel):",
        "tests/unit/notify_domain/test_message.py::"
        "test_a_message_is_taken_back_only_while_it_is_owed",
    ),
    Guard(
        _SENDING,
        "Who was erased is sent nothing.",
        "erased: suppressed",
        f"{NOTIFY}/application/sender.py",
        "if isinstance(address, Erased) or any(",
        "if any(",
        f"{SENDER_TEST}test_who_was_erased_is_sent_nothing",
    ),
    Guard(
        _SENDING,
        "Whoever is attached to an incident while its owners are told is told too.",
        "a statement is for all who are attached",
        f"{INTAKE}/domain/incident.py",
        """    if command.cases != state.cases:
        raise _changed()
    if state.statements""",
        "    if state.statements",
        "tests/unit/intake/test_incident.py::"
        "test_a_statement_is_for_the_cases_that_are_attached_when_it_is_made",
    ),
    Guard(
        _SENDING,
        "Owners of an incident's cases are not told the same again.",
        "no statement twice",
        f"{INTAKE}/domain/incident.py",
        "if state.statements and informed.text == state.statements[-1].text:",
        "if False:",
        "tests/unit/intake/test_incident.py::test_owners_are_not_told_the_same_again",
    ),
    Guard(
        _SENDING,
        "A case is in one incident at a time, so that nobody is told twice of one cause.",
        "one incident for a case",
        SAYINGS,
        "if story.incident not in (None, fact.incident_id):",
        "if False:",
        "tests/unit/intake/test_incident.py::test_a_case_is_in_one_incident_at_a_time",
    ),
    Guard(
        _SENDING,
        "What is not urgent is told in duty hours, also if it becomes known late.",
        "in duty hours",
        f"{NOTIFY}/application/reactions.py",
        "_from_when(at, zone, rules), _from_when(heard.known_at, zone, rules))",
        "_from_when(at, zone, rules),)",
        "tests/unit/notify_domain/test_telling.py::"
        "test_what_is_not_urgent_is_told_in_duty_hours_also_if_it_becomes_known_late",
    ),
    Guard(
        _SENDING,
        "Who asks at night is told at once that it was received (RC-5.1..2).",
        "a receipt at night",
        f"{NOTIFY}/domain/owner.py",
        "if not (tell.at_night or policy.quiet.unless.holds(fields)):",
        "if not policy.quiet.unless.holds(fields):",
        f"{TOLD_TEST}test_who_asks_at_night_is_told_at_once_that_it_was_received",
    ),
)

"""Guards: rules that notify, visits and what all share carry out themselves."""

from tests.mutation.guard import Guard
from tests.mutation.places import DESK, NOTIFY, SENDER_TEST, SERVICE, TAKING_IN_TEST, TOLD_TEST

_RULES = "Rules that the services carry out themselves"
_FOLLOWUPS = "services/visits/src/steward_visits/domain/followups.py"
_FOLLOWUPS_TEST = "tests/unit/visits/test_followups.py::"
_PACKS = "libs/policy/src/steward_policy/packs.py"
_PACKS_TEST = "tests/unit/policy/test_packs.py::"

GUARDS = (
    Guard(
        _RULES,
        "An open letter makes only the follow-ups that a letter may make (FU-4.1.2.1b).",
        "what a letter may make",
        _FOLLOWUPS,
        "if due.round <= command.round and Mode.LETTER in due.modes:",
        "if due.round <= command.round:",
        f"{_FOLLOWUPS_TEST}test_an_open_letter_makes_the_follow_ups_that_a_letter_may_make",
    ),
    Guard(
        _RULES,
        "A follow-up that was missed is dated back no further than the policy lets (FU-5.1).",
        "a follow-up dated back by role",
        _FOLLOWUPS,
        "                self._demand_recent(command, state.case)\n",
        "",
        f"{_FOLLOWUPS_TEST}test_a_follow_up_that_was_missed_a_month_ago_is_not_said_to_be_in_time",
    ),
    Guard(
        _RULES,
        "A follow-up that was missed is dated back no further than the policy lets (FU-5.1).",
        "when a follow-up is told of",
        "services/visits/src/steward_visits/api/http.py",
        "                roles,\n                now,\n",
        "                roles,\n",
        "tests/integration/visits/test_followups_http.py::"
        "test_a_follow_up_is_dated_no_further_back_than_the_policy_says",
    ),
    Guard(
        _RULES,
        "A follow-up of which no end can be counted waits with its case, and says why.",
        "a follow-up without an end",
        _FOLLOWUPS,
        "            except ValueError as error:\n",
        "            except ZeroDivisionError as error:\n",
        f"{_FOLLOWUPS_TEST}"
        "test_a_follow_up_of_which_no_end_can_be_counted_is_refused_with_a_sentence",
    ),
    Guard(
        _RULES,
        "The hotline is a channel like any other (RM-3.5).",
        "the hotline",
        "libs/events/src/steward_events/vocabulary.py",
        '    """Every way in which somebody comes to us: the channels that the rules '
        'list (RM-4.2, HV-4.1)."""\n'
        "\n"
        '    HOTLINE = "hotline"\n',
        '    """Every way in which somebody comes to us: the channels that the rules '
        'list (RM-4.2, HV-4.1)."""\n'
        "\n"
        '    HOTLINE = "telephone"\n',
        f"{TAKING_IN_TEST}test_the_hotline_is_stamped_at_any_hour",
    ),
    Guard(
        _RULES,
        "A result is told when it has reached every household that complains (RM-4.6.3).",
        "told to all who complain",
        f"{NOTIFY}/domain/owner.py",
        "if _awaited(same, state.case) <= {own} else told\n",
        "if True else told\n",
        f"{TOLD_TEST}test_the_result_is_told_when_it_has_reached_every_household_that_complains",
    ),
    Guard(
        _RULES,
        "Whom no message reaches keeps nobody's result from counting as told (RM-4.6.3).",
        "not waited for in vain",
        f"{NOTIFY}/domain/owner.py",
        "    return not is_over or (not of and",
        "    return True or (not of and",
        f"{TOLD_TEST}test_whom_no_message_reaches_is_not_waited_for",
    ),
    Guard(
        _RULES,
        "A failed message to whose case it is tells no result, whoever else was told (RM-4.6.3).",
        "failed to whose case it is",
        f"{NOTIFY}/domain/owner.py",
        " or (not of and any(one.failed for one in messages))\n",
        "\n",
        f"{TOLD_TEST}test_a_failed_message_to_whose_case_it_is_leaves_the_result_untold",
    ),
    Guard(
        _RULES,
        "What the others were told is known once nobody is waited for any longer (RM-4.6.3).",
        "known by now",
        f"{NOTIFY}/domain/owner.py",
        "                changed = _with_complainant(case, command)\n"
        "                if changed == case:\n"
        "                    return []\n"
        "                return [changed, *_all_known_by_now(replace(state, case=changed))]\n",
        "                changed = _with_complainant(case, command)\n"
        "                if changed == case:\n"
        "                    return []\n"
        "                return [changed]\n",
        f"{TOLD_TEST}test_who_is_waited_for_and_then_complains_no_longer_lets_it_be_known",
    ),
    Guard(
        _RULES,
        "Whose case it is since it was corrected is waited for, and whose it was is not (RM-4.6.3).",
        "whose case it is by now",
        f"{NOTIFY}/domain/owner.py",
        "    if not of and not reported and household_id and",
        "    if False and household_id and",
        f"{TOLD_TEST}test_whose_case_it_is_by_now_is_waited_for_and_whose_it_was_is_not",
    ),
    Guard(
        _RULES,
        "A household is told once, whatever part of its own case it is said to have.",
        "told as whose case it is",
        f"{NOTIFY}/domain/owner.py",
        "    if id_ == case.household_id:\n",
        "    if False:\n",
        f"{TOLD_TEST}test_whose_case_it_is_is_told_once_whatever_else_is_said_of_it",
    ),
    Guard(
        _RULES,
        "A reception is noted in one fact, however many households complain.",
        "one fact of all who complain",
        f"{NOTIFY}/domain/owner.py",
        "                return [_noted(command)]\n",
        "                return [_noted(command)] * max(1, len(command.complainants))\n",
        f"{TOLD_TEST}test_a_reception_is_noted_in_one_fact_however_many_complain",
    ),
    Guard(
        _RULES,
        "A household is told once, also where its own case names it as one that complains.",
        "whose case it is, at its reception",
        f"{NOTIFY}/domain/owner.py",
        "for id_ in command.complainants if id_ != command.household_id",
        "for id_ in command.complainants",
        f"{TOLD_TEST}test_a_reception_is_noted_in_one_fact_however_many_complain",
    ),
    Guard(
        _RULES,
        "What becomes of a message costs no more the more else a case's households were told.",
        "what tells the same",
        f"{NOTIFY}/domain/owner.py",
        "            facts += _known_by_now(_same(one.requested.message_id, after), after.case)\n",
        "            facts += _all_known_by_now(after)\n",
        f"{TOLD_TEST}test_when_a_message_changes_only_those_that_tell_the_same_are_looked_at",
    ),
    Guard(
        _RULES,
        "What is agreed with the household whose case it is no other household is told.",
        "agreed with one alone",
        f"{NOTIFY}/domain/owner.py",
        '    if not tidings.about and tidings.fact != "case_closed":\n',
        "    if False:\n",
        f"{TOLD_TEST}test_what_is_agreed_with_one_household_the_others_are_not_told",
    ),
    Guard(
        _RULES,
        "A text about something else goes to the household whose case it is alone.",
        "a text for one household",
        f"{NOTIFY}/domain/owner.py",
        '    if tidings.about == "other" and tidings.incident is None:\n',
        "    if False:\n",
        f"{TOLD_TEST}test_what_is_agreed_with_one_household_the_others_are_not_told",
    ),
    Guard(
        _RULES,
        "Half a reason is none: what an SMS cannot hold goes whole by email (RM-4.8).",
        "a whole reason",
        f"{NOTIFY}/application/sender.py",
        "            if long is not None:\n",
        "            if False:\n",
        f"{SENDER_TEST}test_a_reason_that_no_text_holds_goes_whole_by_email",
    ),
    Guard(
        _RULES,
        "What somebody delegated who has lost the role is void.",
        "a delegate of who holds the role",
        f"{SERVICE}/roles.py",
        "            held.person_id == given.person_id,\n",
        "",
        "tests/integration/sla/test_more_time_http.py::"
        "test_a_delegate_decides_while_the_role_is_lent_by_who_holds_it",
    ),
    Guard(
        _RULES,
        "Who is on duty by the roster acts in the role, for as long as the shift lasts.",
        "on duty as long as the shift",
        f"{SERVICE}/roles.py",
        "if shift.since <= at < shift.until",
        "if shift.since <= at",
        "tests/integration/service_http/test_roles.py::test_a_shift_counts_from_its_beginning_to_before_its_end",
    ),
    Guard(
        _RULES,
        "Staff of another group make and waive no follow-up and no visit.",
        "visits by the group's staff",
        "services/visits/src/steward_visits/adapters/registers.py",
        "where(STAFF.c.person_id == person_id, ~elsewhere)",
        "where(STAFF.c.person_id == person_id)",
        "tests/integration/visits/test_followups_http.py::"
        "test_staff_of_another_group_are_refused_as_unknown_ones_are",
    ),
    Guard(
        _RULES,
        "A pack sends an email after elapsed time only: any other has no length when it is sent.",
        "an email after elapsed time",
        _PACKS,
        "email_after: Annotated[Duration, AfterValidator(_elapsed)] =",
        "email_after: Duration =",
        f"{_PACKS_TEST}test_an_email_goes_after_elapsed_time_and_nothing_else",
    ),
    Guard(
        _RULES,
        "The quiet hours of a pack are local times, without an offset.",
        "local quiet hours",
        _PACKS,
        '    if not re.fullmatch(r"([01][0-9]',
        '    if False and not re.fullmatch(r"([01][0-9]',
        f"{_PACKS_TEST}test_quiet_hours_are_local_times_and_nothing_else",
    ),
    Guard(
        _RULES,
        "No duration of a pack is so long that its end is out of reach.",
        "a duration within reach",
        "libs/policy/src/steward_policy/durations.py",
        "        if amount > longest * a_year:\n",
        "        if False:\n",
        f"{_PACKS_TEST}test_a_duration_that_leads_out_of_reach_is_refused",
    ),
    Guard(
        _RULES,
        "A quota is a number that the table of quotas holds.",
        "so many households",
        _PACKS,
        "Field(gt=0, le=_MOST_HOUSEHOLDS)",
        "Field(gt=0)",
        f"{_PACKS_TEST}test_so_many_households_as_no_table_holds_are_refused",
    ),
    Guard(
        _RULES,
        "A version of a pack has no longer a name than a fact can give it.",
        "a name that facts can give",
        _PACKS,
        "    if len(version) > LONGEST_WORD:\n",
        "    if False:\n",
        f"{_PACKS_TEST}test_names_are_no_longer_than_facts_may_name_them",
    ),
    Guard(
        _RULES,
        "Of very many problems of a pack the first are told, so that it is refused at once.",
        "the first problems",
        _PACKS,
        "for problem in problems[:_MOST_TOLD]]",
        "for problem in problems]",
        f"{_PACKS_TEST}test_of_very_many_problems_of_an_override_the_first_are_told",
    ),
    Guard(
        _RULES,
        "A year is published that fits every calendar of its name, whichever pack brings it.",
        "a year for every pack",
        DESK,
        "                    found.setdefault(name, []).append(calendar)\n",
        "                    found[name] = [calendar]\n",
        "tests/integration/intake/test_http.py::"
        "test_a_year_of_a_calendar_fits_every_pack_that_brings_it",
    ),
)

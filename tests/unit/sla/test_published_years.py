"""The published years that sla hears: kept, known at once, and parked where no calendar can have them."""

from datetime import date
from typing import Any

import pytest
from tests.support.eventstore import START, StillClock, id_of, partition_of

from steward_events.cloudevents import to_kafka
from steward_events.recorded import Recorded
from steward_events.registry import CalendarPublished
from steward_eventstore.execute import Executor
from steward_eventstore.memory import MemoryStore
from steward_eventstore.port import Parcel
from steward_eventstore.rows import data_of, meta_of
from steward_policy.calendars import built_in
from steward_service.hearing import Hearing
from steward_sla.adapters import read_models
from steward_sla.adapters.sweeping import Calendars, begun_by


class Listening:
    """What sla does with published years, over a store in memory."""

    def __init__(self) -> None:
        clock = StillClock()
        self.store = MemoryStore(clock)
        self.calendars = Calendars()
        self.executor = Executor(
            self.store,
            clock,
            {},
            source="/steward/sla",
            partition_of=partition_of,
            project=read_models.project,
        )
        self.hearing = Hearing("sla", {"steward.intake": lambda _: ()}, begins=begun_by)

    async def hear(self, number: int = 1, **said: Any) -> None:
        fact = CalendarPublished.model_validate({"version": f"v{number}", "year": 2027} | said)
        heard = Recorded(
            *(id_of(str(number)), fact.wire_type, "calendar-years", number, "calendars"),
            *("/steward/intake", START, START, START, fact),
        )
        key, headers, value = to_kafka(
            heard.type, heard.stream, heard.version, data_of(heard), meta_of(heard)
        )
        parcel = Parcel("steward.intake", key, tuple(headers), value)
        await self.executor.execute_batch([await self.hearing.job(parcel, "0")])
        await self.calendars.heard([heard])

    def kept(self) -> list[int]:
        return [row["edition"] for row in self.store.rows(read_models.CALENDARS)]


def worked(*hours: tuple[str, str]) -> dict[str, Any]:
    return {"working_days": [{"day": "2027-01-02", "hours": hours}]}


NO_YEAR = "its year, holidays and working_days do not go together"
NO_HOURS = "its working_days have hours that cannot be read"


@pytest.mark.parametrize("calendar", ["cn-office", "the-house's-own"])
@pytest.mark.parametrize(
    ("said", "why"),
    [
        (worked(("nine", "18:00")), NO_HOURS),
        (worked(("09:00", "25:00")), NO_HOURS),
        (worked(("18:00", "09:00")), NO_YEAR),
        (worked(("09:00", "12:00"), ("11:00", "18:00")), NO_YEAR),
        ({"holidays": ["2026-01-01"]}, NO_YEAR),
        ({"holidays": [date.fromordinal(date(2027, 1, 1).toordinal() + n) for n in range(365)]},
         NO_YEAR),
        ({"year": 0}, NO_YEAR),
        ({"year": -1}, NO_YEAR),
        ({"year": 99_999}, NO_YEAR),
        ({"year": 10**12}, NO_YEAR),
        ({"year": 10**30}, NO_YEAR),
    ],
)  # fmt: skip
async def test_a_year_that_no_calendar_can_have_is_parked_and_nobody_counts_with_it(
    calendar: str, said: dict[str, Any], why: str
) -> None:
    service = Listening()
    await service.hear(calendar=calendar, **said)
    [parked] = await service.store.parked()
    assert (parked.stream, parked.code) == ("calendar-years", "unreadable")
    assert parked.reason == f"The published year of a calendar cannot be used: {why}."
    assert service.kept() == []
    assert not await service.store.sweeps()
    assert service.calendars().edition == 0


async def test_a_year_that_can_be_used_is_kept_and_known_at_once() -> None:
    service = Listening()
    await service.hear(calendar="cn-office", holidays=["2027-01-01"], **worked(("09:00", "12:00")))
    await service.hear(2, calendar="the-house's-own", year=2180)
    assert not await service.store.parked()
    assert service.kept() == [1, 2]
    office = service.calendars().calendar("cn-office", built_in("cn-office"), START)
    assert (office.version, office.is_working_day(date(2027, 1, 1))) == ("v1", False)
    assert office.working_days[date(2027, 1, 2)] == ((540, 720),)

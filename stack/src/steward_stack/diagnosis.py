"""What `steward doctor` asks of an installation that runs: its services, databases and registers."""

from collections.abc import AsyncIterator
from datetime import date, timedelta

import asyncpg
import httpx2

from steward_policy import calendars
from steward_service import gauges
from steward_service.queries import DATABASE_FAULTS
from steward_service.sealing import BrokenSeal, Sealer
from steward_stack.examination import Finding
from steward_stack.snapshots import connected
from steward_stack.supervisor import Endpoints

LONG_SECONDS = 30
"""A transaction that has written holds up every relay of its PostgreSQL as long as it is open."""
LATE = timedelta(minutes=1)
LOOK_AHEAD = timedelta(days=60)
NEEDED = ("centre_manager", "cs_supervisor")
"""Roles to which most deadlines climb first."""
NAMED = 5

_LATE = "SELECT count(*) FROM timers WHERE due_at < clock_timestamp() - $1::interval"
_PARKED = "SELECT code, count(*) AS streams FROM parked_streams GROUP BY code ORDER BY code"
_FAILED = """
SELECT channel, coalesce(code, status) AS code, count(*) AS messages FROM messages
 WHERE status IN ('failed', 'unknown') AND changed_at > clock_timestamp() - interval '1 day'
 GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 1
"""
_WITHOUT = """
SELECT project_id, role FROM projects, unnest($1::text[]) AS needed (role)
 WHERE NOT EXISTS (SELECT FROM roles h WHERE h.project_id = projects.project_id
                      AND h.role = needed.role)
 ORDER BY 1, 2
"""
_ANY_ROLE = "SELECT EXISTS (SELECT FROM roles)"
_OWNERLESS = """
SELECT count(*) FROM cases
 WHERE owner_id IS NULL AND status IN ('open', 'waiting', 'handled', 'told') AND history_until IS NULL
"""
_KEY = "SELECT subject FROM subject_keys WHERE wrapped IS NOT NULL LIMIT 1"


async def diagnose(endpoints: Endpoints, admin_key: str, master_key: bytes) -> list[Finding]:
    """Ask a running installation; changes nothing."""
    found = [await _services(endpoints)]
    try:
        found += [await _parked(endpoints), await _transactions(endpoints)]
        found += [await _alarms(endpoints), await _messages(endpoints)]
        found += [await _roles(endpoints), await _owners(endpoints)]
        found += [await _keys(endpoints, master_key), await _calendar(endpoints)]
    except DATABASE_FAULTS as error:
        cure = f"Read {endpoints.logs}/postgres.log; a full disk and a wrong address are usual."
        says = f"The databases cannot be read ({type(error).__name__})."
        found.append(Finding("databases", ok=False, says=says, cure=cure))
    return [*found, await _promises(endpoints, admin_key)]


async def _services(endpoints: Endpoints) -> Finding:
    amiss = [sentence async for sentence in _not_ready(endpoints)]
    if not amiss:
        return Finding("services", ok=True, says="All are ready.")
    cure = f"Their logs say more: {endpoints.logs}. A service that has ended is started again."
    return Finding("services", ok=False, says=" ".join(amiss), cure=cure)


async def _not_ready(endpoints: Endpoints) -> AsyncIterator[str]:
    async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
        for name, address in endpoints.services.items():
            try:
                answer = await client.get(f"{address}/health/ready")
            except httpx2.HTTPError as error:
                yield f"{name} does not answer ({type(error).__name__})."
                continue
            if answer.status_code != 200:
                yield f"{name}: {' '.join(answer.json().get('reasons', ['not ready']))}"


async def _parked(endpoints: Endpoints) -> Finding:
    found = []
    for service in endpoints.services:
        async with connected(endpoints, service) as database:
            found += [
                f"{row['streams']} at {service} ({row['code']})"
                for row in await database.fetch(_PARKED)
            ]
    if not found:
        return Finding("parked", ok=True, says="No stream waits.")
    cure = "`steward parked list` says why; mend the cause, then `steward parked retry STREAM`."
    return Finding("parked", ok=False, says=f"Streams wait: {', '.join(found)}.", cure=cure)


async def _transactions(endpoints: Endpoints) -> Finding:
    async with connected(endpoints, "intake") as database:
        seconds = int(await database.fetchval(gauges.OLDEST_WRITE))
    if seconds < LONG_SECONDS:
        return Finding("transactions", ok=True, says="None that has written stays open.")
    cure = (
        "Find it in pg_stat_activity (backend_xid is not null, oldest xact_start) and end it with "
        "pg_terminate_backend; prepared transactions stand in pg_prepared_xacts."
    )
    says = (
        f"One has been open for {seconds} s: until it ends no relay publishes what came after it."
    )
    return Finding("transactions", ok=False, says=says, cure=cure)


async def _alarms(endpoints: Endpoints) -> Finding:
    async with connected(endpoints, "clock") as database:
        if await database.fetchval("SELECT count(*) FROM processes"):
            return Finding("alarms", ok=True, says="A play's clock stands still between its steps.")
    late = {}
    for service in endpoints.services:
        async with connected(endpoints, service) as database:
            if count := await database.fetchval(_LATE, LATE):
                late[service] = count
    if not late:
        return Finding("alarms", ok=True, says="None is due and has not rung.")
    counted = ", ".join(f"{count} at {service}" for service, count in late.items())
    cure = (
        "A service that does not hear rings nothing either: look at “services” and “parked” here, "
        "and at steward_heard_behind_seconds."
    )
    says = f"Alarms are a minute late and more: {counted}."
    return Finding("alarms", ok=False, says=says, cure=cure)


async def _messages(endpoints: Endpoints) -> Finding:
    async with connected(endpoints, "notify") as database:
        row = await database.fetchrow(_FAILED)
    if row is None:
        return Finding("messages", ok=True, says="None failed in the last day.")
    cure = (
        "An InvalidAccessKeyId, SignatureDoesNotMatch or 535 means wrong credentials in notify's "
        "settings; isv.MOBILE_NUMBER_ILLEGAL a wrong number in the register."
    )
    says = f"{row['messages']} of {row['channel']} came to nothing in the last day: {row['code']}."
    return Finding("messages", ok=False, says=says, cure=cure)


async def _roles(endpoints: Endpoints) -> Finding:
    async with connected(endpoints, "intake") as database:
        rows = await database.fetch(_WITHOUT, list(NEEDED))
        registered = await database.fetchval(_ANY_ROLE)
    async with connected(endpoints, "sla") as database:
        known = await database.fetchval(_ANY_ROLE)
    if registered and not known:
        says = "sla knows of no role, though intake has some: they were heard before an upgrade."
        cure = "With the services stopped: `steward rebuild --only sla` (docs/operations.md)."
        return Finding("roles", ok=False, says=says, cure=cure)
    if not rows:
        return Finding("roles", ok=True, says="Every project has its supervisor and its manager.")
    named = ", ".join(f"{row['role']} at {row['project_id']}" for row in rows[:NAMED])
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    cure = (
        'Register them: POST /v1/registers [{"type": "role", "project_id", "role", "person_id"}].'
    )
    says = f"Nobody holds {named}{more}: who stands above is told instead."
    return Finding("roles", ok=False, says=says, cure=cure)


async def _owners(endpoints: Endpoints) -> Finding:
    async with connected(endpoints, "intake") as database:
        count = await database.fetchval(_OWNERLESS)
    if not count:
        return Finding("owners", ok=True, says="Every open case has somebody who owns it.")
    cure = "GET /v1/cases/without-owner lists them; POST /v1/cases/bulk assigns them."
    return Finding("owners", ok=False, says=f"{count} open cases have no owner.", cure=cure)


async def _keys(endpoints: Endpoints, master_key: bytes) -> Finding:
    pool = await asyncpg.create_pool(endpoints.database("keys"), min_size=1, max_size=1)
    try:
        subject = await pool.fetchval(_KEY)
        if subject is not None:
            await Sealer(pool, master_key).hold([subject])
        opens = True
    except BrokenSeal:
        opens = False
    finally:
        await pool.close()
    if opens:
        return Finding("keys", ok=True, says="The master key opens what is sealed.")
    cure = (
        "Start with the STEWARD_MASTER_KEY under which the data were taken in; what was sealed under "
        "a lost one cannot be read by anybody."
    )
    says = "The master key does not open the keys of the subjects."
    return Finding("keys", ok=False, says=says, cure=cure)


async def _calendar(endpoints: Endpoints) -> Finding:
    async with connected(endpoints, "sla") as database:
        today: date = await database.fetchval("SELECT current_date")
        rows = await database.fetch("SELECT year FROM calendars WHERE calendar = 'cn-office'")
    return calendar(today, frozenset(row["year"] for row in rows))


def calendar(today: date, published: frozenset[int] = frozenset()) -> Finding:
    """Say whether the working days of the next two months are known."""
    known = (calendars.built_in("cn-office").known_years or frozenset()) | published
    years = sorted({today.year, (today + LOOK_AHEAD).year} - known)
    if not years:
        return Finding("calendar", ok=True, says="Holidays and make-up days are known.")
    cure = (
        "Once the State Council has published them, publish the year at POST /v1/calendars; "
        "provisional deadlines are then moved. Until then ask for no working-day limits there."
    )
    says = (
        f"The working days of {years[0]} are not known: deadlines that reach there are provisional."
    )
    return Finding("calendar", ok=False, says=says, cure=cure)


async def _promises(endpoints: Endpoints, admin_key: str) -> Finding:
    headers = {"Authorization": f"Bearer {admin_key}"}
    try:
        async with httpx2.AsyncClient(timeout=15, headers=headers, trust_env=False) as client:
            answer = await client.get(f"{endpoints.services['audit']}/v1/summary")
            checks = answer.raise_for_status().json()["audit"]
    except (httpx2.HTTPError, KeyError, ValueError) as error:
        says = f"The auditor does not answer ({type(error).__name__})."
        cure = f"Its log says why: {endpoints.logs}/audit.log."
        return Finding("promises", ok=False, says=says, cure=cure)
    if checks["agree"]:
        return Finding("promises", ok=True, says="Every promise between services is kept.")
    broken = ", ".join(f"{check} {n}" for check, n in checks.items() if n and check != "agree")
    cure = "Under load it may be on its way: ask again. What stays is to be found in the logs."
    return Finding("promises", ok=False, says=f"Not kept: {broken}.", cure=cure)

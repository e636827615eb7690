"""Policies over HTTP: why a clock is due when it is, and another version for what runs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import JSONResponse, Response
from uuid_utils.compat import uuid7

from steward_decider import Refused
from steward_events.sla import PolicyReapplied
from steward_events.vocabulary import Id, Several, Word
from steward_eventstore.execute import To
from steward_policy.almanac import Almanac
from steward_policy.packs import PackError, Rules, UnknownVersion, load, whole
from steward_service.auth import EVERY_PROJECT, Principal, require
from steward_service.idempotency import handle
from steward_service.lists import Limit, Page, cursor_of, page_of
from steward_service.policies import Policies
from steward_service.problems import not_found
from steward_sla.api.http import no_staff
from steward_sla.application.explanations import explained
from steward_sla.application.ports import Lists, PublishedFor, Reapplication
from steward_sla.application.previews import moves, states
from steward_sla.application.reactions import stream_of
from steward_sla.domain.clocks import ZONE, Clocks, ClocksDecider
from steward_sla.domain.reapplications import Reapply

ClockReader = Annotated[Principal, Depends(require("clock.read"))]
Reapplier = Annotated[Principal, Depends(require("policy.reapply"))]
PolicyReader = Annotated[Principal, Depends(require("policy.read"))]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
PackText = Annotated[str, StringConstraints(max_length=300_000, pattern=r"^[^\x00]*$")]
Named = Annotated[Several[tuple[Word, ...]], Field(max_length=500)]


class OtherVersion(BaseModel):
    """Another version for what runs: which, for whom, and why; only looked at by default.

    `text` is a pack that was not published; what comes of it can only be looked at.
    """

    model_config = ConfigDict(extra="forbid")

    policy: Word = ""
    text: PackText | None = None
    instead_of: Word = ""
    projects: Annotated[Several[tuple[Id, ...]], Field(max_length=5_000)] = ()
    targets: Named = ()
    cases: Annotated[Several[tuple[Id, ...]], Field(max_length=500)] = ()
    reason: Reason | None = None
    asked_by: Id | None = None
    dry_run: bool = True
    since: Id | None = None
    """Of a look, where to go on: `next` of the answer before."""
    limit: Limit = 200
    """So many cases are looked at."""


def router(
    lists: Callable[[], Lists], policies: Policies, calendars: Callable[[], Almanac]
) -> APIRouter:
    """Give the routes; `lists` is asked for the lists with each request."""
    routes = APIRouter(prefix="/v1")

    async def case_of(request: Request, principal: Principal, case_id: str) -> Clocks:
        service = request.app.state.service
        decider = service.executor.decider_of(stream_of(case_id))
        [state] = (await states(service.executor.store, decider, [stream_of(case_id)])).values()
        if state.course is None or not principal.may(state.project_id):
            raise not_found(f"case {case_id}")
        return state

    @routes.get("/clocks/{case_id}/explain", tags=["clocks"])
    async def explain_case(request: Request, principal: ClockReader, case_id: Id) -> dict[str, Any]:
        """Explain all clocks of a case: what counted, what did not and why, by which rule."""
        state = await case_of(request, principal, case_id)
        now = request.app.state.service.clock.now()
        return {
            "case_id": case_id,
            "number": state.number,
            "clocks": explained(state, now),
        }

    @routes.get("/clocks/{case_id}/{clock}/explain", tags=["clocks"])
    async def explain_clock(
        request: Request, principal: ClockReader, case_id: Id, clock: Word
    ) -> dict[str, Any]:
        """Explain one clock."""
        state = await case_of(request, principal, case_id)
        found = explained(state, request.app.state.service.clock.now(), clock)
        if not found:
            raise not_found(f"clock {clock} of case {case_id}")
        return found[0]

    @routes.post("/policies/reapply", tags=["policies"])
    async def reapply(request: Request, principal: Reapplier, asked: OtherVersion) -> Response:
        """Let what runs go by another version, for a reason; or look at what would come of it.

        What has ended or is late stays as it was, and nothing becomes due before the next working
        day has ended that was not due by then before.
        """
        service = request.app.state.service
        rules = _rules(asked, policies)
        of_cases = await lists().projects_of(asked.cases)
        for case in asked.cases:
            if case not in of_cases:
                raise not_found(f"case {case}")
        scope = asked.projects or tuple(sorted({*of_cases.values()}))
        for project in scope or (EVERY_PROJECT,):
            principal.demand(project)
        which = Reapplication(
            reapply_id=str(uuid7()),
            at=service.clock.now(),
            policy=rules.version,
            instead_of=asked.instead_of,
            projects=asked.projects,
            targets=asked.targets,
            cases=asked.cases,
        )
        projects = {*asked.projects, *of_cases.values()}
        stranger = await _stranger(asked.policy, rules, projects)
        if asked.dry_run:
            if stranger is not None:
                raise stranger
            return JSONResponse(await _looked(service, rules, asked, which))
        refusal = stranger or await _refusal(asked, rules, which, scope)
        subject = f"staff-{asked.asked_by}"
        reason = await service.sealer.seal(subject, "reapply_reason", asked.reason)
        decided = PolicyReapplied(
            **which.model_dump(exclude={"at"}), reason=reason, asked_by=asked.asked_by or ""
        )
        key = scope[0] if scope else EVERY_PROJECT
        stream = f"reapplication-{which.reapply_id}"
        to = To(stream, key, Reapply(which.at, decided), everywhere=True)
        return await handle(
            request,
            principal,
            service.executor,
            to=refusal or [to],
            answer={"reapply_id": which.reapply_id},
            status=202,
            sweeps=[which.sweep],
        )

    async def _looked(
        service: Any, rules: Rules, asked: OtherVersion, which: Reapplication
    ) -> Mapping[str, Any]:
        def rules_of(version: str) -> Rules:
            return rules if version == rules.version else policies[version]

        decider: ClocksDecider = service.executor.decider_of("clocks-")
        if asked.text is not None:
            decider = ClocksDecider(rules_of, calendars)
        cases = await lists().concerned(which, asked.since or "", asked.limit)
        streams = [stream_of(case) for case in cases]
        total, _ = await lists().reached(which)
        return {
            "dry_run": True,
            "policy": rules.version,
            "cases": len(cases),
            "of": total,
            "moves": await moves(service.executor.store, decider, streams, which.command),
            "next": cases[-1] if len(cases) == asked.limit else None,
        }

    async def _refusal(
        asked: OtherVersion, rules: Rules, which: Reapplication, scope: Sequence[str]
    ) -> Refused | None:
        if not await lists().is_staff(asked.asked_by or "", scope):
            return no_staff(asked.asked_by or "", "of the projects' group" if scope else "")
        zones = await lists().zones_of(which.projects, which.cases) or [ZONE]
        today = min(which.at.astimezone(ZoneInfo(zone)).date() for zone in zones)
        if rules.effective_from is not None and rules.effective_from > today:
            return Refused(
                f"{rules.version} decides from {rules.effective_from.isoformat()} on: until then"
                " nothing can go by it."
            )
        return None

    async def _stranger(policy: str, rules: Rules, projects: Collection[str]) -> Refused | None:
        """Refuse whom a published version is not for; a text that is only looked at is for all."""
        whom = await lists().published_for(policy)
        if not projects:
            if "+" not in policy and whom == PublishedFor():
                return None
            return Refused(f"{rules.version} is not for everybody: name its “projects” or “cases”.")
        others = ", ".join(sorted(await lists().others(whom, sorted(projects))))
        if not others:
            return None
        return Refused(f"{rules.version} was published for {whom}: nothing of {others} goes by it.")

    @routes.get("/policies/reapplications", tags=["policies"])
    async def reapplications(
        principal: PolicyReader, since: str | None = None, limit: Limit = 100
    ) -> Page:
        """List the reapplications in the order of their last change."""
        principal.demand(EVERY_PROJECT)
        rows = await lists().reapplications(cursor_of(since), limit)
        return page_of(rows, "reapply_id", since, limit)

    @routes.get("/policies/reapplications/{reapply_id}", tags=["policies"])
    async def reapplication(principal: PolicyReader, reapply_id: Id) -> dict[str, Any]:
        """Say how far a reapplication has come: `left` cases of those that are concerned now."""
        row = await lists().reapplication(reapply_id)
        if row is None:
            raise not_found(f"reapplication {reapply_id}")
        for project in row["projects"] or (EVERY_PROJECT,):
            principal.demand(project)
        total, left = await lists().reached(Reapplication.model_validate(dict(row)))
        return {**row, "cases_concerned": total, "left": left}

    @routes.get("/policies/{version}", tags=["policies"])
    async def policy(principal: PolicyReader, version: Word) -> dict[str, Any]:
        """Give a version whole, as it was published, with its overrides laid upon it."""
        principal.demand(EVERY_PROJECT)
        rules = policies.get(version)
        if rules is None:
            raise not_found(f"policy version {version}")
        begins = rules.effective_from
        return {
            "policy": rules.version,
            "sha256": rules.sha256,
            "effective_from": begins and begins.isoformat(),
            "text": whole(rules),
        }

    return routes


def _rules(asked: OtherVersion, policies: Policies) -> Rules:
    if bool(asked.policy) == (asked.text is not None):
        raise _invalid("Name a published “policy”, or send the “text” of one to look at.")
    if not asked.dry_run and (asked.text or asked.reason is None or asked.asked_by is None):
        raise _invalid(
            "What is more than a dry run needs a published “policy”, a “reason”, and by whom it was"
            " “asked_by”."
        )
    try:
        rules = _as_sent(asked.text) if asked.text is not None else policies[asked.policy]
        if asked.instead_of:
            policies[asked.instead_of]
    except PackError as error:
        raise _invalid(" ".join(error.problems)) from None
    except UnknownVersion as error:
        raise Refused(str(error), code="not_found") from None
    for target in asked.targets:
        if not any(target in known.by_id for known in (rules, *policies.known())):
            raise Refused(f"No version has a target “{target}”.", code="not_found")
    return rules


def _as_sent(text: str) -> Rules:
    """Read a text that may bear the name of another one that was published."""
    rules = load(text)
    return replace(rules, version=f"{rules.version}@as-sent")


def _invalid(reason: str) -> Refused:
    return Refused(reason, code="bad_data")

"""Every guard; `make mutations` replaces `text` by `instead` in a copy and runs `test`."""

from tests.mutation.guard import Guard
from tests.mutation.guards import (
    messages,
    rules_intake,
    rules_others,
    rules_sla,
    running,
    sending,
    store,
    time,
)

GUARDS: tuple[Guard, ...] = (
    *time.GUARDS,
    *messages.GUARDS,
    *store.GUARDS,
    *running.GUARDS,
    *sending.GUARDS,
    *rules_intake.GUARDS,
    *rules_sla.GUARDS,
    *rules_others.GUARDS,
)

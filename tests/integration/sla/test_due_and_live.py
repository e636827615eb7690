"""A sample of `make compare-due`: the command and the live service answer alike."""

from tests.compare.due import compare
from tests.support.random_cases import ORDERS, random_cases
from tests.support.stack import FreshDatabase


async def test_policy_due_says_what_the_live_service_shows_in_three_orders_of_arrival(
    fresh_database: FreshDatabase,
) -> None:
    cases = list(random_cases(20))
    compared = await compare(await fresh_database(), cases)
    assert compared.different == []
    assert compared.equal == len(cases) * len(ORDERS)

"""Makes, lists and revokes API keys: `python -m steward_service.api_keys --help`.

A key that was made is on standard output, alone and this once; all else is said on stderr.
"""

import argparse
import asyncio
import sys

import asyncpg

from steward_service.auth import EVERY_PROJECT, ROLES, Authenticator
from steward_service.keys import open_keys
from steward_service.settings import ServiceSettings


async def run(arguments: argparse.Namespace, settings: ServiceSettings) -> str:
    """Do what was asked; answers what belongs on standard output. Raises `SystemExit`."""
    try:
        pool = await open_keys(settings)
    except (OSError, asyncpg.PostgresError) as error:
        raise SystemExit(f"The keys database cannot be reached: {error}") from None
    async with pool:
        authenticator = Authenticator(pool)
        match arguments.action:
            case "make":
                key_id, key = await authenticator.make_key(
                    arguments.name, arguments.role, arguments.project
                )
                sys.stderr.write(f"The key {key_id} is made; it is shown this once.\n")
                return f"{key}\n"
            case "revoke":
                if not await authenticator.revoke(arguments.id):
                    raise SystemExit(f"There is no key {arguments.id} that is in force.")
                sys.stderr.write(f"The key {arguments.id} is worth nothing from now on.\n")
                return ""
            case _:
                lines = [
                    f"{key.id}  {'in force' if key.in_force else 'revoked'}  "
                    f"{','.join(key.roles)}  {','.join(key.projects)}  {key.name}\n"
                    for key in await authenticator.listed()
                ]
                return "".join(lines)


def parser() -> argparse.ArgumentParser:
    """Give the command's grammar."""
    grammar = argparse.ArgumentParser(prog="python -m steward_service.api_keys")
    actions = grammar.add_subparsers(dest="action", required=True)
    make = actions.add_parser("make", help="make a key")
    make.add_argument("name", help="who or what uses it")
    make.add_argument("--role", action="append", choices=sorted(ROLES), required=True)
    make.add_argument(
        "--project",
        action="append",
        required=True,
        help=f"a project's or group's ID, “{EVERY_PROJECT}” for all",
    )
    revoke = actions.add_parser("revoke", help="let a key be worth nothing")
    revoke.add_argument("id")
    actions.add_parser("list", help="list all keys, without the keys themselves")
    return grammar


def main() -> None:
    """Run the command."""
    arguments = parser().parse_args()
    sys.stdout.write(asyncio.run(run(arguments, ServiceSettings())))


if __name__ == "__main__":
    main()

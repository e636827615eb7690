# Needs Python 3.11 or newer and nothing else; see CONTRIBUTING.md.
#
#   make run [TICKETS=file FORMAT=nyc311] [ARGS="--exit-when-done --json"]
#   make test [ARGS="tests/unit -k story"]      make check      make bench
#   make chaos      every process killed three times while it works (3 to 5 minutes)
#   make rules      generated documents anew    make lock       requirements.lock anew
#   make clean      removes all that was made

.PHONY: run test check chaos bench rules lock clean .venv
.DEFAULT_GOAL := run

ARGS ?=

# Real data, where it lies beside the project.
STEWARD_DATA ?= $(shell cd ../shared/data 2>/dev/null && pwd)
ifneq ($(STEWARD_DATA),)
export STEWARD_DATA
else
unexport STEWARD_DATA
endif

run: .venv
	@.venv/bin/steward demo $(if $(TICKETS),--tickets '$(TICKETS)') $(if $(FORMAT),--format '$(FORMAT)') $(ARGS)

test: .venv
	@.venv/bin/pytest $(ARGS)

check: .venv
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy .
	@.venv/bin/lint-imports
	@stack/lock --check
	@stack/documents --check

chaos: .venv
	@.venv/bin/pytest tests/chaos $(ARGS)

bench: .venv
	@.venv/bin/python -m tests.bench $(ARGS)

rules: .venv
	@stack/documents

lock: .venv
	@stack/lock

clean:
	@stack/clean

.venv:
	@stack/prepare

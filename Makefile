# Needs Python 3.11 or newer and nothing else; see CONTRIBUTING.md. The system's is taken before that
# of the PATH; PYTHON=/opt/python3.12/bin/python3 names another.
#
#   make run [TICKETS=file FORMAT=nyc311] [ARGS="--exit-when-done --json"]
#   make test [ARGS="tests/unit -k story"]      make check      make bench
#   make chaos      processes killed at 79 points where something is read, committed or sent (4 minutes)
#   make chaos-long     the same a thousand times, broken servers, restored databases (hours)
#   make mutations  each guard taken out in turn: its test must fail (a quarter to three quarters of an hour; ARGS="--only relay")
#   make compare-due    10,000 random cases: `policy due` beside the live service (a quarter of an hour)
#   make compare-rt     due dates of Request Tracker beside ours, anew (needs Debian's request-tracker5)
#   make compose-test   e2e tests against what docker-compose.yml builds; needs Docker
#   make keys       .env with secrets, for docker-compose.yml
#   make rules      generated documents anew    make lock       requirements.lock anew
#   make clean      removes all that was made

.PHONY: run test check chaos chaos-long mutations compare-due compare-rt compose-test bench keys rules lock clean .venv
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

# A file's tests run in one process, the processes beside each other.
test: .venv
	@.venv/bin/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy .
	@.venv/bin/lint-imports
	@stack/lock --check
	@stack/documents --check

chaos: .venv
	@.venv/bin/pytest tests/chaos -m "not long" $(ARGS)

chaos-long: .venv
	@.venv/bin/pytest tests/chaos $(ARGS)

mutations: .venv
	@.venv/bin/python -m tests.mutation $(ARGS)

compare-due: .venv
	@.venv/bin/python -m tests.compare.due $(ARGS)

compare-rt: .venv
	@.venv/bin/python -m tests.compare.rt $(ARGS)

# The images are built within the first test's time.
compose-test: .venv
	@.venv/bin/pytest tests/e2e --compose --timeout 1800 $(ARGS)

bench: .venv
	@.venv/bin/python -m tests.bench $(ARGS)

rules: .venv
	@stack/documents

keys:
	@stack/keys

lock: .venv
	@stack/lock

clean:
	@stack/clean

.venv:
	@stack/prepare

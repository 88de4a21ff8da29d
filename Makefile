# Every target calls what it needs, so each works alone in a fresh clone. `make` alone lists them.
UV_VERSION := 0.13.9
UV := $(shell command -v uv || echo build/uv/bin/uv)
PY := .venv/bin/python
PYTEST := $(PY) -m pytest

.PHONY: help env check unit test-whole test-api test-cluster test quickstart demo demo-down bench bench-peers zoo families families-cluster clean
help: ## What there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

env: .venv/.done ## The virtual environment .venv, from uv.lock

.venv/.done: pyproject.toml uv.lock
	@command -v uv >/dev/null || test -x build/uv/bin/uv || (python3 -m venv build/uv && build/uv/bin/pip install --quiet uv==$(UV_VERSION))
	$(UV) sync --frozen --quiet
	@touch $@

check: env ## Formatting, lint, types, import rules, generated files
	.venv/bin/ruff format --check --quiet .
	.venv/bin/ruff check --quiet .
	.venv/bin/mypy --no-error-summary
	.venv/bin/lint-imports --no-cache
	$(PY) -m paritygate.api.crd --check

# What none of them needs is not even opened: torch alone takes seconds a worker.
unit: env ## Tests that need nothing but Python (under a minute)
	$(PYTEST) --ignore tests/e2e --ignore-glob "tests/evaluator/test_torch_*" -m "not whole and not api and not cluster and not alone" -n auto --dist loadgroup

test-whole: env ## Whole evaluations of real models, torch among them; simulations of error rates
	$(PYTEST) -m whole -n auto --dist loadgroup

test-api: env ## Tests against a real API server, control plane only
	$(PY) -m tests.cluster build --profile api >/dev/null
	$(PYTEST) -m api -n 2 --dist loadfile

test-cluster: env ## Tests on the whole cluster with KServe: user stories, kills
	$(PY) -m tests.cluster build >/dev/null
	$(PYTEST) -m cluster tests/cluster
	$(PYTEST) -m cluster tests/e2e -n 2 --dist loadfile

test: check unit test-whole test-api test-cluster ## Everything, as CI runs it

quickstart: env ## Stories 1 and 2 on this machine, no cluster, in seconds
	$(PY) examples/quickstart/run.py

demo: env ## The three stories on a real cluster with KServe
	$(PY) -m examples.demo up

demo-down: env ## Take the demo's cluster down; cached artefacts stay
	$(PY) -m examples.demo down

bench: env ## Measure against the limits in the design; writes build/bench.json
	$(PY) -m tests.bench

families: env ## One example for each family of gates: a good candidate passes, a bad one fails by its gate
	$(PY) examples/families/run.py

families-cluster: env ## Those that need torch or a quiet machine, on the real cluster as on this machine
	$(PY) -m tests.cluster build >/dev/null
	$(PYTEST) -m alone tests/e2e

bench-peers: env ## The same outcomes judged by us and by our peers, each in an environment of its own; build/peers.json
	$(PY) -m tests.peers

zoo: env ## Real models, damaged and honestly compressed: who is caught by what; writes build/zoo.json
	$(PY) -m tests.zoo

clean: ## Remove what make built in the checkout
	rm -rf build .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

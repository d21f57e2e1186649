# The same recipes for a laptop and for CI. `make run` needs Rust; `make test` needs Rust and Node, and says what else
# is missing, or installs it where it may.

SHELL := /bin/bash -euo pipefail
.DEFAULT_GOAL := help
.PHONY: help run test lint unit web tools bench conformance audit contract-baseline clean

CARGO ?= cargo
# Such as `--tasks 1000000`, which leaves the largest tables out.
BENCH_STORAGE ?=
# A contract is compared with the last one released.
BASELINE := proto/baseline.binpb
BUF := node_modules/.bin/buf
GRPCURL := target/tools/grpcurl

help: ## Print the recipes.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build and run everything on this machine: SQLite, a development CA, all services in one process.
	$(CARGO) run --release --locked --package focusflow -- up

test: lint unit web ## Everything that must pass: lint, unit, integration, end to end, browsers.

unit: tools node_modules ## All tests, without lint, beside a PostgreSQL and a Redis of their own.
	scripts/with-databases $(CARGO) test --locked --workspace

web: tools web/node_modules ## Clients in Node and in Chromium, gRPC-Web's and ours, before the real system.
	@scripts/install-tools chromium
	$(CARGO) test --locked --workspace --test e2e --no-run
	cd web && npm test

lint: node_modules ## Formatting, clippy, the contract's and the migrations' rules; warnings are errors.
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings
	$(BUF) lint
	$(BUF) format --diff --exit-code proto
	$(BUF) breaking --against $(BASELINE)
	scripts/lint-migrations

bench: tools ## What mesh and storage cost, next to what they are built on: prints the tables of docs/BENCHMARKS.md.
	$(CARGO) run --locked --release --package focusflow-bench
	$(CARGO) run --locked --release --package focusflow-bench -- storage $(BENCH_STORAGE)
	$(CARGO) run --locked --release --package focusflow-bench -- websocket

conformance: tools node_modules $(GRPCURL) ## The whole README tour, with the grpcurl that others use. Needs Go.
	$(CARGO) build --release --locked --package focusflow
	scripts/tour

audit: ## Licences, sources, bans and advisories of all dependencies. Needs the network.
	command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny --locked check

contract-baseline: node_modules ## Take the contract as released: what later changes must not break.
	$(BUF) build --exclude-source-info --output $(BASELINE)

tools: ## What the tests call and a bare machine may lack.
	@scripts/install-tools curl node pg_config redis-server aiosmtpd

node_modules: package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	@touch node_modules

web/node_modules: web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(GRPCURL):
	GOBIN=$(abspath $(dir $@)) go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3

clean: ## Forget what was built; the data under .focusflow stays.
	$(CARGO) clean
	rm -rf node_modules web/node_modules web/src/gen

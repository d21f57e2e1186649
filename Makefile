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
SUITES := $(addprefix target/tools/,connectconformance grpc-health-probe grpcurl client h2spec pebble pebble-challtestsrv)

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

bench: tools bench/express/node_modules ## What mesh and storage cost, next to what they are built on: prints the tables of docs/BENCHMARKS.md.
	$(CARGO) run --locked --profile dist --package focusflow-bench
	$(CARGO) run --locked --profile dist --package focusflow-bench -- storage $(BENCH_STORAGE)
	$(CARGO) run --locked --profile dist --package focusflow-bench -- websocket
	$(CARGO) run --locked --profile dist --package focusflow-bench -- edge

conformance: tools node_modules $(SUITES) ## The suites of others against mesh and edge, schemathesis against REST, and the README's tour. Needs Go.
	@scripts/install-tools python3 openssl
	$(CARGO) build --release --locked --package focusflow --package focusflow-conformance
	scripts/conformance
	scripts/tour
	scripts/schemathesis

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

bench/express/node_modules: bench/express/package-lock.json
	cd bench/express && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web/node_modules: web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# `go install` with a version leaves this repository alone. h2spec is older than modules and needs one around it.
target/tools/%: export GOBIN = $(abspath target/tools)
target/tools/connectconformance:
	go install connectrpc.com/conformance/cmd/connectconformance@v1.0.5
target/tools/grpc-health-probe:
	go install github.com/grpc-ecosystem/grpc-health-probe@v0.4.61
target/tools/grpcurl:
	go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3
target/tools/client:
	go install google.golang.org/grpc/interop/client@v1.83.1
target/tools/pebble target/tools/pebble-challtestsrv:
	go install github.com/letsencrypt/pebble/v2/cmd/$(@F)@v2.10.1
target/tools/h2spec:
	mkdir -p target/tools/h2spec-module && cd target/tools/h2spec-module && \
		{ [ -e go.mod ] || go mod init h2spec-module; } && \
		go get github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible && \
		go install github.com/summerwind/h2spec/cmd/h2spec

clean: ## Forget what was built; the data under .focusflow stays.
	$(CARGO) clean
	rm -rf node_modules bench/express/node_modules web/node_modules web/src/gen

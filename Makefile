# `make` or `make help` lists the targets.

.DEFAULT_GOAL := help
SHELL := /bin/bash

GO   ?= go
BUF  := $(GO) tool -modfile=tools/go.mod buf
LINT := $(GO) tool -modfile=tools/lint/go.mod golangci-lint

# Of `make test`: the longest that one package's tests may take.
TEST_TIMEOUT ?= 10m
# Of `make fuzz`: the time for each fuzz target.
FUZZTIME ?= 20s

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## Install the servers and tools that tests and demo need, or say which
	@scripts/deps.sh

.PHONY: build
build: ## Build all commands into bin/
	$(GO) build -trimpath -o bin/ ./cmd/...

.PHONY: run
run: deps ## Run the whole pipeline on private servers, with 20 devices
	@$(GO) build -o bin/demo ./internal/demo && exec bin/demo # not `go run`: it calls Ctrl-C an error

.PHONY: test
test: deps ## Run all tests, with the race detector, on real servers
	$(GO) test -race -timeout $(TEST_TIMEOUT) ./...

.PHONY: cover
cover: deps ## Run all tests and write bin/coverage.html
	@mkdir -p bin
	$(GO) test -timeout $(TEST_TIMEOUT) -coverpkg=./... -coverprofile=bin/coverage.out ./...
	$(GO) tool cover -html=bin/coverage.out -o bin/coverage.html
	$(GO) tool cover -func=bin/coverage.out | tail -n 1

.PHONY: bench
bench: deps ## Run the Go benchmarks
	$(GO) test -run '^$$' -bench . -benchmem -timeout 30m ./...

.PHONY: bench-path
bench-path: deps build ## Measure the whole path on private servers; ARGS='-messages 50000 -rate 5000'
	@$(GO) run ./internal/benchpath $(ARGS)

.PHONY: outage-proof
outage-proof: deps ## Compare outage reports with the truth, under faults, with 500 devices (7 min); a power cut of 10 000
	OUTAGE_PROOF=full $(GO) test -count=1 -v -timeout 30m -run 'Proof|PowerCut|Receiver' ./internal/outagetest

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME (20s) each
	@GO='$(GO)' scripts/fuzz.sh $(FUZZTIME)

.PHONY: lint
lint: ## Check the Go code and the contracts
	$(LINT) run ./...
	$(BUF) lint proto

.PHONY: generate
generate: ## Generate gen/ from proto/
	$(BUF) generate proto --template proto/buf.gen.yaml

.PHONY: check-generated
check-generated: ## Fail when gen/ is not what proto/ gives
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	$(BUF) generate proto --template proto/buf.gen.yaml --output "$$fresh" && \
	diff -r gen "$$fresh/gen" || { echo 'gen/ is stale: run `make generate` and commit'; exit 1; }

.PHONY: clean
clean: ## Remove what the other targets have built
	rm -rf bin

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
	GORACE=atexit_sleep_ms=0 $(GO) test -race -timeout $(TEST_TIMEOUT) ./...

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

.PHONY: bench-door
bench-door: deps build ## Measure the front door: as bench-path, without a broker; ARGS='-window 1'
	@$(GO) run ./internal/benchpath -door $(ARGS)

.PHONY: bench-up
bench-up: build ## Measure sluice up: one process, no server; ARGS='-devices 10000'
	@$(GO) run ./internal/benchpath -up bin/sluice $(ARGS)

.PHONY: bench-bare
bench-bare: ## Measure what bare sockets cost with one message in flight; ARGS='-gather 3ms'
	@$(GO) build -o bin/benchbare ./internal/benchbare && bin/benchbare $(ARGS)

.PHONY: bench-api
bench-api: deps build ## Measure the api on a private PostgreSQL; ARGS='-rows 10000000 -dir DIR'
	@$(GO) run ./internal/benchapi $(ARGS)

.PHONY: outage-proof
outage-proof: deps ## Compare outage reports with the truth, under faults, with 500 devices (7 min); a power cut of 10 000
	OUTAGE_PROOF=full $(GO) test -count=1 -v -timeout 30m -run 'Proof|PowerCut|Receiver' ./internal/outagetest

.PHONY: kill-proof
kill-proof: deps ## Kill, stop and end replicas of the front door 50 times under load, with Redis and PostgreSQL (6 min); 20 times under paho
	DOORTEST=full DOORTEST_KILLS=50 DOORTEST_CLIENT_KILLS=20 $(GO) test -count=1 -v -timeout 40m -run 'Killed' ./internal/doortest

.PHONY: door-proof
door-proof: deps ## Outages over two replicas of the front door under faults (7 min); Redis stopped for a minute under 1000 devices
	DOORTEST=full $(GO) test -count=1 -v -timeout 30m -run 'Outages|Stopped|Pulse' ./internal/doortest

.PHONY: door-scale
door-scale: deps ## Connect 10 000 idle devices to the front door, cut all at once (2 min); attack it, to see whom that slows down (6 min)
	DOORTEST=full $(GO) test -count=1 -v -timeout 30m -run 'ThousandsOfIdle|Abuse' ./internal/doortest

.PHONY: hostile-proof
hostile-proof: deps ## Attack broker and front door as a device with valid credentials: 10 000 connects, 2000 half-open connections (2 min)
	HOSTILE=full $(GO) test -count=1 -v -timeout 20m -run Hostile ./internal/hostiletest

.PHONY: node-client-proof
node-client-proof: deps ## Test the front door with the MQTT client of Node.js, fetched from npm
	DOORTEST_NODE=1 $(GO) test -count=1 -v -run Node ./internal/doortest

.PHONY: secrets
secrets: ## Make certificates, users and passwords for compose.yaml, or renew what ends soon; HOSTS='iot.example 192.0.2.7'
	@scripts/secrets.sh

.PHONY: up
up: ## Build and start the stack of compose.yaml
	scripts/compose.sh up --build --detach

.PHONY: images
images: ## Build the images and print their sizes
	@scripts/compose.sh build
	@docker images --filter 'reference=localhost/sluice/*' --format '{{.Repository}}\t{{.Size}}' | grep -v sluice/build | sort

.PHONY: integration
integration: deps ## Build the images and take the whole stack through its life, with broker and front door (6 min); needs Docker
	INTEGRATION=1 $(GO) test -count=1 -v -timeout 30m ./internal/integration

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME (20s) each
	@GO='$(GO)' scripts/fuzz.sh $(FUZZTIME)

.PHONY: lint
lint: ## Check the Go code and the contracts
	$(LINT) run ./...
	$(BUF) lint proto

.PHONY: lint-python
lint-python: ## Check the types of the Python client; needs mypy
	cd python && mypy

.PHONY: generate
generate: ## Generate gen/ and the Python client's messages from proto/
	$(BUF) generate proto --template proto/buf.gen.yaml
	@$(MAKE) --no-print-directory python

.PHONY: python
python: ## Generate the Python client's messages from proto/; needs protoc 3.21
	BUF='$(BUF)' scripts/python-stubs.sh python

.PHONY: check-generated
check-generated: ## Fail when gen/ or the Python client's messages are not what proto/ gives
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	$(BUF) generate proto --template proto/buf.gen.yaml --output "$$fresh" && \
	BUF='$(BUF)' scripts/python-stubs.sh "$$fresh/python" && \
	diff -r gen "$$fresh/gen" && \
	diff -r -x __pycache__ python/sluice_client/_gen "$$fresh/python/sluice_client/_gen" || \
	{ echo 'stale: run `make generate` and commit'; exit 1; }

.PHONY: grpcurl
grpcurl: ## Build grpcurl, a client of the API, into bin/
	$(GO) build -modfile=tools/grpcurl/go.mod -o bin/grpcurl github.com/fullstorydev/grpcurl/cmd/grpcurl

.PHONY: clean
clean: ## Remove what the other targets have built
	rm -rf bin

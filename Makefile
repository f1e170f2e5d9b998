# The tiers a change passes, and the products. `make help` lists the targets.
#
#   make test      under 5 minutes; before every commit
#   make ci        under 10 more;   before every merge (.ci/run is test, then ci)
#   make nightly   hours
#
# Needs Go, git, and Node with npm for the interoperability peer; Spin and gcc for the
# models, which `make ci` leaves out without them. Tools are built from pinned versions into .cache/bin; products and reports go to out/.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GOFUMPT_VERSION       := v0.12.0
GOLANGCI_LINT_VERSION := v2.15.0
BENCHSTAT_VERSION     := v0.0.0-20260908200009-22c9c6c9d4da

OUT   := out
BIN   := $(OUT)/bin
TOOLS := .cache/bin
STAGE := .ci/stage

GOFUMPT       := $(TOOLS)/gofumpt-$(GOFUMPT_VERSION)
GOLANGCI_LINT := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)
BENCHSTAT     := $(TOOLS)/benchstat-$(BENCHSTAT_VERSION)

# A tree that git cannot read (a tarball, another owner) builds too, without a commit stamp.
VCS := $(if $(shell git rev-parse HEAD 2>/dev/null),,-buildvcs=false)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##
## Products

# out/ holds Go sources too (the mutants); a module of its own keeps them out of ./...
$(OUT)/go.mod:
	@mkdir -p $(OUT)
	@printf 'module out\n' >$@

.PHONY: build
build: $(OUT)/go.mod ## build every command into out/bin
	@mkdir -p $(BIN)
	go build -trimpath $(VCS) -o $(BIN)/ ./cmd/...

.PHONY: demo
demo: build ## certify the reference server and say where the report is
	@.ci/certify $(OUT)/demo
	@printf '\nThe report: %s (to read), %s (to process), %s (for a CI server)\n' \
	  $(OUT)/demo/report.html $(OUT)/demo/report.json $(OUT)/demo/report.xml

##
## Tiers

.PHONY: test
test: ## everything `go test` runs, then a core certification of the reference server
	@$(STAGE) "go test" go test -timeout 4m ./...
	@$(STAGE) "build" $(MAKE) build
	@$(STAGE) "core certification" .ci/certify $(OUT)/test

.PHONY: ci
ci: ## lint, race detector, regeneration, independence, models, coverage, self-test, interoperability, soak, fuzzing, simulation
	@$(STAGE) "lint" $(MAKE) lint
	@$(STAGE) "independence" .ci/independence
	@$(STAGE) "generated files" .ci/unchanged "go generate ./..." spec vectors
	@if command -v spin >/dev/null; then $(STAGE) "models" $(MAKE) models; \
	else echo "== models: NOT CHECKED, there is no spin command" >&2; fi
	@$(STAGE) "race detector" $(MAKE) race
	@$(STAGE) "coverage of the core" $(MAKE) coverage
	@$(STAGE) "self-test of the suite" $(MAKE) selftest
	@$(STAGE) "interoperability" $(MAKE) interop
	@$(STAGE) "a short soak" $(MAKE) soak SOAK=15s
	@$(STAGE) "fuzzing" $(MAKE) fuzz-ci FUZZTIME=5s
	@$(STAGE) "a short simulation" $(MAKE) sim SIM=500
	@$(STAGE) "planted faults" $(MAKE) sim-faults

.PHONY: nightly
nightly: ## ci, then long properties, simulation, fuzzing and other architectures
	@$(MAKE) test
	@$(MAKE) ci
	@$(STAGE) "self-test of the suite, whole" $(MAKE) selftest SELFTEST="--slow --full"
	@$(STAGE) "long properties" env RAPID_CHECKS=20000 go test -count=1 -timeout 60m ./...
	@$(STAGE) "race detector, repeated" go test -race -count=5 -timeout 60m $(PACKAGES)
	@$(STAGE) "fuzzing" $(MAKE) fuzz-ci FUZZTIME=5m
	@$(STAGE) "soak" $(MAKE) soak
	@$(STAGE) "simulation" $(MAKE) sim SIM=100000
	@$(STAGE) "simulation elsewhere" $(MAKE) sim-elsewhere SIM=10000
	@$(STAGE) "other architectures" $(MAKE) architectures

##
## Parts of the tiers

# Every package but the root, whose tests read the tree and run no code of it.
PACKAGES = $$(go list ./... | tail -n +2)

.PHONY: race
race: ## the packages' tests under the race detector
	go test -race -short -timeout 8m $(PACKAGES)

.PHONY: lint
lint: $(GOFUMPT) $(GOLANGCI_LINT) ## gofumpt, go vet, golangci-lint, go.mod
	@unformatted=$$($(GOFUMPT) -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "run make fmt; not formatted:" $$unformatted >&2; exit 1; fi
	go vet ./...
	go -C bench vet ./...
	$(GOLANGCI_LINT) run ./...
	go mod tidy -diff
	go mod verify

.PHONY: generate
generate: ## write the generated files anew
	go generate ./...

.PHONY: selftest
selftest: build mutants ## the suite against broken, degenerate and odd but legal peers
	@rm -rf $(OUT)/selftest && mkdir -p $(OUT)/selftest
	cp deploy/certify.yaml $(OUT)/selftest/
	$(BIN)/bpci-xtmp-server keygen --out $(OUT)/selftest/identity.pem
	$(BIN)/bpci-xtmp-server keygen --kind 2 --out $(OUT)/selftest/identity-2.pem
	$(BIN)/xtmp-conform selftest --out $(OUT)/selftest --mutants $(OUT)/mutants/xtmp-mutant $(SELFTEST) \
	  --profile core,suites,integrity-only,probe,udp,failover,websocket \
	  --reference '$(BIN)/bpci-xtmp-server start --config $(OUT)/selftest/certify.yaml'

.PHONY: kill-matrix
kill-matrix: ## the self-test with slow mutants, and docs/kill-matrix.md anew
	$(MAKE) selftest SELFTEST=--slow
	cp $(OUT)/selftest/kill-matrix.md docs/kill-matrix.md

.PHONY: mutants
mutants: $(OUT)/go.mod ## build the deliberately broken servers
	@mkdir -p $(OUT)/mutants
	go run ./cmd/xtmp-mutant overlay $(OUT)/mutants
	go build $(VCS) -overlay $(OUT)/mutants/overlay.json -o $(OUT)/mutants/xtmp-mutant ./cmd/xtmp-mutant

.PHONY: models
models: $(OUT)/go.mod ## the models of spec/models with Spin; mutants of them must fail
	@.ci/models $(OUT)/models

.PHONY: interop
interop: build ## an independent implementation in JavaScript, as server and as client
	cd conformance/interop/node && npm ci --no-audit --no-fund && npm test
	.ci/interop $(OUT)/interop

SIM ?= 10000
SEEDS = --seeds 0-$$(($(SIM) - 1))

.PHONY: sim
sim: build ## SIM runs of whole servers and clients on a simulated network, twice; they are the same
	@mkdir -p $(OUT)/sim
	$(BIN)/xtmp-netsim run $(SEEDS) --hashes $(OUT)/sim/first.txt
	$(BIN)/xtmp-netsim run $(SEEDS) --hashes $(OUT)/sim/second.txt
	cmp $(OUT)/sim/first.txt $(OUT)/sim/second.txt
	$(BIN)/xtmp-netsim run $(SEEDS) --light
	$(BIN)/xtmp-netsim run netsim/world/testdata/plans/hours

.PHONY: sim-faults
sim-faults: $(OUT)/go.mod ## faults planted in the core: the simulator finds each, and shrinks it
	@.ci/sim-faults $(OUT)/planted

.PHONY: sim-elsewhere
sim-elsewhere: SIM = 1000
sim-elsewhere: build ## SIM runs on 386 and on wasm (needs Node); they are the same
	@mkdir -p $(OUT)/sim
	GOARCH=386 CGO_ENABLED=0 go build $(VCS) -o $(OUT)/sim/netsim-386 ./cmd/xtmp-netsim
	GOOS=js GOARCH=wasm go build $(VCS) -o $(OUT)/sim/netsim.wasm ./cmd/xtmp-netsim
	$(BIN)/xtmp-netsim run $(SEEDS) --hashes $(OUT)/sim/here.txt
	$(OUT)/sim/netsim-386 run $(SEEDS) --hashes $(OUT)/sim/386.txt
	cmp $(OUT)/sim/here.txt $(OUT)/sim/386.txt
	$$(go env GOROOT)/lib/wasm/go_js_wasm_exec $(OUT)/sim/netsim.wasm run $(SEEDS) --hashes $(OUT)/sim/wasm.txt
	cmp $(OUT)/sim/here.txt $(OUT)/sim/wasm.txt

FUZZTIME ?= 10s

.PHONY: fuzz-ci
fuzz-ci: ## every fuzz target for FUZZTIME each, 10s if it is not given
	@.ci/fuzz $(FUZZTIME)

.PHONY: architectures
architectures: ## run on 386; compile for a big-endian and other machines
	GOARCH=386 CGO_ENABLED=0 go test -timeout 20m ./spec/... ./vectors/... ./refimpl/... ./netsim/...
	for target in linux/arm64 linux/riscv64 linux/s390x darwin/arm64; do \
	  echo "build $$target"; \
	  GOOS=$${target%/*} GOARCH=$${target#*/} CGO_ENABLED=0 go build ./...; \
	  GOOS=$${target%/*} GOARCH=$${target#*/} CGO_ENABLED=0 go vet ./spec/... ./vectors/... ./refimpl/... ./netsim/...; \
	done

.PHONY: coverage
coverage: $(OUT)/go.mod ## the core's statement coverage by its own tests, at least 95 %
	@.ci/coverage $(OUT)/coverage

.PHONY: bench-core bench-idle bench-hostile
bench-core: ## throughput, latency and handshakes, with the peers beside them
	@.ci/bench-core $(OUT)/bench
	@.ci/bench core $(OUT)/bench
bench-idle: ## memory and processor time of 10 000 idle sessions
	@.ci/bench idle $(OUT)/bench
bench-hostile: ## an honest client beside connections that trickle and flood
	@.ci/bench hostile $(OUT)/bench

.PHONY: soak
SOAK ?= 10m
soak: ## visitors of every kind for SOAK; nothing of them may be left
	@.ci/bench soak $(OUT)/bench -time $(SOAK)

##
## House-keeping

.PHONY: tools
tools: $(GOFUMPT) $(GOLANGCI_LINT) $(BENCHSTAT) ## build the pinned tools into .cache/bin

# $(call install,MODULE@VERSION,TARGET): a tool's file carries its version, so a new pin is a new file.
define install
	@mkdir -p $(TOOLS)/tmp
	GOBIN=$(abspath $(TOOLS)/tmp) GOFLAGS= go install $(1)
	@mv $(TOOLS)/tmp/$(notdir $(firstword $(subst @, ,$(1)))) $(2)
endef

$(GOFUMPT):
	$(call install,mvdan.cc/gofumpt@$(GOFUMPT_VERSION),$@)

$(GOLANGCI_LINT):
	$(call install,github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION),$@)

$(BENCHSTAT):
	$(call install,golang.org/x/perf/cmd/benchstat@$(BENCHSTAT_VERSION),$@)

.PHONY: fmt
fmt: $(GOFUMPT) ## format every Go file
	$(GOFUMPT) -w $$(git ls-files --cached --others --exclude-standard '*.go')

.PHONY: clean
clean: ## remove products and reports; tools stay
	rm -rf $(OUT)

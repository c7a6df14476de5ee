# Everything a developer runs. `make help` lists it.

# What Dockit does not need of Caddy is left out; xcaddy builds with the same tags.
TAGS          := nobadger,nomysql,nopgx
GOLANGCI_LINT := bin/golangci-lint-v2.15.0
# Runs go test, and keeps what it says: what was skipped stands at the end.
GOTESTSUM     := bin/gotestsum-v1.13.0
RESULTS       := bin/test-results
FUZZTIME      ?= 10s
KILLS         ?= 1000
USERS         ?= 1000000
# Of make soak: kills or everything. DATABASE is sqlite or mariadb, which may have NODES=2.
MODE          ?= kills
DATABASE      ?= sqlite
NODES         ?= 1
FLOOD         ?= 60s

# The race detector needs a C compiler. CI does not go without. It does not watch SQLite's C, translated to Go, nor blowfish:
# both are slow under it, and neither starts a goroutine. (No package that instantiates generics may be left out: the linker may
# take its unwatched copy for all, and races are seen where none are.)
RACE := $(shell command -v $$(go env CC) >/dev/null 2>&1 && echo -race)
ifeq ($(RACE)$(CI),)
$(warning no C compiler found: tests run without the race detector)
endif
ifneq ($(RACE)$(CI),)
RACE := -race $(foreach package,modernc.org/sqlite/lib golang.org/x/crypto/blowfish,'-gcflags=$(package)=-race=false')
endif
# Or each program that is watched sleeps for a second at its end.
TEST_ENV := CGO_ENABLED=$(if $(RACE),1,0) GORACE=atexit_sleep_ms=0

.DEFAULT_GOAL := help

.PHONY: demo
demo: ## show Dockit protecting a real registry (ONCE=1: end by itself)
	@go build -C e2e -o ../bin/demo ./demo
	@ONCE=$(ONCE) bin/demo

# $(call gotest,FOLDER,FORMAT) is go test in a folder.
gotest = cd $(1) && $(TEST_ENV) $(CURDIR)/$(GOTESTSUM) --format $(2) --jsonfile $(CURDIR)/$(RESULTS)/$@.json --

.PHONY: test
test: test-unit test-manifests test-e2e test-litestream test-cluster ## run all tests; installs what they need, and says at the end what was not run
	@printf '\nAll of it, and what this machine could not run:\n'
	@$(GOTESTSUM) --format none --hide-summary failed,errors,output --raw-command -- cat $(^:%=$(RESULTS)/%.json)

.PHONY: test-unit
test-unit: $(GOTESTSUM) test-mariadb ## run the tests of the main module
	@mkdir -p $(RESULTS)
	$(call gotest,.,pkgname) $(RACE) -timeout 20m -tags $(TAGS) ./...

.PHONY: soak
soak: soak-$(MODE) ## kill a server that writes KILLS times (default 1000; test: 100) and look for what it lost, or with MODE=everything do everything for LENGTH and look for what it keeps

.PHONY: soak-kills
soak-kills:
	DOCKIT_TEST_KILLS=$(KILLS) $(TEST_ENV) go test $(RACE) -tags $(TAGS) -count=1 -timeout 60m -v -run '^TestCrashes$$' ./cmd/dockit

.PHONY: soak-everything
soak-everything:
	@CGO_ENABLED=0 go build -C e2e -o ../bin/soak ./soak
	@bin/soak -length $(or $(LENGTH),30m) -database $(DATABASE) -nodes $(NODES)

.PHONY: faults
faults: test-mariadb ## have a bad line between two Dockits and MariaDB for LENGTH (default 5m), as with the SEED of a run before
	cd e2e && DOCKIT_TEST_FAULTS=$(or $(LENGTH),5m) DOCKIT_TEST_FAULTS_SEED=$(SEED) $(TEST_ENV) go test $(RACE) -count=1 -timeout 0 -v -run '^TestFaults$$' ./cluster

.PHONY: clocks
clocks: test-mariadb ## have the clock of one of two Dockits jump for LENGTH (default 5m)
	cd e2e && DOCKIT_TEST_CLOCKS=$(or $(LENGTH),5m) $(TEST_ENV) go test $(RACE) -count=1 -timeout 0 -v -run '^TestClocks$$' ./cluster

.PHONY: scale
scale: ## measure a database of USERS users (default 1000000) against a small one
	@CGO_ENABLED=0 go build -C e2e -o ../bin/scale ./scale
	@bin/scale -users $(USERS)

.PHONY: flood
flood: ## flood a server with wrong passwords and with streams that are reset, each for FLOOD (default 60s), also in 128 MiB
	DOCKIT_TEST_FLOOD=$(FLOOD) CGO_ENABLED=0 go test -C e2e -count=1 -timeout 60m -v ./flood

# Results are not cached: go does not know that these tests depend on the main module.
.PHONY: test-e2e
test-e2e: $(GOTESTSUM) test-requirements ## run the end-to-end tests against real registries
	@mkdir -p $(RESULTS)
	$(call gotest,e2e,pkgname) $(RACE) -count=1 -timeout 20m . ./internal/... ./scale ./soak ./flood

.PHONY: test-litestream
test-litestream: $(GOTESTSUM) ## run the test of Dockit and Litestream on a machine that is lost again and again
	scripts/get-litestream bin
	@mkdir -p $(RESULTS)
	$(call gotest,e2e,standard-verbose) $(RACE) -count=1 -timeout 10m ./litestream

.PHONY: test-cluster
test-cluster: $(GOTESTSUM) test-mariadb ## run the test of two Dockits on a Galera cluster whose nodes fail
	scripts/get-galera bin/galera
	@mkdir -p $(RESULTS)
	$(call gotest,e2e,standard-verbose) $(RACE) -count=1 -timeout 10m ./cluster

.PHONY: test-manifests
test-manifests: TEST_ENV := CGO_ENABLED=0
test-manifests: $(GOTESTSUM) ## check the manifests for Kubernetes against published schemas
	@mkdir -p $(RESULTS)
	$(call gotest,examples/kubernetes,pkgname) ./...

.PHONY: test-mariadb
test-mariadb: ## get the MariaDB that the tests of the store run
	scripts/get-mariadb

.PHONY: test-requirements
test-requirements: ## get the registry 2.8, the clients and fail2ban that the end-to-end tests run
	scripts/get-docker-registry bin
	scripts/get-clients bin/clients
	scripts/get-fail2ban bin/fail2ban

.PHONY: lint
lint: $(GOLANGCI_LINT) ## check style and look for mistakes
	$(GOLANGCI_LINT) run ./...
	cd e2e && ../$(GOLANGCI_LINT) run ./...
	cd e2e/clients && ../../$(GOLANGCI_LINT) run ./...
	cd examples/kubernetes && ../../$(GOLANGCI_LINT) run ./...
	go mod tidy -diff
	go -C e2e mod tidy -diff
	go -C e2e/clients mod tidy -diff
	go -C examples/kubernetes mod tidy -diff

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## format the code as lint wants it
	$(GOLANGCI_LINT) fmt ./...
	cd e2e && ../$(GOLANGCI_LINT) fmt ./...
	cd e2e/clients && ../../$(GOLANGCI_LINT) fmt ./...
	cd examples/kubernetes && ../../$(GOLANGCI_LINT) fmt ./...

.PHONY: build
build: ## build the standalone binary bin/dockit
	CGO_ENABLED=0 go build -trimpath -tags $(TAGS) -o bin/dockit ./cmd/dockit

.PHONY: pin-images
pin-images: ## renew the images that Dockerfile and examples pin by digest
	scripts/pin-images

.PHONY: fuzz
fuzz: ## run every fuzz test for FUZZTIME (default 10s)
	scripts/fuzz $(FUZZTIME)

.PHONY: clean
clean: ## remove what was built here
	rm -rf bin

.PHONY: help
help: ## show this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# One file for each version, so that another version is another target.
$(GOLANGCI_LINT):
	GOBIN=$(CURDIR)/bin CGO_ENABLED=0 go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(patsubst bin/golangci-lint-%,%,$@)
	mv bin/golangci-lint $@

$(GOTESTSUM):
	GOBIN=$(CURDIR)/bin CGO_ENABLED=0 go install gotest.tools/gotestsum@$(patsubst bin/gotestsum-%,%,$@)
	mv bin/gotestsum $@

# Everything a developer runs. `make help` lists it.

# What Dockit does not need of Caddy is left out; xcaddy builds with the same tags.
TAGS          := nobadger,nomysql,nopgx
GOLANGCI_LINT := bin/golangci-lint-v2.15.0
# Runs go test, and keeps what it says: what was skipped stands at the end.
GOTESTSUM     := bin/gotestsum-v1.13.0
RESULTS       := bin/test-results
GORELEASER    := bin/goreleaser-v2.15.1
SYFT_VERSION  := 1.57.1
SYFT          := bin/syft-v$(SYFT_VERSION)/syft
# Measured beside Dockit by make bench, where its module can be had.
DOCKER_AUTH   := bin/docker_auth-c67e1750ff5e
FUZZTIME      ?= 10s
KILLS         ?= 1000
USERS         ?= 1000000
# Of make soak: kills or everything. DATABASE is sqlite or mariadb, which may have NODES=2.
MODE          ?= kills
DATABASE      ?= sqlite
NODES         ?= 1
FLOOD         ?= 60s
# Of make release-check: some of linux, darwin, windows and freebsd, with linux; all by default.
SYSTEMS       ?=
# Of make chart.
CHART         ?= dist/dockit-chart.tgz
# Of make test-fresh.
KINDS         ?= root container user
RUN           ?= make ONCE=1 demo test

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

# A demo is to begin soon, and nobody measures it: the compiler leaves out what takes it time. It is built as what it builds, so
# that what they share is compiled once.
DEMO_GCFLAGS := all=-N -l -dwarf=false

.PHONY: demo
demo: ## show Dockit protecting a real registry (ONCE=1: end by itself)
	@CGO_ENABLED=0 go build -C e2e -trimpath '-gcflags=$(DEMO_GCFLAGS)' -o ../bin/demo ./demo
	@ONCE=$(ONCE) DOCKIT_TEST_GCFLAGS='$(DEMO_GCFLAGS)' bin/demo

# $(call get,PROGRAMS) gets what tests run. Without CI a machine may lack it: what needs it is skipped, and listed at the end.
get = scripts/get-$(1)$(if $(CI),, || echo 'get-$(firstword $(1)) got nothing: what needs it is skipped' >&2)

# $(call gotest,FOLDER,FORMAT) is go test in a folder.
gotest = cd $(1) && $(TEST_ENV) $(CURDIR)/$(GOTESTSUM) --format $(2) --jsonfile $(CURDIR)/$(RESULTS)/$@.json --

.PHONY: test
test: test-unit test-manifests test-e2e test-litestream test-cluster ## run all tests; installs what they need, and says at the end what was not run
	@printf '\nAll of it, and what this machine could not run, with the reasons:\n'
	@$(GOTESTSUM) --format none --hide-summary failed,errors --raw-command -- cat $(^:%=$(RESULTS)/%.json)
	@$(if $(RACE),,echo 'Nothing ran under the race detector: there is no C compiler')

.PHONY: test-unit
test-unit: $(GOTESTSUM) test-mariadb ## run the tests of the main module
	@mkdir -p $(RESULTS)
	$(call gotest,.,pkgname) $(RACE) -timeout 20m -tags $(TAGS) ./...

# What a token request goes through. The limits are those of the tests, not of the compiler.
.PHONY: test-small
test-small: ## run the tests of the token endpoint in 64 MiB of memory for Go, on one core
	CGO_ENABLED=0 go test -tags $(TAGS) -count=1 -timeout 20m -exec 'env GOMEMLIMIT=64MiB GOMAXPROCS=1' \
		. ./access ./handlers ./internal/auth/... ./internal/cache ./internal/token ./pki

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

.PHONY: bench
bench: ## measure what a token request costs against what cannot be avoided (BENCH='-json -only ^access_token$$', see bin/bench -help)
	@CGO_ENABLED=0 go build -C e2e -o ../bin/bench ./bench
	@scripts/get-docker-auth bin || echo 'there is no docker_auth to measure beside' >&2
	@bin/bench $(if $(wildcard $(DOCKER_AUTH)),-docker-auth $(DOCKER_AUTH)) $(BENCH)

.PHONY: jobs
jobs: ## measure what jobs have of a login with the token of their issuer: long pushes, an issuer that is away, unknown keys, cost (JOBS='-only cost', see bin/jobs -help)
	@CGO_ENABLED=0 go build -C e2e -o ../bin/jobs ./jobs
	@bin/jobs $(JOBS)

.PHONY: interop
interop: ## try every client at every registry, and write docs/interoperability.md (INTEROP='-clients ^crane$$' writes nothing, see bin/interop -help)
	$(call get,docker-registry bin)
	$(call get,interop-clients bin/clients)
	@CGO_ENABLED=0 go build -C e2e -o ../bin/interop ./interop
	@bin/interop $(or $(INTEROP),-write docs/interoperability.md)

.PHONY: flood
flood: ## flood a server with wrong passwords and with streams that are reset, each for FLOOD (default 60s), also in 128 MiB
	DOCKIT_TEST_FLOOD=$(FLOOD) CGO_ENABLED=0 go test -C e2e -count=1 -timeout 60m -v ./flood

# Results are not cached: go does not know that these tests depend on the main module.
.PHONY: test-e2e
test-e2e: $(GOTESTSUM) test-requirements test-mariadb ## run the end-to-end tests against real registries
	@mkdir -p $(RESULTS)
	$(call gotest,e2e,pkgname) $(RACE) -count=1 -timeout 20m . ./internal/... ./scale ./soak ./flood ./bench ./jobs ./interop ./page ./demo ./registry

# Building the API server takes many minutes the first time, which is why make test does without.
.PHONY: conformance
conformance: $(GOTESTSUM) ## run the distribution specification's conformance suite at registries without Dockit, beside it and behind it
	$(call get,docker-registry bin)
	@mkdir -p $(RESULTS)
	$(call gotest,e2e,standard-verbose) -count=1 -timeout 60m -tags conformance -run '^TestConformance$$' .

.PHONY: test-kubernetes
test-kubernetes: ## run the tests with a real API server of Kubernetes: as issuer, with the plugin of its kubelets, the controller, the doctor, and every manifest
	scripts/get-etcd bin
	cd e2e && $(TEST_ENV) go test -tags kubeapiserver -count=1 -timeout 90m -v \
		-run '^(TestServiceAccounts|TestKubeletPulls|TestPullSecrets|TestPullSecretsOfNamespaces|TestKubernetesDoctor|TestInCluster|TestManifestsAreTaken)$$' .

.PHONY: test-kubernetes-module
test-kubernetes-module: ## run the tests of dockit-kubernetes, of the Helm chart and of the kustomization, and check their manifests against schemas
	cd kubernetes && CGO_ENABLED=0 go test -count=1 -timeout 30m ./...

# As it is released: the tests of its size build it so too.
.PHONY: credential-provider
credential-provider: ## build the kubelet's plugin bin/dockit-credential-provider
	CGO_ENABLED=0 go build -trimpath -tags nethttpomithttp2 -ldflags '-s -w' -o bin/dockit-credential-provider ./cmd/dockit-credential-provider

.PHONY: dockit-kubernetes
dockit-kubernetes: ## build bin/dockit-kubernetes
	CGO_ENABLED=0 go build -C kubernetes -trimpath -ldflags '-s -w' -o ../bin/dockit-kubernetes ./cmd/dockit-kubernetes

.PHONY: chart
chart: ## pack the Helm chart as CHART (default dist/dockit-chart.tgz), of VERSION if there is one, whose images it names
	@rm -rf dist/chart && mkdir -p dist/chart $(dir $(CHART)) && cp -R examples/helm/dockit dist/chart/ && rm -rf dist/chart/dockit/ci
	@$(if $(VERSION),sed -i.unchanged -e 's/^version: .*/version: $(VERSION:v%=%)/' -e 's/^appVersion: .*/appVersion: "$(VERSION:v%=%)"/' dist/chart/dockit/Chart.yaml && rm dist/chart/dockit/Chart.yaml.unchanged)
	tar -C dist/chart --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -czf $(CHART) dockit

.PHONY: chart-push
chart-push: chart ## send the packed chart to CHART_REGISTRY, oci://HOST/PATH, as an OCI artifact; needs helm and its login
	helm push $(CHART) $(CHART_REGISTRY)

.PHONY: test-fresh
test-fresh: ## run README's commands on a bare Debian: as root, as root of a container without privileges, and as a user (KINDS="container user" RUN="make test-e2e")
	@for kind in $(KINDS); do echo "$$kind:"; scripts/fresh-machine $$kind $(RUN) || exit; done

.PHONY: test-litestream
test-litestream: $(GOTESTSUM) ## run the test of Dockit and Litestream on a machine that is lost again and again
	$(call get,litestream bin)
	@mkdir -p $(RESULTS)
	$(call gotest,e2e,standard-verbose) $(RACE) -count=1 -timeout 10m ./litestream

.PHONY: test-cluster
test-cluster: $(GOTESTSUM) test-mariadb ## run the test of two Dockits on a Galera cluster whose nodes fail
	$(call get,galera bin/galera)
	@mkdir -p $(RESULTS)
	$(call gotest,e2e,standard-verbose) $(RACE) -count=1 -timeout 10m ./cluster

.PHONY: test-manifests
test-manifests: TEST_ENV := CGO_ENABLED=0
test-manifests: $(GOTESTSUM) ## check the manifests for Kubernetes against published schemas
	@mkdir -p $(RESULTS)
	$(call gotest,examples/kubernetes,pkgname) ./...

.PHONY: test-mariadb
test-mariadb: ## get the MariaDB that the tests of the store run
	$(call get,mariadb)

.PHONY: test-requirements
test-requirements: ## get the registry 2.8, the clients, fail2ban, Prometheus, systemd, Ansible, nginx, HAProxy and a browser that the end-to-end tests run
	$(call get,docker-registry bin)
	$(call get,clients bin/clients)
	$(call get,fail2ban bin/fail2ban)
	$(call get,prometheus bin/prometheus)
	$(call get,administration)
	$(call get,proxies bin/proxies)
	$(call get,browser bin)

.PHONY: lint
lint: $(GOLANGCI_LINT) ## check style and look for mistakes
	$(GOLANGCI_LINT) run ./...
	cd e2e && ../$(GOLANGCI_LINT) run ./...
	cd e2e/clients && ../../$(GOLANGCI_LINT) run ./...
	cd examples/kubernetes && ../../$(GOLANGCI_LINT) run ./...
	cd kubernetes && ../$(GOLANGCI_LINT) run ./...
	go mod tidy -diff
	go -C e2e mod tidy -diff
	go -C e2e/clients mod tidy -diff
	go -C e2e/kubernetes mod tidy -diff
	go -C examples/kubernetes mod tidy -diff
	go -C kubernetes mod tidy -diff

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## format the code as lint wants it
	$(GOLANGCI_LINT) fmt ./...
	cd e2e && ../$(GOLANGCI_LINT) fmt ./...
	cd e2e/clients && ../../$(GOLANGCI_LINT) fmt ./...
	cd examples/kubernetes && ../../$(GOLANGCI_LINT) fmt ./...
	cd kubernetes && ../$(GOLANGCI_LINT) fmt ./...

.PHONY: docs
docs: ## write docs/reference anew, from the code
	DOCKIT_TEST_WRITE_REFERENCE=1 CGO_ENABLED=0 go test -count=1 -tags $(TAGS) -run '^TestReference' . ./handlers ./cmd/dockit

.PHONY: screenshots
screenshots: ## write the pictures of the page in docs/images anew
	$(call get,browser bin)
	DOCKIT_TEST_WRITE_PICTURES=1 CGO_ENABLED=0 go test -C e2e -count=1 -v -run '^TestPictures$$' ./page

.PHONY: build
build: ## build the standalone binary bin/dockit
	CGO_ENABLED=0 go build -trimpath -tags $(TAGS) -o bin/dockit ./cmd/dockit

.PHONY: release-check
release-check: TEST_ENV := CGO_ENABLED=0
release-check: $(GOTESTSUM) $(GORELEASER) $(SYFT) ## make the release of this commit, in a clone, and look at it: archives, packages, SBOMs, images (SYSTEMS=linux is quicker)
	$(GORELEASER) check
	$(call get,packaging bin/packaging)
	$(call get,clients bin/clients)
	@mkdir -p $(RESULTS)
	DOCKIT_TEST_SYSTEMS="$(SYSTEMS)"; export DOCKIT_TEST_SYSTEMS; $(call gotest,e2e,standard-verbose) -count=1 -timeout 3h ./release

.PHONY: image-check
image-check: TEST_ENV := CGO_ENABLED=0
image-check: $(GOTESTSUM) $(SYFT) ## build the Dockerfile by BuildKit, for both architectures, and look at the images, SBOMs and provenance (PLATFORMS=linux/amd64 is quicker)
	$(call get,clients bin/clients)
	$(call get,buildkit bin/clients)
	@mkdir -p $(RESULTS)
	DOCKIT_TEST_PLATFORMS="$(PLATFORMS)"; export DOCKIT_TEST_PLATFORMS; $(call gotest,e2e,standard-verbose) -count=1 -timeout 2h ./image

.PHONY: release
release: $(GORELEASER) $(SYFT) ## build everything that the tag of this commit is released as into dist/, and publish nothing
	PATH="$(CURDIR)/$(dir $(SYFT)):$$PATH" $(GORELEASER) release --clean --skip=publish,announce --timeout 3h

.PHONY: image
image: ## build the image IMAGE (default dockit) for amd64 and arm64 with SBOM and provenance into dist/image.tar; needs buildx
	@mkdir -p dist
	docker buildx build --platform linux/amd64,linux/arm64 --sbom=true --provenance=mode=max --output type=oci,dest=dist/image.tar \
		--build-arg VERSION=$(or $(VERSION),$$(git describe --tags --always)) --build-arg COMMIT=$$(git rev-parse HEAD) \
		--build-arg CREATED=$$(git log -1 --format=%cI) --tag $(or $(IMAGE),dockit) .

.PHONY: image-kubernetes
image-kubernetes: ## build the image IMAGE (default dockit-kubernetes) of dockit-kubernetes with the kubelet's plugin likewise into dist/image-kubernetes.tar
	@mkdir -p dist
	docker buildx build --target kubernetes --platform linux/amd64,linux/arm64 --sbom=true --provenance=mode=max --output type=oci,dest=dist/image-kubernetes.tar \
		--build-arg VERSION=$(or $(VERSION),$$(git describe --tags --always)) --build-arg COMMIT=$$(git rev-parse HEAD) \
		--build-arg CREATED=$$(git log -1 --format=%cI) --tag $(or $(IMAGE),dockit-kubernetes) .

.PHONY: reproducible
reproducible: ## build dockit and dockit-credential-provider of this commit twice, apart from each other, and compare
	scripts/reproducible

.PHONY: pin-images
pin-images: ## renew the images that Dockerfile and examples pin by digest
	scripts/pin-images

.PHONY: fuzz
fuzz: ## run every fuzz test for FUZZTIME (default 10s)
	scripts/fuzz $(FUZZTIME)

.PHONY: clean
clean: ## remove what was built here
	rm -rf bin dist dist-files

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

$(GORELEASER):
	GOBIN=$(CURDIR)/bin CGO_ENABLED=0 go install github.com/goreleaser/goreleaser/v2@$(patsubst bin/goreleaser-%,%,$@)
	mv bin/goreleaser $@

# goreleaser runs it by this name.
$(SYFT):
	GOBIN=$(CURDIR)/$(dir $@) CGO_ENABLED=0 go install -ldflags '-X main.version=$(SYFT_VERSION)' github.com/anchore/syft/cmd/syft@v$(SYFT_VERSION)

# Footfall. `make` alone lists the targets; each works in a bare clone.

VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK := v0.8.1
FUZZTIME    ?= 20s
BENCH       ?= .
BENCHSTAT   := v0.0.0-20260908200009-22c9c6c9d4da
VERSITYGW   := v1.8.0
GOFAKES3    := v1.2.0
COUNT       ?= 6
SOAK        ?= 1
DEMO        ?= --data ./footfall-demo --listen 127.0.0.1:8080

GO          ?= go
TOOLS       := $(CURDIR)/.tools
CHROMIUM    := chromium chromium-browser google-chrome
SERVERS     := $(TOOLS)/versitygw-$(VERSITYGW) $(TOOLS)/gofakes3-$(GOFAKES3)
FAULTS      := ^Test(Crash|Damage|Fail|Fault|Full|Kill|SnapshotSiege)

# The same flags on every machine: a static binary that tells nothing about the place it was built in.
export CGO_ENABLED = 0
export GOFLAGS     = -buildvcs=false
LDFLAGS     := -s -w -X main.version=$(VERSION)

ASSETS      := assets/dist/app/index.html
MODULES     := assets/node_modules/.package-lock.json
INPUTS      := $(shell find assets \( -name node_modules -o -name dist \) -prune -o -type f ! -name '*.go' -print)

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help assets build run tools test e2e race lint soak bench bench-compare fuzz clean chromium strace slowhttptest nginx

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

assets: $(ASSETS) ## build what browsers receive (needs Node.js 20 or later)

$(MODULES): assets/package.json assets/package-lock.json
	@command -v npm >/dev/null || { echo "make: npm was not found: install Node.js 20 or later" >&2; exit 1; }
	cd assets && npm ci --no-audit --no-fund
	@touch $@

$(ASSETS): $(MODULES) $(INPUTS)
	cd assets && npm run --silent build
	@touch $@

build: assets ## build the binary ./footfall with everything inside
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o footfall .

run: build ## build and serve the demo (DEMO='--data DIR --listen HOST:PORT')
	./footfall demo $(DEMO)

tools: $(SERVERS) ## install the S3 servers that tests talk to into .tools (some minutes, once)

test: assets chromium strace slowhttptest nginx tools ## run every test, the browser's too
	cd assets && npm test --silent
	$(GO) test -vet=off -timeout 11m ./...

e2e: assets chromium strace slowhttptest nginx tools ## run only the tests that drive the built binary
	$(GO) test -vet=off -count=1 -timeout 11m ./dashboard/e2e

soak: assets strace tools ## run the fault tests in their long form, see docs/testing.md (SOAK=3: three times; SOAK=8h: for that long)
	@case '$(SOAK)' in *h) unit=3600;; *m) unit=60;; *) unit=0;; esac; n=$$(echo '$(SOAK)' | tr -d hm); began=$$(date +%s); round=0; \
	while [ $$unit = 0 ] && [ $$round -lt $$n ] || [ $$(($$(date +%s) - began)) -lt $$((n * unit)) ]; do \
		round=$$((round + 1)); echo "round $$round"; \
		SOAK=1 $(GO) test -vet=off -v -count=1 -p 1 -timeout 24h -run '$(FAULTS)' ./storage/... ./dashboard/e2e || exit 1; \
	done

race: assets tools ## run the tests, but e2e, with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -vet=off -race -timeout 30m $$($(GO) list ./... | grep -v /e2e)

lint: $(TOOLS)/staticcheck-$(STATICCHECK) $(MODULES) ## gofmt, vet, staticcheck, tsc
	@bad=$$(find . -name node_modules -prune -o -name '*.go' -print | xargs gofmt -l); test -z "$$bad" || { echo "run gofmt -w on:" >&2; echo "$$bad" >&2; exit 1; }
	$(GO) vet ./...
	$(TOOLS)/staticcheck-$(STATICCHECK) ./...
	cd assets && npm run --silent check

$(TOOLS)/staticcheck-$(STATICCHECK):
	GOBIN=$(TOOLS) $(GO) install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK)
	@mv $(TOOLS)/staticcheck $@

$(TOOLS)/versitygw-$(VERSITYGW):
	GOBIN=$(TOOLS) $(GO) install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW)
	@mv $(TOOLS)/versitygw $@

$(TOOLS)/gofakes3-$(GOFAKES3):
	GOBIN=$(TOOLS) $(GO) install github.com/johannesboyne/gofakes3/cmd/gofakes3@$(GOFAKES3)
	@mv $(TOOLS)/gofakes3 $@

bench: build ## measure, against the budgets of the design (BENCH=Budgets: only those; BENCH_EVENTS=1M,10M,100M,shapes: which data)
	$(GO) test -vet=off -run '^$$' -bench '$(BENCH)' -benchmem -timeout 12h $$($(GO) list ./... | grep -v /workload) ./ingest/workload

bench-compare: assets $(TOOLS)/benchstat-$(BENCHSTAT) ## compare benchmarks with revision REF (BENCH=Line: which; COUNT=6 rounds; BENCH_EVENTS=1M: data)
	@REF='$(REF)' BENCH='$(BENCH)' COUNT='$(COUNT)' GO='$(GO)' BENCHSTAT=$(TOOLS)/benchstat-$(BENCHSTAT) .ci/bench-compare

$(TOOLS)/benchstat-$(BENCHSTAT):
	GOBIN=$(TOOLS) $(GO) install golang.org/x/perf/cmd/benchstat@$(BENCHSTAT)
	@mv $(TOOLS)/benchstat $@

fuzz: ## run each fuzz target for FUZZTIME (20s)
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -vet=off -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "$$p $$f"; \
			$(GO) test -vet=off -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p || exit 1; \
		done; \
	done

# The browser tests need Chromium: from Debian's packages where we may install them, else it is asked for.
chromium:
	@for c in $(CHROMIUM); do command -v $$c >/dev/null && exit 0; done; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium; \
	else \
		echo "make: the browser tests need Chromium: install the package chromium (one of: $(CHROMIUM)) and run make again" >&2; exit 1; \
	fi

# Some fault tests have strace fail system calls, and one has slowhttptest attack the server. They are skipped where there is none.
strace slowhttptest:
	@command -v $@ >/dev/null && exit 0; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $@; \
	else \
		echo "make: without $@ some tests are skipped: install the package $@ to run them" >&2; \
	fi

# The configurations in docs/ run in nginx, and in Caddy, Apache and HAProxy where these are installed. nginx is only unpacked: installed, it would start.
nginx:
	@if command -v nginx >/dev/null || test -x /usr/sbin/nginx || test -x $(TOOLS)/nginx/usr/sbin/nginx; then exit 0; fi; \
	mkdir -p $(TOOLS) && cd $(TOOLS) && { apt-get download -q nginx || { apt-get update -q && apt-get download -q nginx; }; } 2>/dev/null && \
		dpkg -x nginx_*.deb nginx && rm nginx_*.deb || \
		echo "make: without nginx its configurations in docs/ are not tried: install the package nginx to try them" >&2

clean: ## remove what make built; data directories stay
	rm -rf footfall .tools .tmp .bench assets/node_modules
	find assets/dist -mindepth 1 ! -name .keep -delete

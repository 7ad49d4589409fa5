# make test is everything that must hold; the rest are its parts and tools.

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME ?= 60s
SOAK ?= 2m

.PHONY: help build demo test test-setup check unit e2e lint bench soak fuzz screenshots

help:
	@echo 'make demo         the broker, two fake company upstreams and an app, on loopback'
	@echo 'make test         installs what the tests need and runs them all'
	@echo 'make check        gofmt and go vet'
	@echo 'make unit         the Go tests, with the race detector'
	@echo 'make e2e          a real browser and real peers; DATABASE=postgres or sqlite has all on that one'
	@echo 'make screenshots  every page: desktop and phone, light and dark'
	@echo 'make lint         golangci-lint'
	@echo 'make fuzz         each fuzz target for FUZZTIME ($(FUZZTIME))'
	@echo 'make bench        how fast it is'
	@echo 'make soak         two nodes under load that are killed and restarted, or whose keys rotate: SOAK ($(SOAK)) each'
	@echo 'make build        bin/signet, one file that needs no library of the system'

build:
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o bin/signet ./cmd/signet

demo:
	go run ./cmd/signet demo

test:
	@scripts/test.sh

test-setup:
	@scripts/test-setup.sh

check:
	@scripts/check.sh

unit:
	go test -race ./...

e2e: build
	@DATABASE=$(DATABASE) scripts/e2e.sh

screenshots: build
	@scripts/with-node.sh node screenshots.mjs $(CURDIR)/screenshots

lint: check
	go run $(GOLANGCI) run

bench:
	go run ./bench

soak:
	go test -count=1 -v -timeout 0 -run 'OnTwoNodes|RollingRestart|WhileKeysRotate' ./cmd/signet -soak $(SOAK)

fuzz:
	@FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

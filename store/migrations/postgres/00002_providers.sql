-- +goose Up
-- How often something was changed that every node keeps in memory, by name: read often, because it is cheap.
CREATE TABLE changes (
	name  TEXT NOT NULL PRIMARY KEY,
	count BIGINT NOT NULL
);

-- version counts the documents of a provider. peer names the upstream and our registration there: no two
-- providers may have the same. The document comes last, so that what is read of all passes over it.
CREATE TABLE providers (
	id       TEXT NOT NULL PRIMARY KEY,
	version  BIGINT NOT NULL,
	kind     TEXT NOT NULL,
	name     TEXT NOT NULL,
	peer     TEXT NOT NULL,
	disabled BIGINT NOT NULL,
	created  BIGINT NOT NULL,
	updated  BIGINT NOT NULL,
	sealed   BYTEA NOT NULL
);
CREATE UNIQUE INDEX providers_peer ON providers (peer) WHERE peer <> '';

-- verified is 0 until the domain's DNS has shown the token. A domain has one owner.
CREATE TABLE domains (
	domain   TEXT NOT NULL,
	provider TEXT NOT NULL,
	token    TEXT NOT NULL,
	created  BIGINT NOT NULL,
	verified BIGINT NOT NULL,
	PRIMARY KEY (domain, provider)
);
CREATE UNIQUE INDEX domains_owner ON domains (domain) WHERE verified > 0;
CREATE INDEX domains_provider ON domains (provider);

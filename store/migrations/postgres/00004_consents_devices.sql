-- +goose Up
-- What people have allowed to apps that are not first-party.
CREATE TABLE consents (
	user_id TEXT NOT NULL,
	app     TEXT NOT NULL,
	scope   TEXT NOT NULL,
	created BIGINT NOT NULL,
	PRIMARY KEY (user_id, app, scope)
);

-- Programs that wait for a person who allows them in a browser elsewhere. entries counts how often the code was
-- typed; the columns from user_id on are empty until somebody has allowed it.
CREATE TABLE devices (
	hash     BYTEA NOT NULL PRIMARY KEY,
	code     TEXT NOT NULL,
	app      TEXT NOT NULL,
	data     TEXT NOT NULL,
	expires  BIGINT NOT NULL,
	state    BIGINT NOT NULL,
	entries  BIGINT NOT NULL,
	user_id  TEXT NOT NULL,
	epoch    BIGINT NOT NULL,
	provider TEXT NOT NULL,
	answer   TEXT NOT NULL
);
CREATE UNIQUE INDEX devices_code ON devices (code);
CREATE INDEX devices_expires ON devices (expires);

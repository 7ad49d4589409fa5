-- +goose Up
-- What people have allowed to apps that are not first-party.
CREATE TABLE consents (
	user_id TEXT NOT NULL,
	app     TEXT NOT NULL,
	scope   TEXT NOT NULL,
	created INTEGER NOT NULL,
	PRIMARY KEY (user_id, app, scope)
) STRICT, WITHOUT ROWID;

-- Programs that wait for a person who allows them in a browser elsewhere. entries counts how often the code was
-- typed; the columns from user_id on are empty until somebody has allowed it.
CREATE TABLE devices (
	hash     BLOB NOT NULL PRIMARY KEY,
	code     TEXT NOT NULL,
	app      TEXT NOT NULL,
	data     TEXT NOT NULL,
	expires  INTEGER NOT NULL,
	state    INTEGER NOT NULL,
	entries  INTEGER NOT NULL,
	user_id  TEXT NOT NULL,
	epoch    INTEGER NOT NULL,
	provider TEXT NOT NULL,
	answer   TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX devices_code ON devices (code);
CREATE INDEX devices_expires ON devices (expires);

-- +goose Up
-- Requests that apps have pushed. One is removed when it is answered, and stays for the logins that began with it.
CREATE TABLE requests (
	hash    BLOB NOT NULL PRIMARY KEY,
	app     TEXT NOT NULL,
	data    TEXT NOT NULL,
	expires INTEGER NOT NULL
) STRICT;
CREATE INDEX requests_expires ON requests (expires);

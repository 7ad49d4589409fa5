-- +goose Up
-- Requests that apps have pushed. One is removed when it is answered, and stays for the logins that began with it.
CREATE TABLE requests (
	hash    BYTEA NOT NULL PRIMARY KEY,
	app     TEXT NOT NULL,
	data    TEXT NOT NULL,
	expires BIGINT NOT NULL
);
CREATE INDEX requests_expires ON requests (expires);

-- +goose Up
-- Apps that programs have registered. version counts the documents of one; change is the number of the change that
-- wrote it last, so that nodes read no other. via is the initial access token that it came by, '' for none.
CREATE TABLE apps (
	id          TEXT NOT NULL PRIMARY KEY,
	version     INTEGER NOT NULL,
	change      INTEGER NOT NULL,
	name        TEXT NOT NULL,
	via         TEXT NOT NULL,
	document    TEXT NOT NULL,
	secret_hash BLOB NOT NULL,
	sealed      BLOB NOT NULL,
	token_hash  BLOB NOT NULL,
	notified    INTEGER NOT NULL,
	disabled    INTEGER NOT NULL,
	created     INTEGER NOT NULL,
	updated     INTEGER NOT NULL
) STRICT;
CREATE INDEX apps_change ON apps (change);
CREATE INDEX apps_open ON apps (created) WHERE via = '';
INSERT INTO changes (name, count) VALUES ('apps', 0);

-- Initial access tokens. most is how many apps one may register, 0 for any number.
CREATE TABLE app_tokens (
	id      TEXT NOT NULL PRIMARY KEY,
	hash    BLOB NOT NULL UNIQUE,
	most    INTEGER NOT NULL,
	used    INTEGER NOT NULL,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL
) STRICT;

-- What belongs to such an app and ends with it. Nothing of a configured app is in these.
CREATE INDEX families_registered ON families (app) WHERE substr(app, 1, 4) = 'dyn-';
CREATE INDEX artifacts_registered ON artifacts (app) WHERE substr(app, 1, 4) = 'dyn-';
CREATE INDEX consents_registered ON consents (app) WHERE substr(app, 1, 4) = 'dyn-';

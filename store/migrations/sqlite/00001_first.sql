-- +goose Up
CREATE TABLE meta (
	name  TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Whatever a user has open carries the epoch it was begun in, and has ended when the user's is another.
-- So everything of a user ends by one write, also what is being written elsewhere just then.
CREATE TABLE users (
	id         TEXT NOT NULL PRIMARY KEY,
	email      TEXT NOT NULL,
	attributes TEXT NOT NULL,
	disabled   INTEGER NOT NULL,
	epoch      INTEGER NOT NULL,
	created    INTEGER NOT NULL,
	updated    INTEGER NOT NULL
) STRICT;
CREATE INDEX users_email ON users (email) WHERE email <> '';

CREATE TABLE links (
	provider TEXT NOT NULL,
	subject  TEXT NOT NULL,
	user_id  TEXT NOT NULL REFERENCES users (id),
	created  INTEGER NOT NULL,
	PRIMARY KEY (provider, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX links_user ON links (user_id);

CREATE TABLE accounts (
	provider TEXT NOT NULL,
	username TEXT NOT NULL,
	subject  TEXT NOT NULL,
	hash     TEXT NOT NULL,
	claims   TEXT NOT NULL,
	PRIMARY KEY (provider, username),
	UNIQUE (provider, subject)
) STRICT;
CREATE INDEX accounts_username ON accounts (username);

CREATE TABLE logins (
	id      TEXT NOT NULL PRIMARY KEY,
	version INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	data    TEXT NOT NULL
) STRICT;
CREATE INDEX logins_expires ON logins (expires);

CREATE TABLE once (
	provider TEXT NOT NULL,
	id       BLOB NOT NULL,
	until    INTEGER NOT NULL,
	PRIMARY KEY (provider, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX once_until ON once (until);

-- The tables that follow name their user without a foreign key: their rows are made from the user's, and
-- users are never removed.
CREATE TABLE sessions (
	hash      BLOB NOT NULL PRIMARY KEY,
	id        TEXT NOT NULL UNIQUE,
	user_id   TEXT NOT NULL,
	epoch     INTEGER NOT NULL,
	provider  TEXT NOT NULL,
	subject   TEXT NOT NULL,
	upstream  TEXT NOT NULL,
	handle    TEXT NOT NULL,
	memory    BLOB NOT NULL,
	auth_time INTEGER NOT NULL,
	amr       TEXT NOT NULL,
	acr       TEXT NOT NULL,
	created   INTEGER NOT NULL,
	seen      INTEGER NOT NULL,
	idle      INTEGER NOT NULL,
	ends      INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_idle ON sessions (idle);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_handle ON sessions (provider, handle, upstream);

-- family is '' while the artifact is good, '-' when it was spent for nothing.
CREATE TABLE artifacts (
	hash     BLOB NOT NULL PRIMARY KEY,
	app      TEXT NOT NULL,
	user_id  TEXT NOT NULL,
	epoch    INTEGER NOT NULL,
	session  TEXT NOT NULL,
	provider TEXT NOT NULL,
	data     TEXT NOT NULL,
	expires  INTEGER NOT NULL,
	family   TEXT NOT NULL
) STRICT;
CREATE INDEX artifacts_expires ON artifacts (expires);

-- kept is until when the row stays: longer than the tokens, while the session lives whose end its app is told.
CREATE TABLE families (
	id         TEXT NOT NULL PRIMARY KEY,
	app        TEXT NOT NULL,
	user_id    TEXT NOT NULL,
	epoch      INTEGER NOT NULL,
	session    TEXT NOT NULL,
	provider   TEXT NOT NULL,
	scope      TEXT NOT NULL,
	auth_time  INTEGER NOT NULL,
	amr        TEXT NOT NULL,
	acr        TEXT NOT NULL,
	offline    INTEGER NOT NULL,
	generation INTEGER NOT NULL,
	rotated    INTEGER NOT NULL,
	created    INTEGER NOT NULL,
	expires    INTEGER NOT NULL,
	ends       INTEGER NOT NULL,
	revoked    INTEGER NOT NULL,
	kept       INTEGER NOT NULL
) STRICT;
CREATE INDEX families_session ON families (session);
CREATE INDEX families_kept ON families (kept);

-- An app that has to be told that a session has ended. Whoever tells it moves due ahead for as long as that
-- may take.
CREATE TABLE notices (
	session TEXT NOT NULL,
	app     TEXT NOT NULL,
	user_id TEXT NOT NULL,
	tries   INTEGER NOT NULL,
	due     INTEGER NOT NULL,
	created INTEGER NOT NULL,
	PRIMARY KEY (session, app)
) STRICT;
CREATE INDEX notices_due ON notices (due);

CREATE TABLE logouts (
	id      TEXT NOT NULL PRIMARY KEY,
	expires INTEGER NOT NULL,
	data    TEXT NOT NULL
) STRICT;
CREATE INDEX logouts_expires ON logouts (expires);

CREATE TABLE keys (
	id      TEXT NOT NULL PRIMARY KEY,
	use     TEXT NOT NULL,
	alg     TEXT NOT NULL,
	seq     INTEGER NOT NULL,
	sealed  BLOB NOT NULL,
	active  INTEGER NOT NULL,
	created INTEGER NOT NULL,
	UNIQUE (use, alg, seq)
) STRICT;

CREATE TABLE counters (
	name    TEXT NOT NULL PRIMARY KEY,
	count   INTEGER NOT NULL,
	last    INTEGER NOT NULL,
	before  INTEGER NOT NULL,
	expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX counters_expires ON counters (expires);

CREATE TABLE trusted (
	provider TEXT NOT NULL,
	subject  TEXT NOT NULL,
	device   BLOB NOT NULL,
	until    INTEGER NOT NULL,
	PRIMARY KEY (provider, subject, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX trusted_until ON trusted (until);

CREATE TABLE events (
	seq        INTEGER PRIMARY KEY,
	id         TEXT NOT NULL,
	time       INTEGER NOT NULL,
	type       TEXT NOT NULL,
	reason     TEXT NOT NULL,
	user_id    TEXT NOT NULL,
	app        TEXT NOT NULL,
	provider   TEXT NOT NULL,
	session    TEXT NOT NULL,
	login      TEXT NOT NULL,
	addr       TEXT NOT NULL,
	request_id TEXT NOT NULL,
	detail     TEXT NOT NULL
) STRICT;
CREATE INDEX events_time ON events (time);
CREATE INDEX events_user ON events (user_id, time) WHERE user_id <> '';

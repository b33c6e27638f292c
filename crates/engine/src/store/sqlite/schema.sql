-- The schema of the embedded store, version 1. What the rules in Rust promise, CHECKs and unique indexes say again.
-- Times named *_at of people are wall-clock milliseconds; lease_until, timeout_at, not_before, ready_at, seen_at, turned_at,
-- lost_at and limited_until are store time (see engine/src/store.rs).
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE plans (
  id INTEGER PRIMARY KEY, title TEXT NOT NULL, goal TEXT, digest TEXT UNIQUE, source TEXT, options TEXT NOT NULL,
  first_task INTEGER NOT NULL, last_task INTEGER NOT NULL, imported_at INTEGER NOT NULL,
  tests_wanted INTEGER NOT NULL CHECK (tests_wanted IN (0, 1)),
  stage_phase INTEGER NOT NULL, stage_tests INTEGER NOT NULL CHECK (stage_tests IN (0, 1))
) STRICT;
CREATE TABLE lanes (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE tasks (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  plan INTEGER NOT NULL REFERENCES plans (id), kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2),
  phase INTEGER NOT NULL CHECK (phase > 0), priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 2),
  path_ms INTEGER NOT NULL CHECK (path_ms >= 0), lane INTEGER NOT NULL REFERENCES lanes (id),
  status INTEGER NOT NULL CHECK (status BETWEEN 0 AND 5),
  step INTEGER, nonce BLOB CHECK (nonce IS NULL OR length(nonce) = 16), worker TEXT, lease_until INTEGER, timeout_at INTEGER,
  attempt INTEGER NOT NULL CHECK (attempt >= 0), failures INTEGER NOT NULL CHECK (failures BETWEEN 0 AND attempts_max),
  attempts_max INTEGER NOT NULL CHECK (attempts_max > 0), crashes INTEGER NOT NULL CHECK (crashes BETWEEN 0 AND 3),
  cycle INTEGER NOT NULL CHECK (cycle >= 0), timeout_ms INTEGER NOT NULL CHECK (timeout_ms > 0),
  waiting INTEGER NOT NULL CHECK (waiting >= 0), dead INTEGER NOT NULL CHECK (dead BETWEEN 0 AND waiting),
  held INTEGER NOT NULL CHECK (held IN (0, 1)),
  not_before INTEGER, ready_at INTEGER NOT NULL, avoid TEXT,
  tests INTEGER REFERENCES tasks (id) DEFERRABLE INITIALLY DEFERRED, -- a plan may list a test before its feature
  fail_reason INTEGER, fail_note TEXT, block_reason INTEGER, block_note TEXT, block_on INTEGER,
  created_at INTEGER NOT NULL, claimed_at INTEGER, claimed_by TEXT, ended_at INTEGER, ended_by TEXT,
  last_event INTEGER NOT NULL DEFAULT 0,
  CHECK ((status = 1) = (worker IS NOT NULL AND lease_until IS NOT NULL AND timeout_at IS NOT NULL AND step IS NOT NULL)),
  CHECK (status <> 1 OR nonce IS NOT NULL),
  CHECK ((status IN (2, 4, 5)) = (ended_at IS NOT NULL)),
  CHECK ((status = 3) = (block_reason IS NOT NULL))
) STRICT;
CREATE INDEX tasks_ready ON tasks (lane, phase, priority, path_ms DESC, id) WHERE status = 0 AND waiting = 0 AND held = 0;
CREATE INDEX tasks_live ON tasks (min(lease_until, timeout_at)) WHERE status = 1;
CREATE INDEX tasks_blocked ON tasks (block_on) WHERE status = 3;
CREATE INDEX tasks_tests ON tasks (plan) WHERE kind = 1 AND status = 0;
CREATE INDEX tasks_later ON tasks (plan, phase) WHERE kind = 0 AND held = 1;
CREATE TABLE specs (task INTEGER PRIMARY KEY REFERENCES tasks (id), title TEXT NOT NULL, more TEXT) STRICT;
CREATE TABLE results (task INTEGER PRIMARY KEY REFERENCES tasks (id), result TEXT NOT NULL) STRICT;
CREATE TABLE edges (
  task INTEGER NOT NULL REFERENCES tasks (id), needs INTEGER NOT NULL REFERENCES tasks (id),
  PRIMARY KEY (task, needs), CHECK (task <> needs)
) STRICT, WITHOUT ROWID;
CREATE INDEX edges_needs ON edges (needs, task);
CREATE TABLE tallies (
  plan INTEGER NOT NULL, kind INTEGER NOT NULL, phase INTEGER NOT NULL,
  pending INTEGER NOT NULL CHECK (pending >= 0), in_progress INTEGER NOT NULL CHECK (in_progress >= 0),
  completed INTEGER NOT NULL CHECK (completed >= 0), blocked INTEGER NOT NULL CHECK (blocked >= 0),
  failed INTEGER NOT NULL CHECK (failed >= 0), cancelled INTEGER NOT NULL CHECK (cancelled >= 0),
  moving INTEGER NOT NULL CHECK (moving BETWEEN 0 AND pending + in_progress),
  PRIMARY KEY (plan, kind, phase)
) STRICT, WITHOUT ROWID;
CREATE TABLE workers (
  name TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, driver INTEGER NOT NULL, agent TEXT, target TEXT, can TEXT NOT NULL,
  thinks INTEGER NOT NULL, paused INTEGER NOT NULL, limited_until INTEGER, lost_at INTEGER, registered_at INTEGER NOT NULL,
  seen_at INTEGER, last_heartbeat_at INTEGER, last_claimed_at INTEGER, last_completed_at INTEGER, turned_at INTEGER,
  runtime_ms INTEGER NOT NULL, holding INTEGER NOT NULL CHECK (holding >= 0), session TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE events (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind INTEGER NOT NULL, actor INTEGER NOT NULL, task INTEGER, attempt INTEGER,
  worker TEXT, earlier INTEGER, data TEXT
) STRICT;
CREATE INDEX events_messages ON events (seq) WHERE kind = 20;
CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE (ABORT, 'events are append-only'); END;
CREATE TRIGGER events_remain BEFORE DELETE ON events BEGIN SELECT RAISE (ABORT, 'events are append-only'); END;
CREATE TABLE requests (id TEXT PRIMARY KEY, at INTEGER NOT NULL, answer TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE durations (key INTEGER PRIMARY KEY, ms INTEGER NOT NULL) STRICT;
CREATE TABLE unreadable (task INTEGER PRIMARY KEY) STRICT;

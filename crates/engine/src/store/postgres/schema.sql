-- The schema of a shared store, version 1; it stands in a schema of its own. What the rules in Rust promise, CHECKs and unique indexes say again.
-- Columns and their meaning are those of the embedded store (../sqlite/schema.sql); store time is the database's own clock in milliseconds.
-- The server reads each CHECK anew for every statement that writes the table (13 of them took longer than the UPDATE itself), so what changes
-- often has few; numbers that are out of range do not decode, and are reported like every row that does not.
CREATE TABLE meta (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE plans (
  id bigint PRIMARY KEY, title text NOT NULL, goal text, digest text UNIQUE, source text, options text NOT NULL,
  first_task bigint NOT NULL, last_task bigint NOT NULL, imported_at bigint NOT NULL,
  tests_wanted boolean NOT NULL, stage_phase bigint NOT NULL, stage_tests boolean NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE lanes (id bigint PRIMARY KEY, key text NOT NULL UNIQUE);
CREATE TABLE tasks (
  id bigint PRIMARY KEY,
  plan bigint NOT NULL REFERENCES plans (id) DEFERRABLE, kind bigint NOT NULL,
  phase bigint NOT NULL, priority bigint NOT NULL,
  path_ms bigint NOT NULL, lane bigint NOT NULL REFERENCES lanes (id) DEFERRABLE,
  status bigint NOT NULL,
  step bigint, nonce bytea, worker text, lease_until bigint, timeout_at bigint,
  attempt bigint NOT NULL, failures bigint NOT NULL,
  attempts_max bigint NOT NULL, crashes bigint NOT NULL,
  cycle bigint NOT NULL, timeout_ms bigint NOT NULL,
  waiting bigint NOT NULL, dead bigint NOT NULL, held boolean NOT NULL,
  not_before bigint, ready_at bigint NOT NULL, avoid text,
  tests bigint REFERENCES tasks (id) DEFERRABLE INITIALLY DEFERRED, -- a plan may list a test before its feature
  fail_reason bigint, fail_note text, block_reason bigint, block_note text, block_on bigint,
  created_at bigint NOT NULL, claimed_at bigint, claimed_by text, ended_at bigint, ended_by text,
  last_event bigint NOT NULL DEFAULT 0,
  CHECK ((status = 1) = (num_nonnulls(worker, lease_until, timeout_at, step) = 4) AND (status IN (2, 4, 5)) = (ended_at IS NOT NULL)
    AND (status = 3) = (block_reason IS NOT NULL) AND (status <> 1 OR nonce IS NOT NULL) AND failures <= attempts_max)
) WITH (fillfactor = 80);
CREATE INDEX tasks_ready ON tasks (lane, phase, priority, path_ms DESC, id) WHERE status = 0 AND waiting = 0 AND NOT held;
CREATE INDEX tasks_live ON tasks (least(lease_until, timeout_at)) WHERE status = 1;
CREATE INDEX tasks_blocked ON tasks (block_on) WHERE status = 3;
CREATE INDEX tasks_tests ON tasks (plan) WHERE kind = 1 AND status = 0;
CREATE INDEX tasks_later ON tasks (plan, phase) WHERE kind = 0 AND held;
CREATE TABLE specs (task bigint PRIMARY KEY, title text NOT NULL, more text);
CREATE TABLE results (task bigint PRIMARY KEY, result text NOT NULL);
CREATE TABLE edges (task bigint NOT NULL, needs bigint NOT NULL, PRIMARY KEY (task, needs), CHECK (task <> needs));
CREATE INDEX edges_needs ON edges (needs, task);
CREATE TABLE tallies (
  plan bigint NOT NULL, kind bigint NOT NULL, phase bigint NOT NULL,
  pending bigint NOT NULL, in_progress bigint NOT NULL,
  completed bigint NOT NULL, blocked bigint NOT NULL,
  failed bigint NOT NULL, cancelled bigint NOT NULL,
  moving bigint NOT NULL,
  PRIMARY KEY (plan, kind, phase),
  CHECK (least(pending, in_progress, completed, blocked, failed, cancelled, moving) >= 0)
) WITH (fillfactor = 50);
CREATE TABLE workers (
  name text PRIMARY KEY, number bigint NOT NULL UNIQUE, driver bigint NOT NULL, agent text, target text, can text NOT NULL,
  thinks boolean NOT NULL, paused boolean NOT NULL, limited_until bigint, lost_at bigint, registered_at bigint NOT NULL,
  seen_at bigint, last_heartbeat_at bigint, last_claimed_at bigint, last_completed_at bigint, turned_at bigint,
  runtime_ms bigint NOT NULL, holding bigint NOT NULL, session text
) WITH (fillfactor = 50);
CREATE TABLE events (
  seq bigint PRIMARY KEY, at bigint NOT NULL, kind bigint NOT NULL, actor bigint NOT NULL, task bigint, attempt bigint,
  worker text, earlier bigint, data text
);
CREATE INDEX events_messages ON events (seq) WHERE kind = 20;
CREATE FUNCTION events_stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'events are append-only'; END $$;
CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE ON events FOR EACH STATEMENT EXECUTE FUNCTION events_stay();
CREATE TABLE requests (id text PRIMARY KEY, at bigint NOT NULL, answer text NOT NULL);
CREATE TABLE durations (key bigint PRIMARY KEY, ms bigint NOT NULL);
CREATE TABLE unreadable (task bigint PRIMARY KEY);
INSERT INTO plans (id, title, options, first_task, last_task, imported_at, tests_wanted, stage_phase, stage_tests)
  VALUES (0, 'tasks added one by one', '{}', 0, 0, 0, true, 4294967295, true);
INSERT INTO meta VALUES ('schema_version', '1'), ('epoch', md5(random()::text || clock_timestamp()::text) || '');

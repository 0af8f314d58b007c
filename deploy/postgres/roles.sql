-- The roles of Sluice in a PostgreSQL cluster (15 or later). A superuser runs this by psql
-- in the database of Sluice, before the first `sluice db migrate --roles`:
--
--   psql -X -q -d sluice -v migrator_password=... -v router_password=... -v api_password=... -f roles.sql
--
-- login     group          for
-- migrator                 sluice db migrate --roles, db import, dead drop: the owner of the database
-- router    sluice_writer  batch-router
-- api       sluice_reader  api, sluice dead list and dead show
--
-- None of them may make roles or databases. What the groups may do in the schemas of
-- Sluice is granted by `sluice db migrate --roles`. Run it again at any time: it sets the
-- passwords and leaves everything else as it is. All or nothing is done.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET password_encryption = 'scram-sha-256';
-- A password belongs in no log.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';

SELECT '' IN (:'migrator_password', :'router_password', :'api_password') AS one_is_empty \gset
\if :one_is_empty
    DO $$ BEGIN RAISE EXCEPTION 'one of the passwords is empty'; END $$;
\endif

BEGIN;

-- Defaults of sessions are set only with a new role: later they are the operator's. The
-- api gives a page 60 s; what runs for longer has lost its asker.
SELECT statement
FROM (VALUES
    (1, 'sluice_writer', 'CREATE ROLE sluice_writer NOLOGIN'),
    (2, 'sluice_reader', 'CREATE ROLE sluice_reader NOLOGIN'),
    (3, 'migrator',      'CREATE ROLE migrator'),
    (4, 'router',        'CREATE ROLE router'),
    (5, 'api',           'CREATE ROLE api'),
    (6, 'api',           'ALTER ROLE api SET default_transaction_read_only = on'),
    (7, 'api',           'ALTER ROLE api SET statement_timeout = ''2min''')
) AS new (place, role, statement)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role)
ORDER BY place \gexec

ALTER ROLE migrator LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS PASSWORD :'migrator_password';
ALTER ROLE router   LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS PASSWORD :'router_password';
ALTER ROLE api      LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS PASSWORD :'api_password';
GRANT sluice_writer TO router;
GRANT sluice_reader TO api;

ALTER DATABASE :"DBNAME" OWNER TO migrator;
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO migrator, router, api;

COMMIT;

#!/bin/sh
# Runs once, when PostgreSQL's volume is empty: one role and its databases for Temporal, one for Plangate.
# Neither role can read the other's data.
set -eu
: "${TEMPORAL_DB_PASSWORD:?}" "${PLANGATE_DB_PASSWORD:?}"

psql --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
    --set temporal_password="$TEMPORAL_DB_PASSWORD" --set plangate_password="$PLANGATE_DB_PASSWORD" <<'SQL'
CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';
CREATE ROLE plangate LOGIN PASSWORD :'plangate_password';
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
CREATE DATABASE plangate OWNER plangate;
REVOKE CONNECT ON DATABASE temporal, temporal_visibility, plangate FROM PUBLIC;
SQL

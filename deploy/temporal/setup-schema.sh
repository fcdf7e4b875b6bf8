#!/bin/sh
# Creates Temporal's schemas, or upgrades them to the version of the admin-tools image. Safe to repeat.
# The SQL_* variables say where: temporal-sql-tool reads them itself.
set -eu
: "${SQL_PLUGIN:?}" "${SQL_HOST:?}" "${SQL_USER:?}" "${SQL_PASSWORD:?}"

setup() {
    echo "Schema of database $1"
    temporal-sql-tool --database "$1" setup-schema --version 0.0
    temporal-sql-tool --database "$1" update-schema --schema-name "postgresql/v12/$2"
}

setup temporal temporal
setup temporal_visibility visibility

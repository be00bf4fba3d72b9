#!/usr/bin/env bash
# Writes the passwords of the composition to a file that only its owner can read (default: .env, which `docker compose`
# reads by itself). What the file holds already stays: MySQL knows those passwords.
set -euo pipefail
readonly file="${1:-$(dirname "${BASH_SOURCE[0]}")/../../.env}"
umask 077
touch "$file"
chmod 600 "$file"
for account in ROOT MIGRATOR GATEWAY WORKER OPERATOR AUDIT RETENTION; do
    grep -q "^CA_PASSWORD_$account=" "$file" ||
        printf 'CA_PASSWORD_%s=%s\n' "$account" "$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')" >>"$file"
done

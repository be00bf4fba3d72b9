#!/bin/sh
# Makes fresh servers ready for the product and brings older ones up to date; every step may be run again.
# Expects each MySQL account's password in /run/secrets/<account>/ca_mysql_password.
set -eu
umask 077
readonly secrets=/run/secrets unavailable=3 attempts=30

step() { # step ACCOUNT ARGUMENTS…: one command of the command line; a server that is not there yet is waited for
    account="$1"
    shift
    attempt=1
    while :; do
        status=0
        CA_MYSQL_USER="$account" CA_SECRETS_DIR="$secrets/$account" corpactions "$@" || status=$?
        [ "$status" != "$unavailable" ] || [ "$attempt" = "$attempts" ] || { attempt=$((attempt + 1)) && sleep 2 && continue; }
        break
    done
    [ "$status" = 0 ] || exit "$status"
}

passwords="$(mktemp)"
trap 'rm -f "$passwords"' EXIT
python - "$secrets" >"$passwords" <<'END'
import json, pathlib, sys
files = pathlib.Path(sys.argv[1]).glob("ca_*/ca_mysql_password")
print(json.dumps({file.parent.name: file.read_text(encoding="utf-8").strip() for file in files}))
END
sample="$(python -c 'from importlib.resources import files; print(files("producers.feed") / "sample")')"

step ca_operator topics apply
step ca_operator schemas register
step root db accounts --passwords "$passwords" --only ca_migrator
step ca_migrator db upgrade
step root db accounts --passwords "$passwords"
step ca_audit audit new-key --first --trusted "$CA_WITNESS_TRUSTED"
step ca_operator securities load "$sample/securities.csv"

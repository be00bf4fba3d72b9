#!/bin/bash
# Succeeds when the service of this container answers /health/<live or ready> with 200. Plain bash: it runs every few seconds.
set -eu
exec 3<>"/dev/tcp/127.0.0.1/8000"
printf 'GET /health/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "${1:-live}" >&3
read -r _ status _ <&3
cat <&3 >/dev/null # to the end: hanging up in the middle of an answer is an error in the service's log
[ "$status" = 200 ]

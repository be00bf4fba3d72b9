#!/bin/bash
# Succeeds when the service of this container answers /health/<live or ready> with 200. Plain bash: it runs every few seconds.
set -eu
exec 3<>"/dev/tcp/127.0.0.1/8000"
printf 'GET /health/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "${1:-live}" >&3
read -r -t 4 _ status _ <&3
[ "$status" = 200 ]

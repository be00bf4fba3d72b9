#!/bin/sh
# The container's process, chosen by the first argument; it replaces this shell, so that it gets the signals itself.
set -eu
case "${1:-}" in
    gateway) exec python -m gateway ;;
    lifecycle) exec python -m consumers.lifecycle ;;
    audit) exec python -m consumers.audit ;;
    witness) exec python -m consumers.witness ;;
    provision) exec provision.sh ;;
    '')
        echo 'name what to run: gateway, lifecycle, audit, witness, provision or corpactions …' >&2
        exit 2
        ;;
    *) exec "$@" ;;
esac

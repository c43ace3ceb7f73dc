#!/usr/bin/env bash
# Run a job or command: finds or makes the Python environment, finds Java, hands over to `python -m jobs`.
set -euo pipefail
# shellcheck source=environment.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/environment.sh"

# Only what starts Spark needs Java: not the commands about outputs, nor what only prints.
needs_java() {
    local argument
    case "${1:-}" in "" | -* | status | attach | verify | report | env | doctor) return 1 ;; esac
    for argument; do
        case "$argument" in -h | --help | --describe | --dry-run) return 1 ;; esac
    done
}

root=$(project_root)
environment=$(find_environment "$root")
use_environment "$root" "$environment"
if needs_java "$@"; then use_java; fi
# -P: a folder called jobs or lib where the user stands is not ours.
exec "$environment/bin/python" -P -m jobs "$@"

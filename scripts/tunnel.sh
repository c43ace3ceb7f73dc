#!/usr/bin/env bash
# Reach the web pages of a cluster from a laptop: a SOCKS proxy through its edge node.
set -euo pipefail

usage() {
    cat <<'TEXT'
scripts/tunnel.sh [--dry-run] [USER@]EDGE_NODE [PORT]
  Opens a SOCKS proxy on 127.0.0.1:PORT (default 1080) that ends on the edge node, until Ctrl-C.
  Set it as the browser's SOCKS v5 proxy, names resolved through it too; tracking URLs then open.
TEXT
}

main() {
    local run=()
    case "${1:-}" in
        -h | --help) usage && return ;;
        --dry-run) run=(echo) && shift ;;
    esac
    if [ $# -lt 1 ] || [ $# -gt 2 ] || [[ $1 == -* ]]; then
        usage >&2
        return 2
    fi
    # Loopback only: the proxy is for this person. Without a forward, ssh must fail, not sit there.
    local command=(ssh -N -D "127.0.0.1:${2:-1080}" -o ExitOnForwardFailure=yes -o ServerAliveInterval=30 -- "$1")
    "${run[@]}" "${command[@]}"
}

main "$@"

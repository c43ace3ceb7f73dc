#!/usr/bin/env bash
# Run the tests: the default set in minutes; more with --chaos, --cluster, --all. Other arguments go to pytest.
set -euo pipefail
# shellcheck source=environment.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/environment.sh"

usage() {
    cat <<'TEXT'
scripts/test.sh [--unit | --chaos | --cluster | --all] [PYTEST ARGUMENT]...
  (none)     everything but what follows: minutes
  --unit     only what needs no Java: seconds
  --chaos    kills things at random moments
  --cluster  starts a real HDFS and YARN on loopback
  --all      all of it, and the long runs whose figures stand in the docs
TEXT
}

chosen=(-m 'not chaos and not cluster and not figures')
case "${1:-}" in
    -h | --help) usage && exit ;;
    --unit) chosen=(tests/unit -m 'not spark and not chaos and not cluster and not figures') && shift ;;
    --chaos) chosen=(-m chaos) && shift ;;
    --cluster) chosen=(-m cluster) && shift ;;
    --all) chosen=() && shift ;;
esac

root=$(project_root)
environment=$(find_environment "$root")
use_environment "$root" "$environment"
[ "${chosen[0]:-}" = tests/unit ] || use_java
unset SPARK_HOME
cd -- "$root"
exec "$environment/bin/python" -m pytest "${chosen[@]}" "$@"

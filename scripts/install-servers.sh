#!/bin/sh
# Installs the servers that tests, demo and benchmark need and that are missing, from Debian's packages:
#   scripts/install-servers.sh redis-server postgresql mariadb-server pgbouncer chromium prometheus
# Quiet when nothing is missing. Plain sh, because it runs before anything else is there.
set -eu

# Debian keeps PostgreSQL's programs out of PATH, one directory a version.
has() {
  case "$1" in
    redis-server) command -v redis-server ;;
    postgresql) command -v postgres || ls /usr/lib/postgresql/*/bin/postgres ;;
    mariadb-server) command -v mariadbd || ls /usr/sbin/mariadbd ;;
    pgbouncer) command -v pgbouncer || ls /usr/sbin/pgbouncer ;;
    chromium) command -v chromium ;;
    prometheus) command -v promtool ;;
  esac >/dev/null 2>&1
}

missing=
for name in "$@"; do
  case "$name" in
    redis-server | postgresql | mariadb-server | pgbouncer | chromium | prometheus) ;;
    *)
      echo "install-servers: unknown server \"$name\"; known: redis-server postgresql mariadb-server pgbouncer chromium prometheus" >&2
      exit 2
      ;;
  esac
  has "$name" || missing="$missing $name"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  echo "install-servers: install these by hand, as this system has no apt-get:$missing" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "install-servers: missing:$missing. Run as root:" >&2
  echo "  apt-get update && apt-get install -y --no-install-recommends$missing" >&2
  exit 1
fi

echo "Installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The tests run servers of their own: a system service that starts now would only take its port.
# shellcheck disable=SC2086
if ! {
  apt-get update &&
    if [ -e /usr/sbin/policy-rc.d ]; then
      apt-get install -y --no-install-recommends $missing
    else
      printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d &&
        chmod +x /usr/sbin/policy-rc.d &&
        trap 'rm -f "$log" /usr/sbin/policy-rc.d' EXIT &&
        apt-get install -y --no-install-recommends $missing
    fi
} >"$log" 2>&1; then
  cat "$log" >&2
  echo "install-servers: could not install$missing; see above." >&2
  exit 1
fi

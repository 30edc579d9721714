# What the parts of tests/run have in common; each reads this file first.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
part=${0##*/}
: "${FANFARE_RUN:?a part is run by tests/run: tests/run $part}"

CACHE=$PWD/tests/.cache # what is fetched and built by tools, reports, logs: kept from run to run
TARGET=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR=$TARGET
RELAY=$TARGET/ci/fanfare
TOOL=$TARGET/ci/fanfare-loadtest
mkdir -p "$CACHE"
export FANFARE_ADMIN=none # many relays run here, and there is one default port
relay_pid='' address='' # what start_relay sets

# A part that cannot run here ends with this; 77 is what test harnesses take for a skip.
skip() { echo "skipped: $part: $*"; exit 77; }

# Whether this is the long tier.
is_full() { [ "${FANFARE_FULL:-}" = yes ]; }

# What a part found, in a line: the long tier lists these for docs/reliability.md.
result() { echo "result: $*"; }

# need 'COMMAND ARGS' PACKAGE...: sees to it that the command works.
need() {
  local try=$1; shift
  $try > /dev/null 2>&1 && return
  command -v apt-get > /dev/null || skip "'$try' does not work, and there is no apt-get"
  [ "$(id -u)" = 0 ] || skip "'$try' does not work; as root: apt-get install $*"
  # One part at a time, and the lists of packages once a run.
  exec 8> "$CACHE/apt.lock"
  flock 8
  echo "installing $*"
  if [ "$(cat "$CACHE/apt.run" 2> /dev/null)" != "$FANFARE_RUN" ]; then
    apt-get -qq update || skip "apt-get update failed"
    echo "$FANFARE_RUN" > "$CACHE/apt.run"
  fi
  DEBIAN_FRONTEND=noninteractive apt-get -qqy install --no-install-recommends "$@" \
    > "$CACHE/apt-$part.txt" 2>&1 8>&- ||
    { tail -n 20 "$CACHE/apt-$part.txt"; skip "no $* from apt-get"; }
  exec 8>&-
  $try > /dev/null 2>&1 || skip "'$try' does not work even with $*"
}

need_rust() {
  command -v cargo > /dev/null || skip "there is no cargo: README.md says which Rust is needed"
  need "cc --version" gcc libc6-dev # the linker
}

# need_component COMMAND COMPONENT: a part of Rust's own tools.
need_component() {
  cargo "$1" --version > /dev/null 2>&1 && return
  command -v rustup > /dev/null || skip "there is no cargo $1, and no rustup to add it"
  rustup component add "$2" || skip "rustup cannot add $2"
}

need_node() {
  need "node --version" nodejs
  need "npm --version" npm
}

# npm_ci FOLDER: the packages of a folder's tests. What is there stays: another part may use it now.
npm_ci() {
  exec 8> "$CACHE/npm.lock" # several parts use the same folders
  flock 8
  cmp -s "$1/package-lock.json" "$1/node_modules/.installed" ||
    (cd "$1" && npm ci --no-audit --no-fund --loglevel=error 8>&- &&
      cp package-lock.json node_modules/.installed)
  exec 8>&-
}

# The relay and the load generator, with every check of the compiler's.
build_bins() {
  # Where `build` was a part of this run, both are there.
  [ "${FANFARE_BUILT:-}" = yes ] || cargo build --profile ci --workspace --bins --locked --quiet
}

stop_relay() {
  [ -n "$relay_pid" ] || return 0
  kill "$relay_pid" 2> /dev/null || true
  wait "$relay_pid" 2> /dev/null || true
  relay_pid=''
}

# start_relay OUTPUT FLAG...: sets relay_pid and address; it ends with the part.
start_relay() {
  local output=$1; shift
  : > "$output" # what an earlier relay said is no sign of this one
  "$RELAY" --listen 127.0.0.1:0 --log-level warn "$@" > "$output" &
  relay_pid=$!
  trap stop_relay EXIT
  while ! grep -q listens "$output"; do
    kill -0 "$relay_pid" 2> /dev/null || { echo "the relay did not start"; return 1; }
    sleep 0.1
  done
  address=$(grep -oE '127\.0\.0\.1:[0-9]+' "$output" | sed 1q)
}

need_rust

# What the launcher tests share: source it with the binary as $1.
set -euo pipefail

trainyard=$(readlink -f "${1:?"usage: NAME_test.sh TRAINYARD_BINARY"}")
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
scenarios=$(readlink -f "$here/../../scenarios/sweeps")
folder=$(mktemp -d /tmp/trainyard-launch.XXXXXX)

skip() { printf 'skipped: %s\n' "$*"; exit 77; }
fail() { printf 'FAILED: %s\n' "$*"; exit 1; }
passed() { printf 'ok: %s\n' "$*"; }

need() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || skip "$program is not installed (see .ci/packages.txt)"
  done
}

# wait_for SECONDS WHAT COMMAND…: until the command succeeds.
wait_for() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    ((SECONDS < end)) || fail "waited in vain for $what"
    sleep 0.1
  done
}

# answer STORE: what `show` prints for programs. Nothing in it depends on how the sweep was run.
answer() { "$trainyard" sweep show "$1" --json; }

# same_answers A B: byte by byte.
same_answers() {
  answer "$1" >"$folder/a.json"
  answer "$2" >"$folder/b.json"
  [[ -s $folder/a.json ]] || fail "$1 has no answer"
  cmp "$folder/a.json" "$folder/b.json" || fail "$1 and $2 answer differently"
}

# has_begun STORE: some batches are there, and perhaps not all.
has_begun() {
  local said
  said=$("$trainyard" sweep show "$1" 2>&1) || true  # 1: not finished
  grep -qE '(^|[^0-9])[1-9][0-9]* of [0-9]+ batches' <<<"$said"
}

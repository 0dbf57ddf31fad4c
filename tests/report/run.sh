#!/usr/bin/env bash
# run.sh TRAINYARD FOLDER: writes a report of a step, one of a sweep and a timeline with the program TRAINYARD and opens
# them in a browser; they and the screenshots stay in FOLDER. Exit code 77: Chromium, node or npm cannot be had.
set -euo pipefail
trainyard=$1 folder=$2
here=$(dirname "$(readlink -f "$0")")

skip() { echo "skipped: $*" >&2; exit 77; }

chromium=${CHROMIUM:-$(command -v chromium || true)}
[[ -x $chromium ]] || skip "no Chromium (Debian's package chromium); CHROMIUM=/path/to/it names another one"
command -v node >/dev/null && command -v npm >/dev/null || skip "no node or npm"

mkdir -p "$folder"
cp "$here"/*.mjs "$here"/package.json "$here"/package-lock.json "$folder"
if ! cmp -s "$folder/package-lock.json" "$folder/node_modules/.installed"; then
  (cd "$folder" && timeout 120 npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 >npm.log 2>&1) ||
    skip "npm cannot install what drives the browser: $(tail -n 1 "$folder/npm.log")"
  cp "$folder/package-lock.json" "$folder/node_modules/.installed"
fi

export CHROMIUM=$chromium
"$trainyard" simulate llama3-70b-64xh100 --report "$folder/step.html" --trace "$folder/timeline.json" >/dev/null
"$trainyard" sweep llama3-70b-64xh100 --set 'space={tp: [2, 4, 8], pp: [1, 2, 4, 8], micro_batch_size: [1, 2]}' --quiet \
  --report "$folder/sweep.html" >/dev/null
node "$folder/open_timeline.mjs" "$folder"
grep -q 'id="chart-data"' "$folder/step.html" || { echo "the step's report has no data for charts" >&2; exit 1; }
grep -q 'Apache ECharts' "$folder/step.html" || skip "this build has no charts (TRAINYARD_CHARTS)"
node "$folder/open_reports.mjs" "$folder"
node "$folder/pictures.mjs" "$folder"

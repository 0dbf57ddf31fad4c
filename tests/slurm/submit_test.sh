#!/usr/bin/env bash
# `sweep submit --slurm` without a Slurm: what it writes and asks for, run as Slurm would run it.
# usage: submit_test.sh TRAINYARD_BINARY
source "$(dirname "$(readlink -f "$0")")/expect.sh"
trap 'rm -rf "$folder"' EXIT

# A folder that only proper quoting survives.
work=$folder/$'it\'s "a" $HOME `folder`\nof %j results'
mkdir -p "$work" "$folder/bin" "$folder/empty"
cd "$work"

# An sbatch that takes every job and writes down what it was asked, and an scontrol that does so too.
cat >"$folder/bin/sbatch" <<'END'
#!/bin/bash
printf '%s\n' "$*" >>"$ASKED"
n=$(grep -c . "$ASKED.ids" 2>/dev/null)
echo "$((4711 + ${n:-0}))" | tee -a "$ASKED.ids"
END
cat >"$folder/bin/scontrol" <<'END'
#!/bin/bash
printf 'scontrol %s\n' "$*" >>"$ASKED"
if [ "$1" = show ]; then echo "JobId=1 JobState=${FAKE_STATE:-RUNNING}"; fi
END
chmod +x "$folder/bin/sbatch" "$folder/bin/scontrol"
export ASKED=$folder/asked
with_slurm() { PATH=$folder/bin:$PATH "$@"; }
submit() { with_slurm "$trainyard" sweep submit tiny --slurm "$@"; }

# --- nothing is submitted or written by a dry run
submit --array-size 3 -o results.db --dry-run >"$folder/dry"
grep -q -- '^#SBATCH --array=0-2$' "$folder/dry" || fail "a dry run prints the array"
grep -q -- '--dependency=afterok:$array --kill-on-invalid-dep=yes' "$folder/dry" || fail "a dry run prints the dependency"
[[ ! -e $ASKED && -z $(ls) ]] || fail "a dry run leaves nothing behind"
passed "dry run"

# --- an array and a merge that waits for it
submit --array-size 3 -o results.db --sbatch-option=--partition=cpu --jobs 1 >"$folder/said"
grep -q '^sweep: job 4711, 3 tasks$' "$folder/said" || fail "the array's job is said"
grep -q '^merge: job 4712 ' "$folder/said" || fail "the merge's job is said"
grep -q -- '--dependency=afterok:4711 --kill-on-invalid-dep=yes' "$ASKED" || fail "the merge depends on the array"
grep -qx -- '#SBATCH --partition=cpu' results.array.sh || fail "the array has the user's options"
grep -qx -- '#SBATCH --partition=cpu' results.merge.sh || fail "the merge has the user's options"
passed "submission"

# --- the scripts do the sweep
for task in 2 0 1; do
  SLURM_ARRAY_TASK_ID=$task SLURM_JOB_ID=1 with_slurm bash results.array.sh >/dev/null 2>&1 || fail "task $task"
done
with_slurm bash results.merge.sh >/dev/null || fail "merge"
"$trainyard" sweep tiny -o single.db --quiet >/dev/null
same_answers single.db results.db
passed "the scripts' answer is that of one process"

# --- SIGTERM before the time limit: the task stops in good order and queues up again, unless it is being cancelled
cat >"$folder/slow" <<'END'
#!/bin/bash
trap 'exit 130' TERM
touch "$BEGUN"
for ((i = 0; i < 600; ++i)); do sleep 0.1; done
END
chmod +x "$folder/slow"
stopped_task() {
  rm -f "$ASKED" "$folder/begun"
  sed "s|^'[^']*trainyard' sweep|'$folder/slow'|" results.array.sh >"$folder/slow.sh"
  env PATH="$folder/bin:$PATH" FAKE_STATE="$1" SLURM_RESTART_COUNT="$2" BEGUN="$folder/begun" \
    SLURM_ARRAY_TASK_ID=0 SLURM_JOB_ID=99 bash "$folder/slow.sh" &
  local task=$! status=0
  wait_for 20 "the task" test -e "$folder/begun"
  kill -TERM "$task"
  wait "$task" || status=$?
  [[ $status == 130 ]] || fail "a stopped task ends with 130, not $status"
}
stopped_task RUNNING 0
grep -qx 'scontrol requeue 99' "$ASKED" || fail "a stopped task is queued again"
stopped_task CANCELLED 0
! grep -q 'requeue' "$ASKED" || fail "a cancelled task stays cancelled"
stopped_task RUNNING 100
[[ ! -e $ASKED ]] || fail "a task is not queued again for ever"
passed "stopped tasks"

# --- what can go wrong
expect() {  # expect EXIT_CODE TEXT COMMAND…
  local code=$1 text=$2 status=0
  shift 2
  "$@" >"$folder/out" 2>"$folder/err" || status=$?
  [[ $status == "$code" ]] || fail "exit code $status instead of $code: $*"
  grep -q -- "$text" "$folder/err" || fail "no '$text' in: $(cat "$folder/err")"
}
expect 1 'there is no sbatch' env PATH="$folder/empty" "$trainyard" sweep submit tiny --slurm -o results.db
printf '#!/bin/bash\necho "sbatch: error: no such partition" >&2\nexit 1\n' >"$folder/bin/sbatch"
expect 1 'no such partition' submit -o results.db
expect 1 'did not take the job' submit -o results.db
expect 1 'cannot write' submit -o /proc/none/results.db
expect 2 'array-size' submit --array-size 0
expect 2 'array-size' submit --array-size 10001
expect 2 'is no option' submit --sbatch-option=partition
expect 2 'set by the sweep itself' submit --sbatch-option=--array=0-7
passed "errors"

#!/usr/bin/env bash
# `trainyard sweep` under a real Slurm: an array and its merge, tasks that are stopped and killed, srun inside an array.
# usage: slurm_test.sh TRAINYARD_BINARY
source "$(dirname "$(readlink -f "$0")")/expect.sh"
slurm=$(mktemp -d /tmp/slurm.XXXX)
finish() {
  local status=$?
  ((status == 0 || status == 77)) || tail -n 15 "$slurm"/log/slurmctld.log 2>/dev/null || true
  "$here/stop_slurm.sh" "$slurm"
  rm -rf "$slurm" "$folder"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP
need munged slurmctld slurmd sbatch srun scontrol squeue
((EUID == 0)) || skip "a Slurm of one's own needs to be root"
getent hosts "$(hostname -s)" >/dev/null || skip "this machine's name, $(hostname -s), does not resolve"

# Of tests that run side by side each has its own ports, below those that the system gives to connections.
port=$((20000 + $$ % 1200 * 10))
eval "$("$here/start_slurm.sh" "$slurm" "$port")" || fail "Slurm does not start"

ended() { ! squeue -h -j "$1" -o %i 2>/dev/null | grep -q .; }
wait_for_job() { wait_for "${2:-60}" "job $1" ended "$1"; }
states() { scontrol show job "$1" -o 2>/dev/null | grep -oE 'JobState=[A-Z_]+' | sort | uniq -c | xargs; }
completed() { [[ $(states "$1") == "$2 JobState=COMPLETED" ]] || fail "job $1: $(states "$1"); $(tail -n 5 slurm-*.out)"; }
job_in() { sed -n "s/^$1: job \([0-9]*\).*/\1/p" <<<"$2"; }

work=$folder/$'it\'s "a" $HOME folder'
mkdir "$work"
cd "$work"

# --- an array of four, and the merge that waits for it
"$trainyard" sweep tiny -o single.db --quiet >/dev/null
said=$("$trainyard" sweep submit tiny --slurm --array-size 4 -o results.db '--sbatch-option=--comment="two words"')
array=$(job_in sweep "$said") merge=$(job_in merge "$said")
wait_for_job "$merge"
completed "$array" 4
completed "$merge" 1
same_answers single.db results.db
grep -q 'step' "slurm-$merge.out" || fail "the merge's output has no answer"
passed "an array of 4 and its merge answer as one process"

# --- srun inside the tasks of an array, without a word about shards: 2 tasks of 2 steps' ranks
array=$(sbatch --parsable --array=5-6 --ntasks=2 --wrap "srun '$trainyard' sweep tiny --shard auto -o auto.db")
wait_for_job "$array"
completed "$array" 2
"$trainyard" sweep merge auto.shard-{0,1,2,3}-of-4.db -o auto.db >/dev/null
same_answers single.db auto.db
passed "srun in an array: --shard auto finds 4 shards"

# --- a batch script of a job with several tasks is one process
batch=$(sbatch --parsable --ntasks=3 --wrap "'$trainyard' sweep tiny --shard auto -o batch.db")
wait_for_job "$batch"
completed "$batch" 1
same_answers single.db batch.db
passed "a batch script alone is one shard"

# --- one task is stopped as before its time limit, another is killed
long=("$here/launched.yaml" --no-prune --jobs 1)
"$trainyard" sweep "${long[@]}" -o long-single.db --quiet >/dev/null
said=$("$trainyard" sweep submit "${long[@]}" --slurm --array-size 4 -o long.db)
array=$(job_in sweep "$said") merge=$(job_in merge "$said")
wait_for 30 "a batch of task 2" has_begun long.shard-2-of-4.db
pid=$(cut -d' ' -f1 long.shard-2-of-4.db.lock) || fail "task 2 ended before it could be killed"
kill -9 "$pid" || fail "task 2 ended before it could be killed: launched.yaml is too small"
scancel --batch --signal=TERM "${array}_1"
wait_for_job "$merge" 90
[[ ! -e long.db ]] || fail "a merge ran although a task was killed"
[[ $(states "$array") == "3 JobState=COMPLETED 1 JobState=FAILED" ]] || fail "array: $(states "$array")"
grep -q 'interrupted' "slurm-${array}_1.out" || fail "task 1 was not stopped in good order: $(cat "slurm-${array}_1.out")"
passed "a stopped task is queued again and finishes, a killed one keeps the merge from running"

# --- the same command again goes on
said=$("$trainyard" sweep submit "${long[@]}" --slurm --array-size 4 -o long.db)
merge=$(job_in merge "$said")
wait_for_job "$merge"
completed "$merge" 1
same_answers long-single.db long.db
passed "submitted again, the killed task goes on, and the merge answers as one process"

# --- a job that is cancelled stays cancelled
said=$("$trainyard" sweep submit "${long[@]}" --slurm --array-size 2 -o cancelled.db)
array=$(job_in sweep "$said") merge=$(job_in merge "$said")
wait_for 30 "a batch" has_begun cancelled.shard-0-of-2.db
scancel "$array" "$merge"
wait_for_job "$array"
sleep 2
ended "$array" || fail "a cancelled array came back"
[[ ! -e cancelled.db ]] || fail "a cancelled sweep was merged"
passed "a cancelled sweep stays cancelled"

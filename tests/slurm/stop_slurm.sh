#!/usr/bin/env bash
# Ends the daemons that start_slurm.sh started in a folder, by their process ids, and waits until they are gone.
# usage: stop_slurm.sh FOLDER
folder=${1:?folder}

stop() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return
  kill "$pid" 2>/dev/null || return
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || return
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null
}

# Jobs that a failed test left behind; the controller must be there to end them.
if [[ -s $folder/run/slurmctld.pid ]]; then
  SLURM_CONF=$folder/slurm.conf timeout 5 scancel --user=root --signal=KILL --full 2>/dev/null
  SLURM_CONF=$folder/slurm.conf timeout 5 scancel --user=root 2>/dev/null
fi
for file in "$folder"/run/slurmctld.pid "$folder"/run/slurmd*.pid "$folder"/run/munged.pid; do stop "$file"; done
exit 0

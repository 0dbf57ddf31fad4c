#!/usr/bin/env bash
# Starts a real Slurm on this machine alone: munge, slurmctld and four nodes of one core on loopback, as root, without
# systemd, cgroups or a database. Everything it writes is in the folder, whose path must be short: sockets are in it.
# usage: start_slurm.sh FOLDER FIRST_PORT; prints `export SLURM_CONF=…`
set -euo pipefail

folder=${1:?folder, absolute}
first_port=${2:?five ports from here on must be free}
host=$(hostname -s)
mkdir -p "$folder"/{state,log,run,spool/n1,spool/n2,spool/n3,spool/n4}
chmod 755 "$folder"
export SLURM_CONF=$folder/slurm.conf

# Credentials that expire soon: a job that is queued again waits until those of its last run have. A core is an id to
# schedule with; nothing is bound to it, so that two cores do for four nodes.
cat >"$SLURM_CONF" <<CONF
ClusterName=trainyard
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge.socket,cred_expire=5
CredType=cred/munge
CommunicationParameters=NoAddrCache
SlurmctldPort=$first_port
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/slurmd-%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=0,sched_interval=1,bf_interval=1,batch_sched_delay=0
MpiDefault=none
ReturnToService=2
SwitchType=switch/none
InactiveLimit=0
KillWait=5
MinJobAge=300
Waittime=0
NodeName=n[1-4] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((first_port + 1))-$((first_port + 4))] CPUs=1 RealMemory=500 State=UNKNOWN
PartitionName=debug Nodes=n[1-4] Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
CONF

retry() {
  for _ in $(seq 100); do
    "$@" && return
    sleep 0.1
  done
  echo "waited in vain for: $*" >&2
  tail -n 20 "$folder"/log/*.log >&2
  return 1
}
controller_is_up() { scontrol ping 2>/dev/null | grep -q UP; }
nodes_are_idle() { [[ $(sinfo -h -o %T 2>/dev/null) == idle ]]; }

dd if=/dev/urandom of="$folder/munge.key" bs=1024 count=1 status=none
chmod 600 "$folder/munge.key"
munged --force --key-file="$folder/munge.key" --socket="$folder/run/munge.socket" --pid-file="$folder/run/munged.pid" \
  --log-file="$folder/log/munged.log" --seed-file="$folder/run/munged.seed" >&2
slurmctld -c >&2
retry controller_is_up
for node in n1 n2 n3 n4; do slurmd -N "$node" >&2; done
retry nodes_are_idle
echo "export SLURM_CONF='$SLURM_CONF'"

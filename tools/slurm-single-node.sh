#!/usr/bin/env bash
# Start a one-node Slurm on this machine, to test profiles/slurm for real. Needs root and the Debian packages
# slurmctld, slurmd, slurm-client and munge. Does nothing where a controller answers already.
#
#   tools/slurm-single-node.sh [folder for Slurm's state]
#   tools/slurm-single-node.sh stop
#
# Stop it when done: where Slurm is configured and does not answer, Snakemake's Slurm plugin makes every call of
# Snakemake wait ten seconds for it.
set -euo pipefail

configuration=/etc/slurm/slurm.conf
ours() { grep -q '^ClusterName=medpriv$' $configuration 2>/dev/null; }
if [ "${1:-}" = stop ]; then
  if ours; then
    pkill -x 'slurmctld|slurmd' || true
    rm $configuration
  fi
  exit 0
fi
if scontrol ping 2>/dev/null | grep -q UP; then
  sinfo
  exit 0
fi
for program in slurmctld slurmd munged; do
  command -v "$program" >/dev/null || {
    echo "$program is missing. Remedy: apt-get install slurmctld slurmd slurm-client munge" >&2
    exit 1
  }
done

state=${1:-/var/tmp/medpriv-slurm}
node=$(hostname -s)
mkdir -p "$state/controller" "$state/node" /etc/slurm /run/munge
chown munge: /run/munge
if [ -e $configuration ] && ! ours; then
  echo "$configuration belongs to another cluster; left alone." >&2
  exit 1
fi

# It has to stand here: job steps do not see SLURM_CONF. Without an accounting database finished jobs must stay visible
# to squeue (MinJobAge). Plain process tracking, no cgroups: it works within containers and virtual machines.
cat >$configuration <<CONF
ClusterName=medpriv
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AccountingStorageType=accounting_storage/none
MinJobAge=3600
ReturnToService=2
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
StateSaveLocation=$state/controller
SlurmdSpoolDir=$state/node
SlurmctldPidFile=$state/controller.pid
SlurmdPidFile=$state/node.pid
SlurmctldLogFile=$state/controller.log
SlurmdLogFile=$state/node.log
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.8)}' /proc/meminfo)
PartitionName=main Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF

pgrep -x munged >/dev/null || runuser -u munge -- munged --force
slurmctld
slurmd
for _ in $(seq 60); do
  if sinfo --noheader --format %T 2>/dev/null | grep -q idle; then
    sinfo
    exit 0
  fi
  sleep 0.5
done
echo "Slurm did not come up; see $state/controller.log and $state/node.log" >&2
exit 1

#!/bin/bash
# Takes the cluster down and leaves nothing but the cache (binaries, image layers and
# containerd's image store; --purge drops that store too). Only ends processes that
# up.sh started: those in pid files, and those in the cluster's own cgroup.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

[ "$(id -u)" = 0 ] || die "must run as root"
[ -n "${LOCALKUBE_LOCKED:-}" ] || lock cluster    # up.sh has it already when it calls this
purge=
[ "${1:-}" = --purge ] && purge=1
t0=$(date +%s.%N)
had=; [ -e "$S/pid" ] && had=1

stop() { # stop SIGNAL NAME...: signal the process groups, wait up to 5 s, then SIGKILL
  local sig=$1 n pid rest i; shift
  for n in "$@"; do
    if alive "$S/pid/$n"; then read -r pid rest <"$S/pid/$n"; kill -"$sig" -- "-$pid" 2>/dev/null || true; fi
  done
  for n in "$@"; do
    i=0
    while alive "$S/pid/$n"; do
      i=$((i + 1))
      if [ $i = 50 ]; then read -r pid rest <"$S/pid/$n"; kill -KILL -- "-$pid" 2>/dev/null || true; fi
      [ $i -lt 80 ] || break
      sleep 0.1
    done
  done
}

# Nothing may restart what is being removed: kubelet and controllers go first.
stop KILL kubelet localpv kube-proxy coredns controller-manager scheduler apiserver etcd

# Pod processes: everything below the cluster's cgroup but not the node group itself.
mounts=$(awk '$3=="cgroup"||$3=="cgroup2"{print $2}' /proc/mounts)
procs() { # pids below $CGROUP in any hierarchy; $1: skip this sub-group
  local m
  for m in $mounts; do
    [ -d "$m/$CGROUP" ] || continue
    find "$m/$CGROUP" -name cgroup.procs ${1:+-not -path "$m/$CGROUP/$1/*"} -exec cat {} + 2>/dev/null || true
  done | sort -un
}
kill_procs() {
  local i p
  for i in $(seq 100); do
    p=$(procs "${1:-}")
    [ -n "$p" ] || return 0
    kill -KILL $p 2>/dev/null || true
    sleep 0.05
  done
  log "still alive in cgroup $CGROUP: $p"
}
kill_procs node

# Containers and their snapshots go, images stay.
if alive "$S/pid/containerd" && [ -S "$CONTAINERD_SOCK" ]; then
  ids=$(timeout 10 "$BIN/ctr" -a "$CONTAINERD_SOCK" -n k8s.io containers ls -q || true)
  if [ -n "$ids" ]; then
    timeout 20 "$BIN/ctr" -a "$CONTAINERD_SOCK" -n k8s.io tasks rm -f $ids >/dev/null 2>&1 || true
    timeout 20 "$BIN/ctr" -a "$CONTAINERD_SOCK" -n k8s.io containers rm $ids >/dev/null 2>&1 || true
  fi
fi
stop TERM containerd
kill_procs node
stop KILL holder
kill_procs    # shims and anything else in the node group

# The veth pair goes with the namespace; this is for a holder that was killed by others.
ip link del "$VETH_HOST" 2>/dev/null || true

for m in $mounts; do
  [ -d "$m/$CGROUP" ] || continue
  for i in 1 2 3 4 5 6 7 8 9 10; do
    find "$m/$CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null || true
    [ -d "$m/$CGROUP" ] || break
    sleep 0.1
  done
  [ ! -d "$m/$CGROUP" ] || log "could not remove $m/$CGROUP"
done

if [ -e "$S/made-dirs" ]; then
  while read -r d; do # not while a second cluster has something mounted there
    grep -qs " $d " /proc/[0-9]*/mounts || rmdir "$d" 2>/dev/null || true
  done <"$S/made-dirs"
fi
# The state folder is ours only if up.sh made it, and no mount may be below it.
if [ -n "$had" ]; then
  if grep -q " $S/" /proc/mounts; then die "something is still mounted below $S"; fi
  rm -rf -- "$S"
fi
[ -z "$purge" ] || rm -rf -- "$LOCALKUBE_IMAGES"
if [ -n "$had" ]; then log "down after $(awk -v a="$t0" -v b="$(date +%s.%N)" 'BEGIN{printf "%.1f", b-a}') s"; fi

# Settings and helpers shared by the other scripts. Source it, do not run it.
# Every setting can be overridden from the environment.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# One folder for everything that is kept between runs: binaries, build sources, image layers and
# archives, containerd's image store.
FASTX_CACHE=${FASTX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fastx-cluster}
LOCALKUBE_CACHE=${LOCALKUBE_CACHE:-$FASTX_CACHE/localkube}
# Belongs to one running cluster; down.sh deletes it. Must not lie under /run or /var/log.
LOCALKUBE_STATE=${LOCALKUBE_STATE:-$LOCALKUBE_CACHE/state}
# A second cluster at the same time needs its own STATE, IMAGES, NAME, NET and SERVICES.
LOCALKUBE_IMAGES=${LOCALKUBE_IMAGES:-$LOCALKUBE_CACHE/containerd}
LOCALKUBE_NAME=${LOCALKUBE_NAME:-localkube}          # node name, cgroup name
LOCALKUBE_NET=${LOCALKUBE_NET:-10.245}               # first two octets of everything but services
LOCALKUBE_SERVICES=${LOCALKUBE_SERVICES:-10.96}      # first two octets of the service range
LOCALKUBE_PROXY_MODE=${LOCALKUBE_PROXY_MODE:-nftables} # or iptables
LOCALKUBE_MAX_PODS=${LOCALKUBE_MAX_PODS:-200}

BIN=$LOCALKUBE_CACHE/bin
S=$LOCALKUBE_STATE
HOST_IP=$LOCALKUBE_NET.255.1      # this machine's end of the veth pair
NODE_IP=$LOCALKUBE_NET.255.2      # the node's end; the API server listens here
POD_NET=$LOCALKUBE_NET.0.0/17     # pods get addresses from $LOCALKUBE_NET.0.0/24
POD_RANGE=$LOCALKUBE_NET.0.0/24
POD_GW=$LOCALKUBE_NET.0.1
SVC_NET=$LOCALKUBE_SERVICES.0.0/16
SVC_API=$LOCALKUBE_SERVICES.0.1
SVC_DNS=$LOCALKUBE_SERVICES.0.10
VETH_HOST=lk${LOCALKUBE_NET#*.}h
VETH_NODE=lk${LOCALKUBE_NET#*.}n
CGROUP=$LOCALKUBE_NAME
CONTAINERD_SOCK=$S/containerd.sock
KUBECONFIG_ADMIN=$S/admin.kubeconfig
export CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1   # "cgroup v1 is deprecated" at every call

log() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
die() { log "error: $*"; exit 1; }

kubectl() { "$BIN/kubectl" --kubeconfig="$KUBECONFIG_ADMIN" "$@"; }
ctr() { "$BIN/ctr" -a "$CONTAINERD_SOCK" -n k8s.io "$@"; }

# lock NAME: one script at a time does this; the lock ends with the last process that has it open.
lock() {
  mkdir -p "$LOCALKUBE_CACHE/lock"
  exec 9>"$LOCALKUBE_CACHE/lock/$1"
  flock -n 9 || { log "waiting for another $1 to end"; flock -w 3600 9 || die "$LOCALKUBE_CACHE/lock/$1 is still held after an hour"; }
}
unlock() { exec 9>&-; }

# need COMMAND=PACKAGE...: installs the Debian packages of those commands that are missing.
need() {
  local pair missing=()
  for pair; do
    if [ -x "${pair%%=*}" ] || command -v "${pair%%=*}" >/dev/null; then continue; fi
    missing+=("${pair#*=}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "missing here: ${missing[*]} (names of Debian packages): install them"
  [ "$(id -u)" = 0 ] || die "missing here: run as root: apt-get install ${missing[*]}"
  log "Debian packages: installing ${missing[*]} (about 20 s, once)"
  local out=$LOCALKUBE_CACHE/apt.log
  mkdir -p "$LOCALKUBE_CACHE"
  apt-get -q update >"$out" 2>&1 || log "apt-get update had an error: $(grep -E '^(E|W|Err)' "$out" | tail -1); going on with the old lists"
  DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}" >>"$out" 2>&1 ||
    { grep -E '^(E:|Err|W:)' "$out" | tail -5 >&2; die "apt-get install ${missing[*]} failed; all of its output is in $out"; }
}

# alive PIDFILE: true when the process in the file still is the one that we started.
# A pid file holds "PID START", START being field 22 of /proc/PID/stat, so a reused
# pid is never mistaken for ours.
alive() {
  local pid start stat
  [ -s "$1" ] || return 1
  read -r pid start <"$1" || return 1
  { read -r stat <"/proc/$pid/stat"; } 2>/dev/null || return 1
  set -- ${stat##*) }
  [ "$1" != Z ] && [ "${20}" = "$start" ]
}

# in_node CMD...: run a command in the node's network and mount namespaces.
in_node() {
  local pid rest
  read -r pid rest <"$S/pid/holder"
  nsenter -t "$pid" -n -m -- "$@"
}

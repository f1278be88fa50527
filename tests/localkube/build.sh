#!/bin/bash
# Builds every binary from Go modules into $LOCALKUBE_CACHE/bin, and installs the Debian packages that
# the cluster needs. What is there already in the wanted version is skipped, so it can be interrupted
# and run again at any time.
#   build.sh [NAME]     NAME: one binary only, for example nats-server
# Needs Go 1.26, a Go module proxy and python3. About 10 minutes on two cores, once.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
. "$here/versions.env"

only=${1:-all}
SRC=$LOCALKUBE_CACHE/src
STAMP=$LOCALKUBE_CACHE/stamp
mkdir -p "$BIN" "$SRC" "$STAMP"
lock build
if [ "$only" = all ]; then
  need runc=runc /usr/lib/cni/bridge=containernetworking-plugins iptables=iptables nft=nftables conntrack=conntrack \
    ip=iproute2 nsenter=util-linux openssl=openssl python3=python3
fi

# want NAME INPUTS TIME: true when NAME is asked for and not built from these inputs yet.
want() {
  { [ "$only" = all ] || [ "$only" = "$1" ]; } || return 1
  if [ -x "$BIN/$1" ] && [ "$(cat "$STAMP/$1" 2>/dev/null)" = "$2" ]; then return 1; fi
  command -v go >/dev/null || die "Go is missing: install Go 1.26 or later, it builds the cluster's programs"
  name=$1 inputs=$2 t0=$SECONDS
  log "$1: building ($3, once)"
}
# put FILE: FILE becomes the binary that is wanted, in one step: a half-written one never has the name.
put() {
  mv -f "$1" "$BIN/$name"
  echo "$inputs" >"$STAMP/$name"
  log "$name: built in $((SECONDS - t0)) s"
}
# try CMD...: with its output in a log that is shown when it fails.
try() { "$@" >"$SRC/$name.log" 2>&1 || { tail -15 "$SRC/$name.log" >&2; die "$name: $1 $2 failed; all of its output is in $SRC/$name.log"; }; }

export CGO_ENABLED=0 GOWORK=off GOFLAGS=-buildvcs=false
module() { rm -rf "$SRC/$name"; mkdir -p "$SRC/$name"; cd "$SRC/$name"; go mod init "$name" 2>/dev/null; }
inst() { # inst PACKAGE@VERSION [TAGS]
  rm -rf "$SRC/gobin"
  GOBIN=$SRC/gobin try go install ${2:+-tags "$2"} -ldflags="-s -w" "$1"
  put "$SRC/gobin/$(ls "$SRC/gobin")"
}

# One binary for all Kubernetes components: they share most of their code, so this is
# 140 MB in place of 600. `kubed kubelet ...` runs the kubelet, and so on.
# k8s.io/kubernetes pins its staging modules to v0.0.0 and replaces them with folders;
# a program outside of that repository has to replace each with its published version.
build_kubed() {
  local dir minor=${KUBERNETES#1.} m p x=
  module
  try go mod download -json "k8s.io/kubernetes@v$KUBERNETES"
  dir=$(python3 -c 'import json,sys;print(json.load(sys.stdin)["Dir"])' <"$SRC/$name.log")
  for m in $(grep -oE '^\s+k8s.io/[a-z0-9-]+ (=> \./staging|v0\.0\.0$)' "$dir/go.mod" | awk '{print $1}' | sort -u); do
    go mod edit -replace "$m=$m@v0.$minor"
  done
  go mod edit -require "k8s.io/kubernetes@v$KUBERNETES" \
    -require "sigs.k8s.io/sig-storage-lib-external-provisioner/v13@$PROVISIONER_LIB"
  cp "$here/kubed/"*.go .
  try go mod tidy -e
  # without these a chart's kubeVersion check sees v0.0.0
  for p in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    x+=" -X $p.gitVersion=v$KUBERNETES -X $p.gitMajor=1 -X $p.gitMinor=${minor%%.*} -X $p.gitTreeState=clean -X $p.gitCommit=modules"
  done
  try go build -ldflags="-s -w $x" -o out .
  put out
}

# etcd's own main is in a module with replace directives, which `go install` refuses.
build_etcd() {
  module
  cat >main.go <<'GO'
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
GO
  try go get "go.etcd.io/etcd/server/v3@$ETCD"
  try go mod tidy
  try go build -ldflags="-s -w" -o out .
  put out
}

# The process that holds a pod's namespaces open.
build_pause() {
  module
  cp "$here/pause/main.go" .
  try go build -ldflags="-s -w" -o out .
  put out
}

own() { cat "$@" | sha256sum | cut -c1-12; }
d=github.com/containerd/containerd/v2/cmd
if want nats-server "$NATS" "about 30 s"; then inst "github.com/nats-io/nats-server/v2@$NATS"; fi
if want pause "$(own "$here"/pause/*.go)" "1 s"; then build_pause; fi
if want containerd "$CONTAINERD" "about 1 min"; then inst "$d/containerd@$CONTAINERD" "no_btrfs no_devmapper no_zfs no_aufs"; fi
if want containerd-shim-runc-v2 "$CONTAINERD" "about 10 s"; then inst "$d/containerd-shim-runc-v2@$CONTAINERD"; fi
if want ctr "$CONTAINERD" "about 20 s"; then inst "$d/ctr@$CONTAINERD"; fi
if want kubed "$KUBERNETES $PROVISIONER_LIB $(own "$here"/kubed/*.go)" "about 5 min"; then build_kubed; fi
ln -sfn kubed "$BIN/kubectl"
if want etcd "$ETCD" "about 40 s"; then build_etcd; fi
if want coredns "$COREDNS" "about 2 min"; then inst "github.com/coredns/coredns@$COREDNS"; fi
if want helm "$HELM" "about 1 min"; then inst "helm.sh/helm/v4/cmd/helm@$HELM"; fi
if want ferretdb "$FERRETDB" "about 1 min"; then inst "github.com/FerretDB/FerretDB/v2/cmd/ferretdb@$FERRETDB"; fi

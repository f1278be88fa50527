#!/bin/bash
# Brings up one Kubernetes node. Does nothing when it already runs and is Ready.
#
# The node lives in its own network and mount namespaces, held open by one process.
# So bridges, packet filter rules, pod mounts and /run/netns entries never show on this
# machine, and vanish with that process. Outside of them remain only a veth pair, two
# routes, the cgroup $CGROUP in each hierarchy, and the state folder.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

[ "$(id -u)" = 0 ] || die "must run as root"
case $S in /run/* | /var/run/* | /var/log/*) die "LOCALKUBE_STATE must not lie under /run or /var/log" ;; esac
lock cluster
for b in kubed kubectl etcd containerd containerd-shim-runc-v2 ctr coredns pause; do
  [ -x "$BIN/$b" ] || die "$BIN/$b is missing: run build.sh"
done

if alive "$S/pid/holder"; then
  if [ "$(kubectl get node "$LOCALKUBE_NAME" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null)" = True ]; then
    log "already up; export KUBECONFIG=$KUBECONFIG_ADMIN"
    exit 0
  fi
  log "found a half-started cluster: taking it down first"
fi
LOCALKUBE_LOCKED=1 "$here/down.sh"   # also clears what a crash or a power cut left behind

t0=$(date +%s.%N)
since() { awk -v a="$t0" -v b="$(date +%s.%N)" 'BEGIN{printf "%.1f", b-a}'; }
mkdir -p "$S"/{pid,log,pki,cni,kubelet,podlogs,pv,cnilib,varlog,etc} "$LOCALKUBE_IMAGES"
chmod 700 "$S/pki"
trap 'rc=$?; [ $rc = 0 ] || log "failed after $(since) s; logs are in $S/log; run down.sh to clean up"' EXIT

# ---- cgroups: one group per hierarchy, all processes of the cluster below it
cgroup_dirs() { awk '$3=="cgroup"||$3=="cgroup2"{print $2}' /proc/mounts; }
for m in $(cgroup_dirs); do
  mkdir -p "$m/$CGROUP/node"
  # in the cpuset hierarchy of cgroup v1 a new group is unusable until these are set
  for g in "$CGROUP" "$CGROUP/node"; do
    for f in cpuset.cpus cpuset.mems; do
      if [ -e "$m/$g/$f" ] && [ -z "$(cat "$m/$g/$f")" ]; then cat "$m/$(dirname "$g")/$f" >"$m/$g/$f"; fi
    done
  done
done

# start NAME CMD...: in the node's namespaces and cgroup, as a process group of its own
start() {
  local name=$1; shift
  local enter=()
  [ "$name" = holder ] || enter=(nsenter -t "$(cut -d' ' -f1 "$S/pid/holder")" -n -m --)
  setsid bash -c '
    for m in $(awk "\$3==\"cgroup\"||\$3==\"cgroup2\"{print \$2}" /proc/mounts); do echo $$ >"$m/$0/cgroup.procs"; done
    pidfile=$1; shift
    echo "$$ $(sed "s/.*) //" /proc/$$/stat | cut -d" " -f20)" >"$pidfile"
    exec "$@"' "$CGROUP/node" "$S/pid/$name" "${enter[@]}" "$@" </dev/null >>"$S/log/$name.log" 2>&1 9>&- &
  disown
}
wait_for() { # wait_for SECONDS WHAT CMD...
  local end=$((SECONDS + $1)) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || die "$what is not there in time"
    sleep 0.1
  done
}

# ---- namespaces
# private_dir DIR SOURCE: inside the node, DIR shows SOURCE. The mount point has to exist
# outside too; down.sh removes it again if we made it.
made=$S/made-dirs; : >"$made"
for d in /var/lib/kubelet /var/lib/cni; do
  if [ ! -d "$d" ]; then mkdir "$d"; echo "$d" >>"$made"; fi
done
cat >"$S/etc/holder.sh" <<SH
set -e
mount --make-rshared /            # a new peer group: kubelet needs propagation, nothing leaks out
mount -t tmpfs -o mode=755 localkube-run /run
mkdir /run/netns /run/lock
[ -L /var/run ] || mount --bind /run /var/run
mount --bind "$S/varlog" /var/log
mount --bind "$S/kubelet" /var/lib/kubelet
mount --bind "$S/cnilib" /var/lib/cni
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
: >"$S/etc/holder.ready"
exec sleep infinity
SH
start holder unshare --net --mount --propagation private bash "$S/etc/holder.sh"
wait_for 10 "the namespace" test -e "$S/etc/holder.ready"
holder=$(cut -d' ' -f1 "$S/pid/holder")
ip link add "$VETH_HOST" type veth peer name "$VETH_NODE" netns "$holder"
ip addr add "$HOST_IP/30" dev "$VETH_HOST"
ip link set "$VETH_HOST" up
in_node sh -ec "
  ip addr add $NODE_IP/30 dev $VETH_NODE
  ip link set $VETH_NODE up
  ip route add default via $HOST_IP
  sysctl -q -w net.bridge.bridge-nf-call-iptables=1 || true"
ip route add "$POD_NET" via "$NODE_IP" dev "$VETH_HOST"
ip route add "$SVC_NET" via "$NODE_IP" dev "$VETH_HOST"

# ---- keys and kubeconfigs
(
  cd "$S/pki"
  newkey() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
  ca() { newkey "$1.key"; openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 3650 -out "$1.crt"; }
  cert() { # cert NAME CA SUBJECT USAGE [SAN]
    newkey "$1.key"
    openssl req -new -key "$1.key" -subj "$3" -out "$1.csr"
    printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=%s\n%s\n' "$4" "${5:+subjectAltName=$5}" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 3650 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
  }
  kubeconfig() { # kubeconfig FILE CERT
    cat >"$1" <<Y
apiVersion: v1
kind: Config
clusters: [{name: local, cluster: {server: "https://$NODE_IP:6443", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: me, user: {client-certificate-data: $(base64 -w0 "$2.crt"), client-key-data: $(base64 -w0 "$2.key")}}]
contexts: [{name: local, context: {cluster: local, user: me}}]
current-context: local
Y
    chmod 600 "$1"
  }
  ca ca; ca front-proxy-ca
  cert apiserver ca /CN=kube-apiserver serverAuth "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:$NODE_IP,IP:$SVC_API"
  cert apiserver-kubelet ca /O=system:masters/CN=apiserver-kubelet clientAuth
  cert front-proxy front-proxy-ca /CN=front-proxy-client clientAuth
  cert kubelet-server ca "/O=system:nodes/CN=system:node:$LOCALKUBE_NAME" serverAuth "DNS:$LOCALKUBE_NAME,IP:$NODE_IP"
  cert admin ca /O=system:masters/CN=admin clientAuth
  cert controller-manager ca /CN=system:kube-controller-manager clientAuth
  cert scheduler ca /CN=system:kube-scheduler clientAuth
  cert kubelet ca "/O=system:nodes/CN=system:node:$LOCALKUBE_NAME" clientAuth
  cert kube-proxy ca /CN=system:kube-proxy clientAuth
  cert coredns ca /CN=system:coredns clientAuth
  cert localpv ca /CN=system:localpv clientAuth
  newkey sa.key; openssl ec -in sa.key -pubout -out sa.pub
  for n in controller-manager scheduler kubelet kube-proxy coredns localpv; do kubeconfig "$S/etc/$n.kubeconfig" "$n"; done
  kubeconfig "$KUBECONFIG_ADMIN" admin
) >"$S/log/pki.log" 2>&1

# ---- etcd and the API server
start etcd "$BIN/etcd" --name local --data-dir "$S/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
  --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
  --initial-cluster local=http://127.0.0.1:2380

start apiserver "$BIN/kubed" kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
  --bind-address="$NODE_IP" --advertise-address="$NODE_IP" --secure-port=6443 \
  --service-cluster-ip-range="$SVC_NET" --allow-privileged=true \
  --authorization-mode=Node,RBAC \
  --enable-admission-plugins=NodeRestriction,PodSecurity,ValidatingAdmissionPolicy,ValidatingAdmissionWebhook,MutatingAdmissionWebhook \
  --client-ca-file="$S/pki/ca.crt" --tls-cert-file="$S/pki/apiserver.crt" --tls-private-key-file="$S/pki/apiserver.key" \
  --kubelet-certificate-authority="$S/pki/ca.crt" --kubelet-client-certificate="$S/pki/apiserver-kubelet.crt" \
  --kubelet-client-key="$S/pki/apiserver-kubelet.key" --kubelet-preferred-address-types=InternalIP \
  --service-account-issuer=https://kubernetes.default.svc.cluster.local \
  --service-account-key-file="$S/pki/sa.pub" --service-account-signing-key-file="$S/pki/sa.key" \
  --requestheader-client-ca-file="$S/pki/front-proxy-ca.crt" --requestheader-allowed-names=front-proxy-client \
  --requestheader-extra-headers-prefix=X-Remote-Extra- --requestheader-group-headers=X-Remote-Group \
  --requestheader-username-headers=X-Remote-User \
  --proxy-client-cert-file="$S/pki/front-proxy.crt" --proxy-client-key-file="$S/pki/front-proxy.key" \
  ${LOCALKUBE_APISERVER_ARGS:-}

# ---- containerd, while the API server starts
cat >"$S/etc/containerd.toml" <<TOML
version = 3
root = "$LOCALKUBE_IMAGES"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs",
  "io.containerd.snapshotter.v1.native", "io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing"]
[grpc]
  address = "$CONTAINERD_SOCK"
[plugins."io.containerd.internal.v1.opt"]
  path = "/run/containerd-opt"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  use_local_image_pull = true
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "localhost/pause:1"
[plugins."io.containerd.cri.v1.runtime"]
  disable_apparmor = true
  restrict_oom_score_adj = true   # where lowering it is not permitted, runc would fail with "final child PID ... EOF"
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "$S/cni"
TOML
cat >"$S/cni/10-localkube.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "localkube", "plugins": [
  {"type": "bridge", "bridge": "lkpods", "isGateway": true, "hairpinMode": true, "ipMasq": false,
   "ipam": {"type": "host-local", "dataDir": "/var/lib/cni/networks", "ranges": [[{"subnet": "$POD_RANGE", "gateway": "$POD_GW"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
start containerd env PATH="$BIN:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
  "$BIN/containerd" --config "$S/etc/containerd.toml" --log-level warn
wait_for 20 containerd ctr version
if [ -z "$(ctr images ls -q name==localhost/pause:1)" ]; then
  "$here/image.sh" --file "$BIN/pause:/pause:755" --entrypoint /pause --user 65535 localhost/pause:1
fi

wait_for 60 "the API server" kubectl get --raw /readyz
log "API server ready after $(since) s"

# ---- the rest of the control plane
start controller-manager "$BIN/kubed" kube-controller-manager --kubeconfig="$S/etc/controller-manager.kubeconfig" \
  --bind-address=127.0.0.1 --leader-elect=false --use-service-account-credentials=true --kube-api-qps=500 --kube-api-burst=1000 \
  --service-account-private-key-file="$S/pki/sa.key" --root-ca-file="$S/pki/ca.crt" \
  --cluster-signing-cert-file="$S/pki/ca.crt" --cluster-signing-key-file="$S/pki/ca.key" \
  --client-ca-file="$S/pki/ca.crt" --requestheader-client-ca-file="$S/pki/front-proxy-ca.crt" \
  --authentication-kubeconfig="$S/etc/controller-manager.kubeconfig" --authorization-kubeconfig="$S/etc/controller-manager.kubeconfig"
start scheduler "$BIN/kubed" kube-scheduler --kubeconfig="$S/etc/scheduler.kubeconfig" \
  --bind-address=127.0.0.1 --leader-elect=false \
  --authentication-kubeconfig="$S/etc/scheduler.kubeconfig" --authorization-kubeconfig="$S/etc/scheduler.kubeconfig"

# ---- kubelet
printf 'nameserver %s\n' "$NODE_IP" >"$S/etc/resolv.conf"
cat >"$S/etc/kubelet.yaml" <<Y
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failSwapOn: false
address: $NODE_IP
healthzBindAddress: 127.0.0.1
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $S/pki/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: $S/pki/kubelet-server.crt
tlsPrivateKeyFile: $S/pki/kubelet-server.key
rotateCertificates: false
containerRuntimeEndpoint: unix://$CONTAINERD_SOCK
clusterDomain: cluster.local
clusterDNS: [$SVC_DNS]
resolvConf: $S/etc/resolv.conf
podLogsDir: $S/podlogs
volumePluginDir: /run/kubelet-volume-plugins
maxPods: $LOCALKUBE_MAX_PODS
serializeImagePulls: false
kubeAPIQPS: 200
kubeAPIBurst: 400
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
syncFrequency: 5s          # changed Secrets reach pods within seconds; tests replace certificates all the time
crashLoopBackOff: {maxContainerRestartPeriod: 1s}   # tests kill processes on purpose, again and again
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1%}
shutdownGracePeriod: 0s
Y
start kubelet "$BIN/kubed" kubelet --config="$S/etc/kubelet.yaml" --kubeconfig="$S/etc/kubelet.kubeconfig" \
  --root-dir=/var/lib/kubelet --hostname-override="$LOCALKUBE_NAME" --node-ip="$NODE_IP" \
  --node-labels=node.localkube/role=all --v=1

# ---- kube-proxy
cat >"$S/etc/kube-proxy.yaml" <<Y
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: $LOCALKUBE_PROXY_MODE
bindAddress: $NODE_IP
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
clientConnection: {kubeconfig: $S/etc/kube-proxy.kubeconfig}
hostnameOverride: $LOCALKUBE_NAME
clusterCIDR: $POD_NET
nodePortAddresses: ["$NODE_IP/32"]
conntrack: {maxPerCore: 0}
nftables: {minSyncPeriod: 200ms}
iptables: {minSyncPeriod: 200ms}
Y
start kube-proxy "$BIN/kubed" kube-proxy --config="$S/etc/kube-proxy.yaml"

# ---- add-ons: DNS as a process on the node behind the usual kube-dns service, and volumes
kubectl apply -f - >"$S/log/addons.log" <<Y
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns, kubernetes.io/name: CoreDNS}}
spec:
  clusterIP: $SVC_DNS
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns-node, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
endpoints: [{addresses: ["$NODE_IP"], conditions: {ready: true}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: localkube:coredns}
rules:
- {apiGroups: [""], resources: [services, pods, namespaces, endpoints, nodes], verbs: [get, list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: localkube:coredns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: localkube:coredns}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: system:coredns}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: localkube:localpv}
rules:
- {apiGroups: [""], resources: [persistentvolumes], verbs: [get, list, watch, create, update, patch, delete]}
- {apiGroups: [""], resources: [persistentvolumeclaims], verbs: [get, list, watch, update, patch]}
- {apiGroups: [""], resources: [nodes], verbs: [get, list, watch]}
- {apiGroups: ["", events.k8s.io], resources: [events], verbs: [create, update, patch, list, watch]}
- {apiGroups: [storage.k8s.io], resources: [storageclasses], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: localkube:localpv}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: localkube:localpv}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: system:localpv}]
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: standard, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: localkube/dir
reclaimPolicy: Delete
volumeBindingMode: WaitForFirstConsumer
Y
cat >"$S/etc/Corefile" <<C
.:53 {
  bind $NODE_IP
  errors
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig $S/etc/coredns.kubeconfig
    pods insecure
    ttl 5
  }
  cache 5
}
C
start coredns "$BIN/coredns" -conf "$S/etc/Corefile"
start localpv "$BIN/kubed" localpv --kubeconfig="$S/etc/localpv.kubeconfig" --dir="$S/pv" --node="$LOCALKUBE_NAME"

node_ready() { [ "$(kubectl get node "$LOCALKUBE_NAME" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]; }
wait_for 60 "node Ready" node_ready
log "node Ready after $(since) s"
wait_for 30 "the default service account" kubectl get serviceaccount default
untainted() { [ -z "$(kubectl get node "$LOCALKUBE_NAME" -o 'jsonpath={.spec.taints}')" ]; }
wait_for 30 "a node without taints" untainted
log "up after $(since) s; export KUBECONFIG=$KUBECONFIG_ADMIN"

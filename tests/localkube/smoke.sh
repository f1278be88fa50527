#!/bin/bash
# Is this cluster sound? Prints a line for each check, leaves nothing behind but its image.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
[ -e "$KUBECONFIG_ADMIN" ] || die "the cluster is down; start it with: cargo xtask cluster up"
N=smoke-$$
failed=0
trap 'kubectl delete namespace $N --wait=false --ignore-not-found >/dev/null' EXIT

k() { kubectl -n "$N" "$@"; }
check() { # check WHAT CMD...
  local what=$1 t=$SECONDS out; shift
  if out=$("$@" 2>&1); then echo "ok    $what ($((SECONDS - t)) s)"; else echo "FAIL  $what: $(tail -2 <<<"$out")"; failed=1; fi
}
retry() { local i; for i in $(seq 40); do if "$@"; then return 0; fi; sleep 0.25; done; return 1; }

"$here/image.sh" --suite trixie --user 1000:1000 --cmd sleep --cmd infinity localhost/smoke:dev
kubectl create namespace "$N" >/dev/null
kubectl label namespace "$N" pod-security.kubernetes.io/enforce=restricted >/dev/null
retry k get serviceaccount default >/dev/null 2>&1
k apply -f - >/dev/null <<'Y'
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: greeter}
spec: {selector: {app: echo}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: echo, labels: {app: echo}}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {runAsNonRoot: true, fsGroup: 2000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: echo
    image: localhost/smoke:dev
    imagePullPolicy: IfNotPresent
    command:
    - perl
    - -MIO::Socket::INET
    - -e
    - $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die; while ($c = $s->accept) { print $c "hello\n"; close $c }
    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
Y
hello() { timeout 3 bash -c 'read -r line <"/dev/tcp/$0/$1"; [ "$line" = hello ]' "$1" "$2"; }
inside() { k exec echo -- "$@"; }
check "a restricted pod with a claim is ready" k wait --for=condition=Ready pod/echo --timeout=30s
check "exec" inside true
check "the volume is writable for its group" inside sh -c 'echo x >/data/f && [ "$(stat -c %g /data)" = 2000 ]'
check "the root file system is not" inside sh -c '! touch /f'
check "a service name resolves in a pod" retry inside getent hosts "greeter.$N.svc.cluster.local"
check "a pod reaches its own service" retry inside bash -c 'read -r l </dev/tcp/greeter/80; [ "$l" = hello ]'
check "this machine reaches the pod" retry hello "$(k get pod echo -o 'jsonpath={.status.podIP}')" 8080
check "this machine reaches the service" retry hello "$(k get service greeter -o 'jsonpath={.spec.clusterIP}')" 80
refused() { local out; out=$(k run bad --image=localhost/smoke:dev 2>&1) || true; grep 'violates PodSecurity' <<<"$out"; }
check "a plain pod is refused" refused
check "helm runs" "$BIN/helm" version
check "the namespace can be deleted" kubectl delete namespace "$N" --timeout=30s
exit $failed

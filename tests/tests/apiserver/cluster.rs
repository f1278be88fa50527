//! Rules of `FastXCluster`, both outcomes of each.

use crate::table::{Accepted, Change, Create, Refused, check};

#[tokio::test]
async fn names() {
    check(
        "FastXCluster",
        &[
            Create("metadata: {name: a}\nspec: {}", Accepted),
            Create(
                "metadata: {name: a123456789012345678901234567890123456789}\nspec: {}",
                Accepted,
            ),
            Create(
                "metadata: {name: a1234567890123456789012345678901234567890}\nspec: {}",
                Refused("`metadata.name` must have at most 40 characters"),
            ),
            Create(
                "metadata: {name: 1a}\nspec: {}",
                Refused("begin with a letter"),
            ),
            Create(
                "metadata: {name: a.b}\nspec: {}",
                Refused("of a-z, 0-9 and `-`"),
            ),
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn store() {
    check(
        "FastXCluster",
        &[
            Create("spec: {store: {engine: FerretDB}}", Accepted),
            Create(
                "spec: {store: {engine: SQLite}}",
                Refused("supported values: \"FerretDB\""),
            ),
            Create(
                "spec: {store: {engine: External, external: {uriSecretRef: {name: a, key: b}}}}",
                Accepted,
            ),
            Create(
                "spec: {store: {engine: External}}",
                Refused("`external` is required with `engine: External`, and allowed only there"),
            ),
            Create(
                "spec: {store: {external: {uriSecretRef: {name: a, key: b}}}}",
                Refused("`external` is required with `engine: External`"),
            ),
            Create("spec: {store: {replicas: 1}}", Accepted),
            Create("spec: {store: {engine: MongoDB, replicas: 3}}", Accepted),
            Create(
                "spec: {store: {replicas: 3}}",
                Refused("`replicas` above 1 are allowed only with `engine: MongoDB`"),
            ),
            Create("spec: {store: {size: 10Gi}}", Accepted),
            Create("spec: {store: {size: big}}", Refused("spec.store.size")),
        ],
        &[
            Change(
                "spec: {store: {size: 2Gi}}",
                "spec: {store: {size: 4Gi}}",
                Accepted,
            ),
            Change(
                "spec: {store: {size: 2Gi}}",
                "spec: {store: {size: 1Gi}}",
                Refused("`size` may only grow"),
            ),
            Change(
                "spec: {store: {size: 4Gi, storageClassName: slow}}",
                "spec: {store: {storageClassName: slow}}",
                Refused("`size` may only grow: it cannot be taken away"),
            ),
            Change(
                "spec: {store: {storageClassName: slow}}",
                "spec: {store: {size: 1Gi, storageClassName: slow}}",
                Refused("`size` may only grow: it was 2Gi"),
            ),
            Change(
                "spec: {store: {engine: FerretDB}}",
                "spec: {store: {engine: External, external: {uriSecretRef: {name: a, key: b}}}}",
                Refused("`engine` cannot change: the data would stay behind"),
            ),
            Change(
                "spec: {store: {storageClassName: fast}}",
                "spec: {store: {storageClassName: fast, size: 4Gi}}",
                Accepted,
            ),
            Change(
                "spec: {store: {storageClassName: fast}}",
                "spec: {store: {storageClassName: slow}}",
                Refused("`storageClassName` cannot change"),
            ),
            Change(
                "spec: {store: {storageClassName: fast}}",
                "spec: {store: {}}",
                Refused("`storageClassName` cannot change"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn discovery() {
    check(
        "FastXCluster",
        &[
            Create("spec: {discovery: {}}", Accepted),
            Create("spec: {discovery: {mode: Declared}}", Accepted),
            Create(
                "spec: {discovery: {mode: Everybody}}",
                Refused("supported values: \"Declared\""),
            ),
            Create(
                "spec: {discovery: {}, transporter: {type: Redis}}",
                Refused("`discovery` is allowed only with `transporter.type: NATS`"),
            ),
            Create("spec: {discovery: {mode: Any, maximum: 40}}", Accepted),
            Create("spec: {discovery: {mode: Any, maximum: 1000}}", Accepted),
            Create(
                "spec: {discovery: {mode: Any}}",
                Refused("`maximum` is required with `mode: Any`, and allowed only there"),
            ),
            Create(
                "spec: {discovery: {mode: Declared, maximum: 40}}",
                Refused("`maximum` is required with `mode: Any`, and allowed only there"),
            ),
            Create(
                "spec: {discovery: {maximum: 40}}",
                Refused("`maximum` is required with `mode: Any`, and allowed only there"),
            ),
            Create(
                "spec: {discovery: {mode: Any, maximum: 0}}",
                Refused("spec.discovery.maximum"),
            ),
            Create(
                "spec: {discovery: {mode: Any, maximum: 1001}}",
                Refused("spec.discovery.maximum"),
            ),
        ],
        &[
            Change(
                "spec: {discovery: {}}",
                "spec: {discovery: {mode: Any, maximum: 40}}",
                Accepted,
            ),
            Change(
                "spec: {discovery: {mode: Any, maximum: 40}}",
                "spec: {discovery: {mode: Any, maximum: 4}}",
                Accepted,
            ),
            Change(
                "spec: {discovery: {mode: Any, maximum: 40}}",
                "spec: {discovery: {mode: Declared}}",
                Accepted,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn transporter() {
    check(
        "FastXCluster",
        &[
            Create("spec: {transporter: {type: NATS, replicas: 3}}", Accepted),
            Create("spec: {transporter: {replicas: 2}}", Refused("`replicas` must be 1 or 3")),
            Create("spec: {transporter: {type: Redis, size: 2Gi, storageClassName: fast}}", Accepted),
            Create(
                "spec: {transporter: {type: Redis, replicas: 3}}",
                Refused("`replicas` above 1 are not allowed with `type: Redis`"),
            ),
            Create(
                "spec: {transporter: {size: 2Gi}}",
                Refused("`size` and `storageClassName` are allowed only with `type: Redis`"),
            ),
            Create(
                "spec: {transporter: {type: Redis, size: much}}",
                Refused("spec.transporter.size"),
            ),
            Create("spec: {transporter: {type: Kafka}}", Refused("supported values: \"NATS\"")),
            Create(
                "spec: {transporter: {type: External, external: {host: nats.example.org}}}",
                Accepted,
            ),
            Create(
                "spec: {transporter: {type: External, external: {host: a, protocol: Redis, port: 6379, secretRef: {name: s}, rejectUnauthorized: false}}}",
                Accepted,
            ),
            Create(
                "spec: {transporter: {type: External, external: {host: a, protocol: AMQP}}}",
                Refused("supported values: \"NATS\""),
            ),
            Create(
                "spec: {transporter: {type: External}}",
                Refused("`external` is required with `type: External`"),
            ),
            Create(
                "spec: {transporter: {external: {host: nats.example.org}}}",
                Refused("allowed only there"),
            ),
            Create(
                "spec: {transporter: {type: External, external: {host: a}, exposure: {type: NodePort}}}",
                Refused("`exposure` is not allowed with `type: External`"),
            ),
            Create("spec: {transporter: {exposure: {type: NodePort, nodePort: 30222}}}", Accepted),
            Create(
                "spec: {transporter: {type: External, external: {host: 'a b'}}}",
                Refused("spec.transporter.external.host"),
            ),
        ],
        &[
            Change(
                "spec: {transporter: {type: Redis, size: 1Gi}}",
                "spec: {transporter: {type: Redis, size: 2Gi}}",
                Refused("`size` and `storageClassName` cannot change while the claim exists"),
            ),
            Change(
                "spec: {transporter: {type: NATS}}",
                "spec: {transporter: {type: Redis, size: 2Gi}}",
                Accepted,
            ),
            Change(
                "spec: {transporter: {type: Redis, size: 2Gi}}",
                "spec: {transporter: {type: NATS}}",
                Accepted,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn signing_in() {
    check(
        "FastXCluster",
        &[
            Create(
                "spec: {authentication: {order: [OIDC, SSH, Local], ssh: {}, oidc: {issuer: 'https://id.example.org/realms/lab', clientId: desks, title: Lab, clientSecretRef: {name: a, key: b}, caSecretRef: {name: c, key: d}, scopes: [profile, groups], loginClaim: email, groupsClaim: roles}, local: {usersSecretRef: {name: people}}}}",
                Accepted,
            ),
            Create(
                "spec: {authentication: {order: [OIDC], local: {usersSecretRef: {name: people}}}}",
                Refused("each method in `order` must also be set"),
            ),
            Create(
                "spec: {authentication: {order: [Local, Local], local: {usersSecretRef: {name: people}}}}",
                Refused("Duplicate value"),
            ),
            Create(
                "spec: {authentication: {oidc: {issuer: 'http://id.example.org', clientId: desks}}}",
                Refused("spec.authentication.oidc.issuer"),
            ),
            Create(
                "spec: {authentication: {oidc: {issuer: 'https://id.example.org'}}}",
                Refused("spec.authentication.oidc.clientId: Required value"),
            ),
            Create(
                "spec: {sessions: {applications: [{name: a, command: x, users: [ada], groups: [staff]}], profiles: [{name: p, users: [ada], groups: [staff]}]}}",
                Accepted,
            ),
            Create(
                "spec: {sessions: {profiles: [{name: p, users: ['']}]}}",
                Refused("spec.sessions.profiles[0].users[0]"),
            ),
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn hosts() {
    check(
        "FastXCluster",
        &[
            Create(
                "spec: {hosts: {nodeSelector: {example.org/desks: 'yes'}, template: {sshPort: 2222, logins: false, tolerations: [{operator: Exists}]}}}",
                Accepted,
            ),
            Create("spec: {hosts: {}}", Refused("spec.hosts.nodeSelector: Required value")),
            Create(
                "spec: {hosts: {nodeSelector: {}}}",
                Refused("spec.hosts.nodeSelector"),
            ),
            Create(
                "spec: {hosts: {nodeSelector: {a: b}, template: {sshPort: 0}}}",
                Refused("spec.hosts.template.sshPort"),
            ),
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn certificates() {
    check(
        "FastXCluster",
        &[
            Create("spec: {tls: {mode: SelfSigned}}", Accepted),
            Create(
                "spec: {tls: {mode: SecretRef, secretRef: {name: web}}}",
                Accepted,
            ),
            Create(
                "spec: {tls: {mode: SecretRef}}",
                Refused("`secretRef` is required with `mode: SecretRef`"),
            ),
            Create(
                "spec: {tls: {secretRef: {name: web}}}",
                Refused("allowed only there"),
            ),
            Create(
                "spec: {tls: {mode: CertManager, issuerRef: {name: ca}}, web: {hostNames: [a.example]}}",
                Accepted,
            ),
            Create(
                "spec: {tls: {mode: CertManager, issuerRef: {name: ca, kind: ClusterIssuer, group: ca.example}}, web: {hostNames: [a.example]}}",
                Accepted,
            ),
            Create(
                "spec: {tls: {mode: CertManager, issuerRef: {name: ca}}}",
                Refused("`web.hostNames` is required with `tls.mode: CertManager`"),
            ),
            Create(
                "spec: {tls: {mode: CertManager}}",
                Refused("`issuerRef` is required with `mode: CertManager`"),
            ),
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn web_address() {
    check(
        "FastXCluster",
        &[
            Create(
                "spec: {web: {hostNames: [desks.example.org, '*.desks.example.org']}}",
                Accepted,
            ),
            Create(
                "spec: {web: {hostNames: ['https://desks']}}",
                Refused("spec.web.hostNames[0]"),
            ),
            Create(
                "spec: {web: {trustedProxies: [10.0.0.7, 10.0.0.0/24, '2001:db8::/32']}}",
                Accepted,
            ),
            Create(
                "spec: {web: {trustedProxies: [proxy]}}",
                Refused("each of `trustedProxies` must be an address"),
            ),
            Create(
                "spec: {web: {exposure: {type: LoadBalancer, loadBalancerClass: a}}}",
                Accepted,
            ),
            Create(
                "spec: {web: {exposure: {type: NodePort, loadBalancerClass: a}}}",
                Refused("`loadBalancerClass` is allowed only with `type: LoadBalancer`"),
            ),
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn sessions_and_limits() {
    check(
        "FastXCluster",
        &[
            Create(
                "spec: {sessions: {applications: [{name: a, command: a, profile: default}]}}",
                Accepted,
            ),
            Create(
                "spec: {sessions: {applications: [{name: a, command: a, profile: p}], profiles: [{name: p}]}}",
                Accepted,
            ),
            Create(
                "spec: {sessions: {applications: [{name: a, command: a, profile: q}], profiles: [{name: p}]}}",
                Refused("each application's `profile` must be `default` or the name of one of `profiles`"),
            ),
            Create(
                "spec: {sessions: {applications: [{name: a, command: a}, {name: a, command: b}]}}",
                Refused("Duplicate value"),
            ),
            Create("spec: {sessions: {applications: [{name: a}]}}", Refused("command: Required value")),
            Create("spec: {sessions: {profiles: [{name: p, maxGeometry: 3840x2160}]}}", Accepted),
            Create("spec: {sessions: {profiles: [{name: p, maxGeometry: big}]}}", Refused("maxGeometry")),
            Create("spec: {sessions: {profiles: [{name: p, endDisconnected: 7d}]}}", Accepted),
            Create("spec: {sessions: {profiles: [{name: p, endDisconnected: week}]}}", Refused("endDisconnected")),
            Create("spec: {balancing: {limits: {timeMs: 10, memory: 256Mi}}}", Accepted),
            Create("spec: {balancing: {limits: {timeMs: 9}}}", Refused("greater than or equal to 10")),
            Create("spec: {balancing: {limits: {memory: 257Mi}}}", Refused("`memory` must be 4Mi to 256Mi")),
            Create("spec: {balancing: {limits: {memory: 1Mi}}}", Refused("`memory` must be 4Mi to 256Mi")),
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn everything_else() {
    check(
        "FastXCluster",
        &[
            Create(
                "spec: {disruption: Approve, paused: true, logLevel: debug}",
                Accepted,
            ),
            Create(
                "spec: {disruption: Sometimes}",
                Refused("supported values: \"Auto\""),
            ),
            Create("spec: {logLevel: loud}", Refused("spec.logLevel")),
            Create("spec: {offlineGrace: 10m}", Accepted),
            Create("spec: {offlineGrace: long}", Refused("spec.offlineGrace")),
            Create("spec: {version: '0.1.0'}", Accepted),
            Create("spec: {version: 'a b'}", Refused("spec.version")),
            Create("spec: {manager: {replicas: 9}}", Accepted),
            Create(
                "spec: {manager: {replicas: 0}}",
                Refused("greater than or equal to 1"),
            ),
            Create(
                "spec: {manager: {resources: {limits: {memory: 128Mi}}}}",
                Accepted,
            ),
            Create(
                "spec: {manager: {resources: {limits: {memory: much}}}}",
                Refused("spec.manager.resources"),
            ),
            Create("spec: {images: {fastx: 'localhost/fastx:dev'}}", Accepted),
            Create(
                "spec: {images: {fastx: 'a b'}}",
                Refused("spec.images.fastx"),
            ),
            Create(
                "spec: {authentication: {local: {usersSecretRef: {name: users}}}}",
                Accepted,
            ),
            Create(
                "spec: {authentication: {local: {}}}",
                Refused("usersSecretRef: Required value"),
            ),
            Create(
                "spec: {roles: {admins: {users: [ada], groups: [staff]}}}",
                Accepted,
            ),
            Create(
                "spec: {roles: {admins: {users: [ada, ada]}}}",
                Refused("Duplicate value"),
            ),
        ],
        &[],
    )
    .await;
}

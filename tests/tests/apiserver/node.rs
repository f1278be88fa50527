//! Rules of `ComputeNode`, both outcomes of each.

use crate::table::{Accepted, Change, Create, Refused, check};

#[tokio::test]
async fn names() {
    const SPEC: &str = "\nspec: {clusterRef: {name: c}, pod: {}}";
    let long: &'static str = format!("metadata: {{name: {}}}{SPEC}", "a".repeat(56)).leak();
    let longer: &'static str = format!("metadata: {{name: {}}}{SPEC}", "a".repeat(57)).leak();
    check(
        "ComputeNode",
        &[
            Create(long, Accepted),
            Create(
                longer,
                Refused("`metadata.name` must have at most 56 characters"),
            ),
            Create(
                "metadata: {name: a.b}\nspec: {clusterRef: {name: c}, pod: {}}",
                Refused("it is the node's serverId"),
            ),
            Create(
                "metadata: {name: manager-1}\nspec: {clusterRef: {name: c}, pod: {}}",
                Refused("these names belong to the cluster managers"),
            ),
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn kinds() {
    check(
        "ComputeNode",
        &[
            Create("spec: {clusterRef: {name: c}, pod: {}}", Accepted),
            Create("spec: {clusterRef: {name: c}, external: {}}", Accepted),
            Create(
                "spec: {clusterRef: {name: c}}",
                Refused("exactly one of `pod`, `host` and `external` must be set"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {}, external: {}}",
                Refused("exactly one of `pod`, `host` and `external` must be set"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, host: {nodeName: worker-3, sshPort: 2222, tolerations: [{operator: Exists}]}}",
                Accepted,
            ),
            Create(
                "spec: {clusterRef: {name: c}, host: {}}",
                Refused("spec.host.nodeName: Required value"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, host: {nodeName: worker-3}, pod: {}}",
                Refused("exactly one of `pod`, `host` and `external` must be set"),
            ),
            Create("spec: {pod: {}}", Refused("clusterRef: Required value")),
            Create(
                "spec: {clusterRef: {name: No}, pod: {}}",
                Refused("spec.clusterRef.name"),
            ),
        ],
        &[
            Change(
                "spec: {clusterRef: {name: c}, pod: {}}",
                "spec: {clusterRef: {name: c}, pod: {image: 'x:1'}}",
                Accepted,
            ),
            Change(
                "spec: {clusterRef: {name: c}, pod: {}}",
                "spec: {clusterRef: {name: c}, external: {}}",
                Refused("a node cannot change between `pod`, `host` and `external`"),
            ),
            Change(
                "spec: {clusterRef: {name: c}, host: {nodeName: worker-3}}",
                "spec: {clusterRef: {name: c}, external: {}}",
                Refused("a node cannot change between"),
            ),
            Change(
                "spec: {clusterRef: {name: c}, host: {nodeName: worker-3}}",
                "spec: {clusterRef: {name: c}, host: {nodeName: worker-4}}",
                Refused("`nodeName` cannot change"),
            ),
            Change(
                "spec: {clusterRef: {name: c}, pod: {}}",
                "spec: {clusterRef: {name: d}, pod: {}}",
                Refused("`clusterRef` cannot change"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn users() {
    check(
        "ComputeNode",
        &[
            Create(
                "spec: {clusterRef: {name: c}, pod: {users: [ada]}}",
                Accepted,
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {users: [ada, grace], sharedUser: true}}",
                Accepted,
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {users: [ada, grace]}}",
                Refused("several `users` are allowed only with `sharedUser: true`"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {user: {name: ada, uid: 1001}}}",
                Accepted,
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {user: {uid: 0}}}",
                Refused("greater than or equal to 1"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {user: {uid: 65532}}}",
                Refused("`uid` must not be 65532"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {user: {name: '../root'}}}",
                Refused("spec.pod.user.name"),
            ),
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn homes() {
    check(
        "ComputeNode",
        &[
            Create("spec: {clusterRef: {name: c}, pod: {home: {claimName: h}}}", Accepted),
            Create("spec: {clusterRef: {name: c}, pod: {home: {size: 5Gi, reclaim: Delete}}}", Accepted),
            Create(
                "spec: {clusterRef: {name: c}, pod: {home: {}}}",
                Refused("exactly one of `claimName`"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {home: {claimName: h, size: 5Gi}}}",
                Refused("exactly one of `claimName`"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {home: {claimName: h, storageClassName: fast}}}",
                Refused("`storageClassName` is allowed only with `size`"),
            ),
        ],
        &[
            Change(
                "spec: {clusterRef: {name: c}, pod: {home: {size: 5Gi}}}",
                "spec: {clusterRef: {name: c}, pod: {home: {size: 6Gi}}}",
                Accepted,
            ),
            Change(
                "spec: {clusterRef: {name: c}, pod: {home: {size: 5Gi}}}",
                "spec: {clusterRef: {name: c}, pod: {home: {size: 4Gi}}}",
                Refused("`size` may only grow"),
            ),
            Change(
                "spec: {clusterRef: {name: c}, pod: {home: {size: 5Gi}}}",
                "spec: {clusterRef: {name: c}, pod: {home: {claimName: h}}}",
                Refused("`home` cannot change between `claimName` and `size`"),
            ),
            Change(
                "spec: {clusterRef: {name: c}, pod: {home: {size: 5Gi}}}",
                "spec: {clusterRef: {name: c}, pod: {home: {size: 5Gi, accessMode: ReadWriteMany}}}",
                Refused("`accessMode` cannot change"),
            ),
            Change(
                "spec: {clusterRef: {name: c}, pod: {home: {size: 5Gi, storageClassName: fast}}}",
                "spec: {clusterRef: {name: c}, pod: {home: {size: 5Gi, storageClassName: slow}}}",
                Refused("`storageClassName` cannot change"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn volumes() {
    check(
        "ComputeNode",
        &[
            Create(
                "spec: {clusterRef: {name: c}, pod: {extraVolumes: [{name: data, mountPath: /data, claimName: d}]}}",
                Accepted,
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {extraVolumes: [{name: data, mountPath: /data}]}}",
                Refused("exactly one of `claimName` and `configMapName` must be set"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {extraVolumes: [{name: data, mountPath: /data, claimName: d, configMapName: m}]}}",
                Refused("exactly one of `claimName` and `configMapName` must be set"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {extraVolumes: [{name: link, mountPath: /data, claimName: d}]}}",
                Refused("`name` must not be one of broker"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {extraVolumes: [{name: data, mountPath: /etc/fastx/x, claimName: d}]}}",
                Refused("`mountPath` must not be a system folder"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {extraVolumes: [{name: data, mountPath: /usr, claimName: d}]}}",
                Refused("`mountPath` must not be a system folder"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {extraVolumes: [{name: data, mountPath: /data/../run, claimName: d}]}}",
                Refused("`mountPath` must not contain `..`"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {extraVolumes: [{name: data, mountPath: /home/ada/x, claimName: d}], user: {name: ada}}}",
                Refused("`mountPath` of an extra volume must not be in the user's home"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {extraVolumes: [{name: data, mountPath: /home/adam, claimName: d}], user: {name: ada}}}",
                Accepted,
            ),
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn everything_else() {
    check(
        "ComputeNode",
        &[
            Create(
                "spec: {clusterRef: {name: c}, pod: {env: [{name: LANG, value: C.UTF-8}]}}",
                Accepted,
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {env: [{name: FX_CONFIG_DIR, value: /x}]}}",
                Refused("names that begin with `FX_` are reserved"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {}, urls: ['https://host.example.org:3300']}",
                Accepted,
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {}, urls: ['http://host.example.org']}",
                Refused("spec.urls[0]"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {}, metrics: [gpu.sh], jobScheduling: slurm}",
                Accepted,
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {}, metrics: ['/bin/sh']}",
                Refused("spec.metrics[0]"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {}, jobScheduling: '../x'}",
                Refused("spec.jobScheduling"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {}, staticData: {gpu: true, list: [1, {a: b}]}}",
                Accepted,
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {}, staticData: [1]}",
                Refused("spec.staticData"),
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {nodeSelector: {a: b}, tolerations: [{operator: Exists}], shmSize: 2Gi}}",
                Accepted,
            ),
            Create(
                "spec: {clusterRef: {name: c}, pod: {tolerations: [{operator: Sometimes}]}}",
                Refused("operator"),
            ),
        ],
        &[],
    )
    .await;
}

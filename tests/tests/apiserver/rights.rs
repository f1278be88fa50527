//! What the rendered rights give to the operator, and to people with the built-in roles.

use std::time::Duration;

use fastx_tests::Failure;
use fastx_tests::chart;
use fastx_tests::eventually::eventually;
use fastx_tests::kube::{apply, client_as, delete, install_definitions};
use fastx_tests::namespace::in_namespace;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use kube::Client;
use kube::api::{Api, PostParams};

/// Asks the API server as that user: may I?
async fn may(user: &Client, verb: &str, what: &str, namespace: &str) -> Result<bool, Failure> {
    let (resource, group) = what.split_once('.').unwrap_or((what, ""));
    let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
    let question: SelfSubjectAccessReview = serde_json::from_value(serde_json::json!({
        "metadata": {},
        "spec": {"resourceAttributes": {
            "verb": verb, "resource": resource, "subresource": sub, "group": group, "namespace": namespace,
        }},
    }))?;
    let answer = Api::<SelfSubjectAccessReview>::all(user.clone())
        .create(&PostParams::default(), &question)
        .await?;
    Ok(answer.status.is_some_and(|s| s.allowed))
}

/// Renders the rights of an installation in this namespace, applies them, and takes away what lies outside.
async fn with_rights(
    purpose: &str,
    arguments: &[&str],
    body: impl AsyncFnOnce(&Client, &str) -> Result<(), Failure>,
) {
    in_namespace(purpose, async |client, namespace| {
        install_definitions(&client).await?;
        let name = format!("--set=fullnameOverride={namespace}");
        let all = [&["--show-only=templates/rbac.yaml", &name], arguments].concat();
        let rights = chart::template("fastx-operator", &namespace, &all)?;
        apply(&client, &namespace, &rights).await?;
        let outcome = body(&client, &namespace).await;
        delete(&client, &namespace, &rights).await?;
        outcome
    })
    .await;
}

#[tokio::test]
async fn the_operator_may_work_in_its_namespace_and_nowhere_else() {
    with_rights(
        "operator",
        &["--set=rbac.aggregateToDefaultRoles=false"],
        async |_, namespace| {
            let account = format!("system:serviceaccount:{namespace}:{namespace}");
            let operator = client_as(Some(&account)).await?;
            eventually(
                Duration::from_secs(10),
                "the rights count",
                async || match may(&operator, "list", "secrets", namespace).await {
                    Ok(true) => Ok(()),
                    other => Err(format!("{other:?}")),
                },
            )
            .await?;
            for (verb, what, allowed) in [
                ("patch", "fastxclusters.fastx.dev", true),
                ("patch", "computenodes/status.fastx.dev", true),
                ("create", "pods", true),
                ("delete", "persistentvolumeclaims", true),
                ("create", "leases.coordination.k8s.io", true),
                ("list", "events", true),
                ("list", "certificates.cert-manager.io", false),
                // Hosts that nobody declared; machines of Kubernetes are another matter.
                ("create", "computenodes.fastx.dev", true),
                ("create", "computenodes/host.fastx.dev", false),
                // The operator owns nobody's spec and makes no other resource of ours.
                ("create", "fastxclusters.fastx.dev", false),
                ("create", "balancerscripts.fastx.dev", false),
                ("update", "computenodes.fastx.dev", false),
                ("delete", "computenodes.fastx.dev", false),
                // It has no way to give itself or others more rights.
                ("create", "roles.rbac.authorization.k8s.io", false),
                ("create", "rolebindings.rbac.authorization.k8s.io", false),
                ("create", "serviceaccounts/token", false),
                ("create", "pods/exec", false),
                ("get", "pods/log", false),
            ] {
                let answer = may(&operator, verb, what, namespace).await?;
                assert_eq!(answer, allowed, "{verb} {what}");
            }
            for (verb, what) in [
                ("get", "secrets"),
                ("list", "pods"),
                ("list", "fastxclusters.fastx.dev"),
                ("create", "leases.coordination.k8s.io"),
            ] {
                for elsewhere in ["kube-system", "default", ""] {
                    let answer = may(&operator, verb, what, elsewhere).await?;
                    assert!(!answer, "{verb} {what} in `{elsewhere}`");
                }
            }
            Ok(())
        },
    )
    .await;
}

#[tokio::test]
async fn with_sight_of_the_machines_the_operator_makes_their_nodes_and_no_more() {
    let arguments = [
        "--set=rbac.aggregateToDefaultRoles=false",
        "--set=rbac.nodes=true",
    ];
    with_rights("machines", &arguments, async |_, namespace| {
        let account = format!("system:serviceaccount:{namespace}:{namespace}");
        let operator = client_as(Some(&account)).await?;
        let seen = async || match may(&operator, "watch", "nodes", "").await {
            Ok(true) => Ok(()),
            other => Err(format!("{other:?}")),
        };
        eventually(Duration::from_secs(10), "the rights count", seen).await?;
        for (verb, what, place, allowed) in [
            ("create", "computenodes.fastx.dev", namespace, true),
            ("create", "computenodes/host.fastx.dev", namespace, true),
            ("delete", "computenodes.fastx.dev", namespace, true),
            (
                "deletecollection",
                "computenodes.fastx.dev",
                namespace,
                false,
            ),
            ("create", "fastxclusters.fastx.dev", namespace, false),
            // It sees the machines, and changes nothing of them.
            ("list", "nodes", "", true),
            ("patch", "nodes", "", false),
            ("get", "nodes/proxy", "", false),
            ("create", "computenodes.fastx.dev", "default", false),
            (
                "create",
                "computenodes/host.fastx.dev",
                "kube-system",
                false,
            ),
            ("list", "secrets", "", false),
        ] {
            let answer = may(&operator, verb, what, place).await?;
            assert_eq!(answer, allowed, "{verb} {what} in `{place}`");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_pods_of_a_cluster_and_people_who_only_look_get_no_secret() {
    with_rights("secrets", &[], async |client, namespace| {
        let viewer = format!("view-{namespace}");
        let binding = format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {viewer}}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}\n\
             subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {viewer}}}]\n"
        );
        apply(client, namespace, &binding).await?;
        let person = client_as(Some(&viewer)).await?;
        eventually(Duration::from_secs(30), "view counts", async || {
            match may(&person, "list", "fastxclusters.fastx.dev", namespace).await {
                Ok(true) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await?;
        // The account of all Pods of a cluster `site`: managers, store, transporter, nodes.
        let account = format!("system:serviceaccount:{namespace}:site-fastx");
        let pods = client_as(Some(&account)).await?;
        for verb in ["get", "list", "watch"] {
            for (who, whose) in [("view", &person), ("the Pods", &pods)] {
                assert!(!may(whose, verb, "secrets", namespace).await?, "{who}: {verb}");
            }
            for what in ["pods", "configmaps", "fastxclusters.fastx.dev"] {
                assert!(!may(&pods, verb, what, namespace).await?, "{verb} {what}");
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn built_in_roles_cover_our_resources() {
    with_rights("people", &[], async |client, namespace| {
        for (role, reads, writes) in [("view", true, false), ("edit", true, true)] {
            let user = format!("{role}-{namespace}");
            let binding = format!(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: {user}}}\n\
                 roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\n\
                 subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {user}}}]\n"
            );
            apply(client, namespace, &binding).await?;
            let person = client_as(Some(&user)).await?;
            // The controller manager adds our roles to the built-in ones a moment later.
            eventually(Duration::from_secs(30), role, async || {
                for kind in ["fastxclusters", "computenodes", "balancerscripts"] {
                    let what = format!("{kind}.fastx.dev");
                    for (verb, wanted) in [("list", reads), ("create", writes), ("delete", writes)] {
                        match may(&person, verb, &what, namespace).await {
                            Ok(answer) if answer == wanted => {}
                            other => return Err(format!("{verb} {what}: {other:?}")),
                        }
                    }
                }
                Ok(())
            })
            .await?;
            let status = "computenodes/status.fastx.dev";
            assert!(!may(&person, "patch", status, namespace).await?, "{role}");
            // A machine of Kubernetes is given away by its administrators alone.
            let host = "computenodes/host.fastx.dev";
            assert!(!may(&person, "create", host, namespace).await?, "{role}");
        }
        Ok(())
    })
    .await;
}

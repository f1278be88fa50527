//! The admission policies of the chart: allowed images, Secrets that the requester may read, volumes they may use.

use std::time::Duration;

use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::kube::{api_of, apply, client_as, documents, install_definitions};
use fastx_tests::namespace::in_namespace;
use fastx_tests::{chart, kube::delete};
use kube::Client;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};

const PLACES: &str = "registry.example/team/,localhost/fastx-desktop";

/// Runs a test with the policies in force in a namespace of its own.
async fn with_policies(
    purpose: &str,
    body: impl AsyncFnOnce(&Client, &str) -> Result<(), Failure>,
) {
    in_namespace(purpose, async |client, namespace| {
        install_definitions(&client).await?;
        let policies = policies(&namespace, PLACES)?;
        apply(&client, &namespace, &policies).await?;
        // The API server takes a moment to load a policy; before that it refuses nothing.
        let outcome = match in_force(&client, &namespace).await {
            Ok(()) => body(&client, &namespace).await,
            Err(error) => Err(error),
        };
        // Policies lie outside of the namespace and do not go with it.
        delete(&client, &namespace, &policies).await?;
        outcome
    })
    .await;
}

/// The policies of an installation that watches one namespace; the names contain it.
fn policies(namespace: &str, places: &str) -> Result<String, Failure> {
    chart::template(
        "fastx-operator",
        namespace,
        &[
            "--show-only=templates/policies.yaml",
            &format!("--set=fullnameOverride={namespace}"),
            &format!("--set=admissionPolicies.allowedImages={{{places}}}"),
        ],
    )
}

async fn in_force(client: &Client, namespace: &str) -> Result<(), Failure> {
    for yaml in [
        CLUSTER.replace("IMAGE", "elsewhere/x:1"),
        node("elsewhere/x:1"),
    ] {
        eventually(
            Duration::from_secs(30),
            "the policy is in force",
            async || match try_create(client, namespace, &yaml).await {
                Ok(()) => Err("still accepted".to_owned()),
                Err(said) if said.contains("images must come from") => Ok(()),
                Err(said) => Err(said),
            },
        )
        .await?;
    }
    Ok(())
}

/// Gives people a Role of this name with these rules, in the namespace.
async fn allow(
    client: &Client,
    namespace: &str,
    role: &str,
    rules: &str,
    people: &[&str],
) -> Result<(), Failure> {
    let group = "rbac.authorization.k8s.io";
    let subjects: Vec<String> = people
        .iter()
        .map(|name| format!("{{apiGroup: {group}, kind: User, name: {name}}}"))
        .collect();
    let yaml = format!(
        "apiVersion: {group}/v1\nkind: Role\nmetadata: {{name: {role}}}\nrules: {rules}\n---\n\
         apiVersion: {group}/v1\nkind: RoleBinding\nmetadata: {{name: {role}}}\n\
         roleRef: {{apiGroup: {group}, kind: Role, name: {role}}}\nsubjects: [{}]\n",
        subjects.join(", ")
    );
    apply(client, namespace, &yaml).await
}

/// Two people: Ada has the first rules, Bob has the second besides.
async fn ada_and_bob(
    client: &Client,
    namespace: &str,
    of_both: &str,
    of_bob: &str,
) -> Result<(Client, Client), Failure> {
    let (ada, bob) = (format!("ada-{namespace}"), format!("bob-{namespace}"));
    allow(client, namespace, "both", of_both, &[&ada, &bob]).await?;
    allow(client, namespace, "bob", of_bob, &[&bob]).await?;
    Ok((client_as(Some(&ada)).await?, client_as(Some(&bob)).await?))
}

const CLUSTER: &str = "apiVersion: fastx.dev/v1alpha1\nkind: FastXCluster\nmetadata: {name: c}\nspec: {images: {nats: 'IMAGE'}}\n";

fn node(image: &str) -> String {
    format!(
        "apiVersion: fastx.dev/v1alpha1\nkind: ComputeNode\nmetadata: {{name: n}}\nspec: {{clusterRef: {{name: c}}, pod: {{image: '{image}'}}}}\n"
    )
}

fn one(yaml: &str) -> Result<DynamicObject, String> {
    documents(yaml)
        .map_err(|error| error.to_string())?
        .pop()
        .ok_or_else(|| "no object".into())
}

/// Asks the API server without leaving anything behind; the error is what it said.
async fn try_create(client: &Client, namespace: &str, yaml: &str) -> Result<(), String> {
    let object = one(yaml)?;
    let parameters = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let api = api_of(client, &object, namespace)
        .await
        .map_err(|error| error.to_string())?;
    match api.create(&parameters, &object).await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn images_come_from_allowed_places() {
    with_policies("images", async |client, namespace| {
        for (image, allowed) in [
            ("registry.example/team/x:1", true),
            ("registry.example/team/deeper/x@sha256:0", true),
            ("localhost/fastx-desktop:dev", true),
            ("localhost/fastx-desktop@sha256:0", true),
            ("localhost/fastx-desktop", true),
            // A name that only begins alike is another name.
            ("localhost/fastx-desktop-evil:dev", false),
            ("registry.example/team-evil/x:1", false),
            ("registry.example.org/team/x:1", false),
            ("x:1", false),
        ] {
            for yaml in [CLUSTER.replace("IMAGE", image), node(image)] {
                match try_create(client, namespace, &yaml).await {
                    Ok(()) => assert!(allowed, "{image} was accepted"),
                    Err(said) => {
                        assert!(!allowed, "{image}: {said}");
                        let words = format!(
                            "images must come from one of: registry.example/team/, localhost/fastx-desktop. Not allowed: {image}"
                        );
                        assert!(said.contains(&words), "{image}: {said}");
                    }
                }
            }
        }
        // Naming no image means the operator's own.
        let none = node("x").replace("image: 'x'", "");
        try_create(client, namespace, &none).await.map_err(Failure::from)
    })
    .await;
}

#[tokio::test]
async fn what_was_there_before_a_rule_can_still_be_changed() {
    with_policies("ratchet", async |client, namespace| {
        let set = async |places: &str| apply(client, namespace, &policies(namespace, places)?).await;
        set("elsewhere/").await?;
        let old = one(&node("elsewhere/x:1"))?;
        let api = api_of(client, &old, namespace).await?;
        eventually(Duration::from_secs(30), "the rule allows it", async || {
            api.create(&PostParams::default(), &old).await
        })
        .await?;
        set(PLACES).await?;
        eventually(Duration::from_secs(30), "the rule is back", async || {
            match try_create(client, namespace, &node("elsewhere/x:1").replace("{name: n}", "{name: m}")).await {
                Ok(()) => Err("still accepted"),
                Err(_) => Ok(()),
            }
        })
        .await?;
        let patch = |value: serde_json::Value| Patch::Merge(value);
        let parameters = PatchParams::default();
        // A finalizer and another field: fine, the image is not what changes.
        api.patch("n", &parameters, &patch(serde_json::json!({"metadata": {"finalizers": ["fastx.dev/test"]}, "spec": {"startSessions": false}}))).await?;
        api.patch("n", &parameters, &patch(serde_json::json!({"metadata": {"finalizers": null}}))).await?;
        let said = api
            .patch("n", &parameters, &patch(serde_json::json!({"spec": {"pod": {"image": "elsewhere/x:2"}}})))
            .await
            .expect_err("a new image from elsewhere is refused");
        assert!(said.to_string().contains("Not allowed: elsewhere/x:2"), "{said}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_named_secret_must_be_one_that_the_requester_may_read() {
    with_policies("secrets", async |client, namespace| {
        // Somebody who may write our resources and read one Secret.
        let user = format!("ada-{namespace}");
        let rules = "[{apiGroups: [fastx.dev], resources: [fastxclusters, computenodes], verbs: [create, get]}, \
                      {apiGroups: [''], resources: [secrets], resourceNames: [mine], verbs: [get]}]";
        allow(client, namespace, "writer", rules, &[&user]).await?;
        let ada = client_as(Some(&user)).await?;
        for (field, spec) in [
            ("authentication.local.usersSecretRef", "{authentication: {local: {usersSecretRef: {name: SECRET}}}}"),
            ("authentication.oidc.clientSecretRef", "{authentication: {oidc: {issuer: 'https://id.example', clientId: c, clientSecretRef: {name: SECRET, key: s}}}}"),
            ("authentication.oidc.caSecretRef", "{authentication: {oidc: {issuer: 'https://id.example', clientId: c, caSecretRef: {name: SECRET, key: s}}}}"),
            ("store.external.uriSecretRef", "{store: {engine: External, external: {uriSecretRef: {name: SECRET, key: uri}}}}"),
            ("store.external.caSecretRef", "{store: {engine: External, external: {uriSecretRef: {name: mine, key: uri}, caSecretRef: {name: SECRET, key: ca}}}}"),
            ("tls.secretRef", "{tls: {mode: SecretRef, secretRef: {name: SECRET}}}"),
            ("transporter.external.secretRef", "{transporter: {type: External, external: {host: h, secretRef: {name: SECRET}}}}"),
        ] {
            secrets(&ada, client, namespace, "FastXCluster", field, spec).await?;
        }
        let spec = "{clusterRef: {name: c}, pod: {}, tls: {secretRef: {name: SECRET}}}";
        secrets(&ada, client, namespace, "ComputeNode", "tls.secretRef", spec).await
    })
    .await;
}

#[tokio::test]
async fn cert_manager_is_asked_only_for_those_who_may_ask_it_themselves() {
    with_policies("issuers", async |client, namespace| {
        let (ada, bob) = ada_and_bob(
            client,
            namespace,
            "[{apiGroups: [fastx.dev], resources: [fastxclusters], verbs: [create, get]}]",
            "[{apiGroups: [cert-manager.io], resources: [certificates], verbs: [create]}]",
        )
        .await?;
        let yaml = "apiVersion: fastx.dev/v1alpha1\nkind: FastXCluster\nmetadata: {name: c}\nspec: {tls: {mode: CertManager, issuerRef: {name: i}}, web: {hostNames: [a.example]}}\n";
        let long = Duration::from_secs(10);
        eventually(long, "bob may", async || try_create(&bob, namespace, yaml).await).await?;
        let said = try_create(&ada, namespace, yaml).await.expect_err("ada may not");
        assert!(said.contains("you may not create certificates.cert-manager.io here"), "{said}");
        let own = yaml.replace("tls: {mode: CertManager, issuerRef: {name: i}}, ", "");
        try_create(&ada, namespace, &own).await.map_err(Failure::from)
    })
    .await;
}

#[tokio::test]
async fn hosts_are_made_only_by_those_who_may() {
    with_policies("hosts", async |client, namespace| {
        let (ada, bob) = ada_and_bob(
            client,
            namespace,
            "[{apiGroups: [fastx.dev], resources: [computenodes], verbs: [create, get]}]",
            MAKES_HOSTS,
        )
        .await?;
        let yaml = "apiVersion: fastx.dev/v1alpha1\nkind: ComputeNode\nmetadata: {name: n}\nspec: {clusterRef: {name: c}, host: {nodeName: worker-3}}\n";
        eventually(Duration::from_secs(30), "who may make hosts", async || {
            try_create(&bob, namespace, yaml).await
        })
        .await?;
        let said = try_create(&ada, namespace, yaml)
            .await
            .expect_err("she may not");
        assert!(said.contains("who may create computenodes/host"), "{said}");
        // A desktop in a pod is another matter.
        let own = yaml.replace("host: {nodeName: worker-3}", "pod: {}");
        try_create(&ada, namespace, &own).await.map_err(Failure::from)
    })
    .await;
}

/// The right that a machine of Kubernetes is given away with.
const MAKES_HOSTS: &str =
    "[{apiGroups: [fastx.dev], resources: [computenodes/host], verbs: [create]}]";

#[tokio::test]
async fn hosts_of_a_cluster_are_written_only_by_those_who_may_make_them() {
    with_policies("clusters-hosts", async |client, namespace| {
        let (ada, bob) = ada_and_bob(
            client,
            namespace,
            "[{apiGroups: [fastx.dev], resources: [fastxclusters], verbs: [create, get, patch]}]",
            MAKES_HOSTS,
        )
        .await?;
        let yaml = |name: &str, spec: &str| format!(
            "apiVersion: fastx.dev/v1alpha1\nkind: FastXCluster\nmetadata: {{name: {name}}}\nspec: {spec}\n"
        );
        let words = "`spec.hosts` is for those who may create computenodes/host";
        let hosts = "{hosts: {nodeSelector: {desks: 'yes'}}}";
        eventually(Duration::from_secs(30), "who may make hosts", async || {
            try_create(&bob, namespace, &yaml("c", hosts)).await
        })
        .await?;
        let said = try_create(&ada, namespace, &yaml("c", hosts)).await.expect_err("she may not");
        assert!(said.contains(words), "{said}");
        try_create(&ada, namespace, &yaml("c", "{}")).await?;
        // Bob has given the machines away; Ada keeps the rest of the cluster.
        for (name, spec) in [("with", hosts), ("without", "{}")] {
            let cluster = one(&yaml(name, spec))?;
            let api = api_of(&bob, &cluster, namespace).await?;
            api.create(&PostParams::default(), &cluster).await?;
        }
        let patch = async |who: &Client, name: &str, spec: serde_json::Value| {
            let api = api_of(who, &one(&yaml(name, "{}"))?, namespace).await?;
            let change = Patch::Merge(serde_json::json!({"spec": spec}));
            Ok::<_, Failure>(api.patch(name, &PatchParams::default(), &change).await.map_err(|e| e.to_string()))
        };
        let other = serde_json::json!({"hosts": {"nodeSelector": {"desks": "no"}}});
        let template = serde_json::json!({"hosts": {"template": {"tolerations": [{"operator": "Exists"}]}}});
        for (name, spec) in [("with", &other), ("with", &template), ("without", &other)] {
            let said = patch(&ada, name, spec.clone()).await?.expect_err("she may not");
            assert!(said.contains(words), "{name} {spec}: {said}");
        }
        patch(&ada, "with", serde_json::json!({"message": "hello"})).await??;
        patch(&bob, "with", other).await??;
        // To give a machine back asks for no right.
        patch(&ada, "with", serde_json::json!({"hosts": null})).await??;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn hosts_come_in_undeclared_only_by_those_who_may_declare_them() {
    with_policies("discovery", async |client, namespace| {
        let (ada, bob) = ada_and_bob(
            client,
            namespace,
            "[{apiGroups: [fastx.dev], resources: [fastxclusters], verbs: [create, get, patch]}]",
            "[{apiGroups: [fastx.dev], resources: [computenodes], verbs: [create]}]",
        )
        .await?;
        let yaml = |discovery: &str| format!(
            "apiVersion: fastx.dev/v1alpha1\nkind: FastXCluster\nmetadata: {{name: c}}\nspec: {{discovery: {discovery}}}\n"
        );
        let words = "`spec.discovery.mode: Any` is for those who may create ComputeNodes themselves";
        let any = yaml("{mode: Any, maximum: 4}");
        eventually(Duration::from_secs(30), "who may make ComputeNodes", async || {
            try_create(&bob, namespace, &any).await
        })
        .await?;
        let said = try_create(&ada, namespace, &any).await.expect_err("she may not");
        assert!(said.contains(words), "{said}");
        try_create(&ada, namespace, &yaml("{mode: Declared}")).await?;
        // Bob has opened the cluster; Ada keeps the rest of it.
        let cluster = one(&any)?;
        let api = api_of(&bob, &cluster, namespace).await?;
        api.create(&PostParams::default(), &cluster).await?;
        let patch = async |spec: serde_json::Value| {
            let api = api_of(&ada, &cluster, namespace).await?;
            let change = Patch::Merge(serde_json::json!({"spec": spec}));
            Ok::<_, Failure>(api.patch("c", &PatchParams::default(), &change).await.map_err(|e| e.to_string()))
        };
        let said = patch(serde_json::json!({"discovery": {"maximum": 400}})).await?;
        let said = said.expect_err("she may not");
        assert!(said.contains(words), "{said}");
        patch(serde_json::json!({"message": "hello"})).await??;
        // To close it asks for no right.
        patch(serde_json::json!({"discovery": {"mode": "Declared", "maximum": null}})).await??;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_operator_makes_hosts_under_its_own_policy_where_it_may_see_machines() {
    with_policies("operator-hosts", async |client, namespace| {
        let rights = |nodes: bool| chart::template(
            "fastx-operator",
            namespace,
            &[
                "--show-only=templates/rbac.yaml",
                &format!("--set=fullnameOverride={namespace}"),
                "--set=rbac.aggregateToDefaultRoles=false",
                &format!("--set=rbac.nodes={nodes}"),
            ],
        );
        let operator = client_as(Some(&format!("system:serviceaccount:{namespace}:{namespace}"))).await?;
        let host = "apiVersion: fastx.dev/v1alpha1\nkind: ComputeNode\nmetadata: {name: n}\nspec: {clusterRef: {name: c}, host: {nodeName: w}}\n";
        apply(client, namespace, &rights(false)?).await?;
        let outside = host.replace("host: {nodeName: w}", "external: {}");
        eventually(Duration::from_secs(30), "hosts that came by themselves", async || {
            try_create(&operator, namespace, &outside).await
        })
        .await?;
        let said = try_create(&operator, namespace, host).await.expect_err("without `rbac.nodes`");
        assert!(said.contains("who may create computenodes/host"), "{said}");
        let with = rights(true)?;
        apply(client, namespace, &with).await?;
        let outcome = eventually(Duration::from_secs(30), "with `rbac.nodes`", async || {
            try_create(&operator, namespace, host).await
        })
        .await;
        // What lies outside of the namespace does not go with it.
        delete(client, namespace, &with).await?;
        outcome
    })
    .await;
}

#[tokio::test]
async fn a_named_volume_must_be_one_that_the_requester_may_use() {
    with_policies("volumes", async |client, namespace| {
        // Ada may write ComputeNodes and use one claim and one ConfigMap; Bob may also make Pods.
        let (ada, bob) = ada_and_bob(
            client,
            namespace,
            // To see a claim is not to use it.
            "[{apiGroups: [fastx.dev], resources: [computenodes], verbs: [create, get, patch]}, \
              {apiGroups: [''], resources: [persistentvolumeclaims], resourceNames: [mine], verbs: [use]}, \
              {apiGroups: [''], resources: [persistentvolumeclaims], verbs: [get, list]}, \
              {apiGroups: [''], resources: [configmaps], resourceNames: [mine], verbs: [get]}]",
            "[{apiGroups: [''], resources: [pods], verbs: [create]}]",
        )
        .await?;
        let yaml = |pod: &str, name: &str| format!(
            "apiVersion: fastx.dev/v1alpha1\nkind: ComputeNode\nmetadata: {{name: n}}\nspec: {{clusterRef: {{name: c}}, pod: {}}}\n",
            pod.replace("NAME", name)
        );
        for (pod, words) in [
            ("{home: {claimName: NAME}}", "you may neither create Pods here nor `use` the PersistentVolumeClaim `theirs`"),
            ("{extraVolumes: [{name: v, mountPath: /srv/v, claimName: NAME}]}", "you may neither create Pods here nor `use` the PersistentVolumeClaim `theirs`"),
            ("{extraVolumes: [{name: v, mountPath: /srv/v, configMapName: NAME}]}", "you may neither create Pods here nor get the ConfigMap `theirs`"),
        ] {
            let long = Duration::from_secs(10);
            eventually(long, pod, async || try_create(&ada, namespace, &yaml(pod, "mine")).await).await?;
            let said = try_create(&ada, namespace, &yaml(pod, "theirs")).await.expect_err(pod);
            assert!(said.contains(words), "{pod}: {said}");
            eventually(long, pod, async || try_create(&bob, namespace, &yaml(pod, "theirs")).await).await?;
        }
        // No volume, or one that the operator makes.
        for pod in ["{}", "{home: {size: 1Gi}}"] {
            try_create(&ada, namespace, &yaml(pod, "")).await?;
        }
        // What an administrator set may stay when somebody else changes another field.
        let old = one(&yaml("{home: {claimName: NAME}}", "theirs"))?;
        let api = api_of(client, &old, namespace).await?;
        api.create(&PostParams::default(), &old).await?;
        let api = api_of(&ada, &old, namespace).await?;
        let patch = |value: serde_json::Value| Patch::Merge(value);
        api.patch("n", &PatchParams::default(), &patch(serde_json::json!({"spec": {"startSessions": false}}))).await?;
        let said = api
            .patch("n", &PatchParams::default(), &patch(serde_json::json!({"spec": {"pod": {"home": {"claimName": "others"}}}})))
            .await
            .expect_err("another claim is refused");
        assert!(said.to_string().contains("PersistentVolumeClaim `others`"), "{said}");
        Ok(())
    })
    .await;
}

async fn secrets(
    user: &Client,
    administrator: &Client,
    namespace: &str,
    kind: &str,
    field: &str,
    spec: &str,
) -> Result<(), Failure> {
    let yaml = |secret: &str| {
        let spec = spec.replace("SECRET", secret);
        format!(
            "apiVersion: fastx.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: c}}\nspec: {spec}\n"
        )
    };
    eventually(Duration::from_secs(10), field, async || {
        try_create(user, namespace, &yaml("mine")).await
    })
    .await?;
    let said = try_create(user, namespace, &yaml("theirs"))
        .await
        .expect_err(field);
    let words = format!(
        "`spec.{field}` must name a Secret that you may read yourself: you may not get the Secret `theirs`"
    );
    assert!(said.contains(&words), "{field}: {said}");
    try_create(administrator, namespace, &yaml("theirs"))
        .await
        .map_err(Failure::from)
}

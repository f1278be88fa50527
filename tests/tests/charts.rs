//! What the charts render: the whole of an unusual installation as a snapshot, and the promises by name.

use fastx_tests::chart::template;
use serde_json::Value;

/// Renders a chart with values; the error is what helm said.
fn render(chart: &str, values: &str) -> Result<String, String> {
    let file = std::env::temp_dir().join(format!("fx-values-{:08x}.yaml", rand::random::<u32>()));
    std::fs::write(&file, values).expect("the folder for temporary files is writable");
    let values = format!("--values={}", file.display());
    let rendered = template(chart, "fastx-system", &[&values]);
    let _ = std::fs::remove_file(&file);
    rendered.map_err(|error| error.to_string())
}

fn objects(chart: &str, values: &str) -> Vec<Value> {
    use serde::Deserialize as _;
    let text = render(chart, values).expect("the chart renders");
    serde_yaml_ng::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).expect("the chart renders YAML"))
        .filter(|value| !value.is_null())
        .collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|o| o["kind"] == kind).collect()
}

/// Containers of everything that has a pod.
fn pods(objects: &[Value]) -> Vec<&Value> {
    objects
        .iter()
        .filter_map(|o| match o["kind"].as_str()? {
            "Deployment" => Some(&o["spec"]["template"]["spec"]),
            "Pod" => Some(&o["spec"]),
            _ => None,
        })
        .collect()
}

const UNUSUAL: &str = r#"
replicas: 3
fullnameOverride: desks
watchNamespaces: [lab, office]
images:
  fastx: {registry: "registry.example", repository: team/fastx, tag: "", digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
  nats: {registry: "", repository: nats, tag: "2.15"}
imagePullSecrets: [{name: pull}]
networkPolicy:
  apiServer: {cidrs: ["192.0.2.1/32"], ports: [6443]}
  metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
admissionPolicies:
  allowedImages: ["registry.example/team/"]
nodeSelector: {kubernetes.io/arch: amd64}
tolerations: [{key: control, operator: Exists}]
priorityClassName: system-cluster-critical
podAnnotations: {a: b}
podLabels: {c: d}
logLevel: debug
extraEnv: [{name: FX_CONCURRENCY, value: "16"}]
"#;

#[test]
fn an_unusual_installation() {
    insta::assert_snapshot!(render("fastx-operator", UNUSUAL).expect("the chart renders"));
}

#[test]
fn the_machines_of_kubernetes_are_seen_only_when_asked_for() {
    let usual = objects("fastx-operator", UNUSUAL);
    assert!(of_kind(&usual, "ClusterRoleBinding").is_empty());
    let all = objects("fastx-operator", "rbac: {nodes: true}");
    let bindings = of_kind(&all, "ClusterRoleBinding");
    assert_eq!(bindings.len(), 1);
    let roles = of_kind(&all, "ClusterRole");
    let bound = roles
        .iter()
        .find(|r| r["metadata"]["name"] == bindings[0]["roleRef"]["name"]);
    assert_eq!(
        bound.expect("the bound role")["rules"],
        serde_json::json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]}])
    );
    let told = of_kind(&all, "Deployment")[0].to_string();
    assert!(told.contains("FX_WATCH_MACHINES"), "{told}");
}

#[test]
fn no_right_outside_the_watched_namespaces() {
    let all = objects("fastx-operator", UNUSUAL);
    let bindings = of_kind(&all, "ClusterRoleBinding");
    assert!(bindings.is_empty(), "no cluster-wide right: {bindings:?}");
    for role in of_kind(&all, "ClusterRole") {
        let rules = role["rules"].to_string();
        assert!(
            !rules.contains("secrets") && !rules.contains("\"*\""),
            "{role}"
        );
    }
    let mut places: Vec<&str> = of_kind(&all, "RoleBinding")
        .iter()
        .filter_map(|b| b["metadata"]["namespace"].as_str())
        .collect();
    places.sort_unstable();
    assert_eq!(places, ["fastx-system", "lab", "office"]);
}

#[test]
fn without_namespaces_it_watches_its_own() {
    let all = objects("fastx-operator", "{}");
    for role in of_kind(&all, "Role") {
        assert_eq!(role["metadata"]["namespace"], "fastx-system");
    }
    let text = all.iter().map(Value::to_string).collect::<String>();
    assert!(text.contains(r#"{"name":"FX_WATCH_NAMESPACES","value":"fastx-system"}"#));
}

#[test]
fn every_pod_obeys_the_restricted_profile() {
    for values in ["{}", UNUSUAL] {
        for pod in pods(&objects("fastx-operator", values)) {
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            assert_eq!(
                pod["securityContext"]["seccompProfile"]["type"],
                "RuntimeDefault"
            );
            for container in pod["containers"].as_array().expect("containers") {
                let context = &container["securityContext"];
                assert_eq!(context["allowPrivilegeEscalation"], false);
                assert_eq!(context["readOnlyRootFilesystem"], true);
                assert_eq!(context["capabilities"]["drop"][0], "ALL");
                assert!(container["resources"]["limits"]["memory"].is_string());
            }
        }
    }
}

#[test]
fn a_digest_wins_over_the_tag() {
    let all = objects("fastx-operator", UNUSUAL);
    assert_eq!(
        of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["image"],
        "registry.example/team/fastx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    );
}

#[test]
fn one_replica_has_no_disruption_budget() {
    let one = objects("fastx-operator", "replicas: 1");
    assert!(of_kind(&one, "PodDisruptionBudget").is_empty());
    let two = objects("fastx-operator", "{}");
    assert_eq!(of_kind(&two, "PodDisruptionBudget").len(), 1);
}

#[test]
fn the_schema_refuses_what_is_misspelt() {
    for (values, named) in [
        ("replica: 2", "replica"),
        ("replicas: two", "replicas"),
        ("logLevel: loud", "logLevel"),
        ("watchNamespaces: lab", "watchNamespaces"),
        ("images: {fastx: {digest: abc}}", "digest"),
        ("admissionPolicies: {allowedImages: ['']}", "allowedImages"),
    ] {
        let said = render("fastx-operator", values).expect_err(values);
        assert!(said.contains(named), "{values}: {said}");
    }
}

#[test]
fn definitions_stay_when_their_chart_goes() {
    let all = objects("fastx-crds", "{}");
    let definitions = of_kind(&all, "CustomResourceDefinition");
    assert_eq!(definitions.len(), 3);
    for definition in definitions {
        let kept = &definition["metadata"]["annotations"]["helm.sh/resource-policy"];
        assert_eq!(kept, "keep");
        let size = definition.to_string().len();
        assert!(
            size < 100_000,
            "{size} bytes do not fit a client-side apply"
        );
    }
}

#[test]
fn the_values_for_local_images_fit() {
    let values = fastx_tests::chart::root().join("manifests/values-local.yaml");
    let values = std::fs::read_to_string(values).expect("the file is there");
    let all = objects("fastx-operator", &values);
    let image =
        &of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(image, "localhost/fastx:dev");
}

//! `cargo xtask demo`: the whole product on this machine, from an empty cluster to a desktop in the browser.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use clap::Subcommand;

use crate::cluster::{self, Paths, process, say};
use crate::steps::{self, Failure, Steps};
use crate::{images, web};

const NAMESPACE: &str = "fastx-demo";
const OPERATOR_NAMESPACE: &str = "fastx-system";
const USER: &str = "ada";
/// The user of `manifests/examples/10-users.yaml`; the file says that it is for trials only.
const PASSWORD: &str = "demo-please-change";
/// Ports of `manifests/examples/50-addresses.yaml`.
const PORTS: [(&str, u16); 3] = [("any", 30300), ("alpha", 30301), ("beta", 30302)];
/// How long the demo may take from `kubectl apply` to Ready.
const READY_LIMIT: Duration = Duration::from_mins(5);

/// What to do with the demo.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Action {
    /// Bring everything up and print address, user and password
    Up,
    /// Use it with a real browser as a person would
    Check,
    /// Take everything down, the cluster included
    Down,
}

/// Runs `cargo xtask demo`.
pub(crate) fn run(action: Action) -> Result<(), Failure> {
    match action {
        Action::Up => up(),
        Action::Check => check(),
        Action::Down => down(),
    }
}

/// Brings everything up.
pub(crate) fn up() -> Result<(), Failure> {
    let paths = Paths::load()?;
    let mut steps = Steps::begin();
    steps.run(
        "web client",
        "1 min from nothing, nothing when unchanged",
        || web::build(&paths),
    )?;
    steps.run(
        "cluster",
        "10 min from nothing to build Kubernetes, then 5 s",
        cluster::up_default,
    )?;
    steps.run("images", "15 min from nothing, then seconds", images::all)?;
    steps.run("operator (helm install)", "5 s", || install(&paths))?;
    steps.run("custom resources (kubectl apply)", "2 s", || apply(&paths))?;
    let ready = steps.run("until the cluster is Ready", "30 s", || wait(&paths));
    if ready.is_err() {
        describe(&paths);
    }
    ready?;
    steps.summary();
    let ip = node_ip(&paths)?;
    say("");
    say(&format!("  Open      https://{ip}:{}", PORTS[0].1));
    say(&format!("  User      {USER}"));
    say(&format!("  Password  {PASSWORD}"));
    say("");
    say("  The certificate is the demo's own: the browser asks you to accept it.");
    say("  Look around:  eval \"$(cargo xtask cluster env)\"; kubectl -n fastx-demo get fastx");
    say("  Try it all:   make demo-check      Take it down:  make demo-down");
    Ok(())
}

/// Uses the product through a browser, knowing only what a user knows.
pub(crate) fn check() -> Result<(), Failure> {
    let paths = Paths::load()?;
    let mut steps = Steps::begin();
    steps.run("packages of the browser test", "30 s, once", || {
        web::packages(&cluster::root().join("web"))
    })?;
    let ip = node_ip(&paths)?;
    let pictures = paths.cache.join("demo-check");
    std::fs::create_dir_all(&pictures)?;
    let result = steps.run("a person with a browser", "1 min", || {
        let mut script = Command::new("node");
        script.arg(cluster::root().join("tests/browser/demo-check.mjs"));
        for (name, port) in PORTS {
            script.env(
                format!("FASTX_URL_{}", name.to_uppercase()),
                format!("https://{ip}:{port}"),
            );
        }
        script
            .env("FASTX_USER", USER)
            .env("FASTX_PASSWORD", PASSWORD)
            .env("FASTX_PICTURES", &pictures);
        process::run(&mut script)
    });
    say(&format!("pictures are in {}", pictures.display()));
    if result.is_err() {
        describe(&paths);
    }
    steps.summary();
    result
}

/// Takes everything down.
pub(crate) fn down() -> Result<(), Failure> {
    cluster::down_default().map_err(Failure::from)
}

fn install(paths: &Paths) -> Result<(), Failure> {
    let charts = cluster::root().join("charts");
    let install = |release: &str| {
        let mut helm = tool(paths, "helm");
        helm.args([
            "upgrade",
            "--install",
            release,
            "--namespace",
            OPERATOR_NAMESPACE,
            "--create-namespace",
        ]);
        helm.arg(charts.join(release));
        helm
    };
    quietly(&mut install("fastx-crds"))?;
    namespace(paths)?;
    quietly(
        install("fastx-operator")
            .arg("--set-json")
            .arg(format!("watchNamespaces=[\"{NAMESPACE}\"]"))
            .args(["--wait", "--timeout", "120s"]),
    )
}

/// The namespace of the demo enforces the strictest Pod Security.
fn namespace(paths: &Paths) -> Result<(), Failure> {
    let manifest = format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{{\"name\":\"{NAMESPACE}\",\
         \"labels\":{{\"pod-security.kubernetes.io/enforce\":\"restricted\"}}}}}}"
    );
    let mut kubectl = tool(paths, "kubectl");
    kubectl.args(["apply", "--server-side", "--filename", "-"]);
    process::with_input(&mut kubectl, &manifest).map_err(Failure::from)
}

fn apply(paths: &Paths) -> Result<(), Failure> {
    for name in [
        "10-users",
        "20-cluster",
        "30-nodes",
        "40-script",
        "50-addresses",
    ] {
        let mut kubectl = tool(paths, "kubectl");
        kubectl.args(["--namespace", NAMESPACE, "apply", "--filename"]);
        kubectl.arg(cluster::root().join(format!("manifests/examples/{name}.yaml")));
        process::run(&mut kubectl)?;
    }
    Ok(())
}

/// Waits until cluster and nodes are Ready, and says what changes meanwhile.
fn wait(paths: &Paths) -> Result<(), Failure> {
    let begun = steps::now();
    let mut said = String::new();
    loop {
        let now = conditions(paths)?;
        if now != said {
            for line in now
                .lines()
                .filter(|line| !said.lines().any(|old| old == *line))
            {
                say(&format!(
                    "    {:>5.1} s  {line}",
                    begun.elapsed().as_secs_f64()
                ));
            }
            said = now;
        }
        let lines: Vec<&str> = said.lines().collect();
        if lines.len() >= 3 && lines.iter().all(|line| line.contains("Ready=True")) {
            return Ok(());
        }
        if begun.elapsed() > READY_LIMIT {
            return Err(format!("not Ready within {READY_LIMIT:?}; last seen:\n{said}").into());
        }
        process::pause(Duration::from_millis(500));
    }
}

/// A line for the cluster and for each node: `Kind/name Ready=… reason: message`.
fn conditions(paths: &Paths) -> Result<String, Failure> {
    let template = "{range .items[*]}{.kind}/{.metadata.name} Ready={.status.conditions[?(@.type==\"Ready\")].status} \
                    {.status.conditions[?(@.type==\"Ready\")].reason}: \
                    {.status.conditions[?(@.type==\"Ready\")].message}{\"\\n\"}{end}";
    let mut kubectl = tool(paths, "kubectl");
    kubectl.args([
        "--namespace",
        NAMESPACE,
        "get",
        "fastxclusters,computenodes",
        "--output",
    ]);
    kubectl.arg(format!("jsonpath={template}"));
    process::output(&mut kubectl).map_err(Failure::from)
}

/// What somebody who looks for the fault wants to see.
pub(crate) fn describe(paths: &Paths) {
    for arguments in [
        vec!["get", "fastx,pods,pvc", "--output", "wide"],
        vec!["get", "events", "--sort-by=.lastTimestamp"],
        vec![
            "logs",
            "--prefix",
            "--tail=40",
            "--all-containers",
            "--selector=app.kubernetes.io/name=fastx",
        ],
    ] {
        let mut kubectl = tool(paths, "kubectl");
        kubectl.args(["--namespace", NAMESPACE]).args(&arguments);
        say(&format!("--- kubectl {}", arguments.join(" ")));
        let _the_first_fault_is_the_one_that_counts = process::run(&mut kubectl);
    }
    let mut kubectl = tool(paths, "kubectl");
    kubectl.args([
        "--namespace",
        OPERATOR_NAMESPACE,
        "logs",
        "--prefix",
        "--tail=60",
    ]);
    kubectl.arg("--selector=app.kubernetes.io/name=fastx-operator");
    let _the_first_fault_is_the_one_that_counts = process::run(&mut kubectl);
}

fn node_ip(paths: &Paths) -> Result<String, Failure> {
    let mut kubectl = tool(paths, "kubectl");
    kubectl.args(["get", "nodes", "--output"]);
    kubectl.arg("jsonpath={.items[0].status.addresses[?(@.type==\"InternalIP\")].address}");
    process::output(&mut kubectl).map_err(Failure::from)
}

fn tool(paths: &Paths, program: &str) -> Command {
    let built = paths.bin(program);
    let program = if built.exists() {
        built
    } else {
        PathBuf::from(program)
    };
    let mut command = Command::new(program);
    command.env("KUBECONFIG", paths.kubeconfig());
    command
}

fn quietly(command: &mut Command) -> Result<(), Failure> {
    process::output(command).map(drop).map_err(Failure::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_ports_are_those_of_the_examples() {
        let example = |name: &str| {
            std::fs::read_to_string(cluster::root().join("manifests/examples").join(name)).unwrap()
        };
        assert!(example("10-users.yaml").contains(USER));
        assert!(
            example("10-users.yaml").contains(PASSWORD),
            "the comment names the password"
        );
        assert!(example("20-cluster.yaml").contains("name: demo"));
        for (_, port) in PORTS {
            assert!(example("50-addresses.yaml").contains(&format!("nodePort: {port}")));
        }
    }
}

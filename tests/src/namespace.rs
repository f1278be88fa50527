//! A namespace of its own for each test: random name, removed at the end, described when the test fails.

use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::process::Command;

use fastx_lifecycle::env::{Process, Source as _};
use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};

use crate::Failure;
use crate::kube::{client, kubeconfig, kubectl};

/// Runs a test in a fresh namespace.
///
/// `KEEP_NAMESPACE=1` leaves it for a look afterwards.
pub async fn in_namespace(
    purpose: &str,
    body: impl AsyncFnOnce(Client, String) -> Result<(), Failure>,
) {
    let client = client()
        .await
        .unwrap_or_else(|error| fail(&error.to_string()));
    let name = format!("fx-{purpose}-{:08x}", rand::random::<u32>());
    if let Err(error) = create(&client, &name).await {
        fail(&format!("could not create the namespace {name}: {error}"));
    }
    let outcome = AssertUnwindSafe(body(client.clone(), name.clone()))
        .catch_unwind()
        .await;
    let wrong = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(panic) => Some(said(&*panic)),
    };
    let report = wrong.map(|wrong| format!("{wrong}\n\n{}", describe(&name)));
    if Process.get("KEEP_NAMESPACE").is_none() {
        let api: Api<Namespace> = Api::all(client);
        // Best effort: the namespace controller goes on after the test has ended.
        let _ = api.delete(&name, &DeleteParams::background()).await;
    }
    if let Some(report) = report {
        fail(&report);
    }
}

#[expect(clippy::panic, reason = "this is how a test fails")]
fn fail(report: &str) -> ! {
    panic!("{report}")
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .unwrap_or_else(|| "panicked".into())
}

async fn create(client: &Client, name: &str) -> Result<(), kube::Error> {
    let namespace: Namespace = serde_json::from_value(serde_json::json!({
        "metadata": {
            "name": name,
            "labels": {
                "fastx.dev/test": "true",
                // Whatever we start has to satisfy the strictest profile.
                "pod-security.kubernetes.io/enforce": "restricted",
            },
        },
    }))
    .map_err(kube::Error::SerdeError)?;
    let api: Api<Namespace> = Api::all(client.clone());
    api.create(&PostParams::default(), &namespace).await?;
    Ok(())
}

/// What a person would ask first: our objects, pods, events, in the words of kubectl.
pub fn describe(namespace: &str) -> String {
    let mut text = format!("namespace {namespace}:\n");
    let questions: [&[&str]; 4] = [
        &[
            "get",
            "fastxclusters,computenodes,balancerscripts",
            "-o",
            "yaml",
        ],
        &["get", "pods,deployments,services,pvc", "-o", "wide"],
        &["get", "events", "--sort-by=.lastTimestamp"],
        &[
            "logs",
            "--all-containers",
            "--prefix",
            "--tail=40",
            "-l",
            "app.kubernetes.io/name=fastx",
        ],
    ];
    for question in questions {
        let answer = Command::new(kubectl())
            .arg("--kubeconfig")
            .arg(kubeconfig())
            .args(["--namespace", namespace, "--request-timeout=10s"])
            .args(question)
            .output();
        let answer = match answer {
            Ok(done) => [done.stdout, done.stderr].concat(),
            Err(error) => format!("could not run kubectl: {error}").into_bytes(),
        };
        let _ = writeln!(
            text,
            "$ kubectl {}\n{}",
            question.join(" "),
            String::from_utf8_lossy(&answer)
        );
    }
    text
}

//! Many small specs against a real API server: each one is accepted, or refused with words that help.

use fastx_tests::Failure;
use fastx_tests::kube::{api_of, documents, install_definitions};
use fastx_tests::namespace::in_namespace;
use kube::Client;
use kube::api::{DynamicObject, PostParams};

/// What should become of a spec.
pub(crate) enum Expect {
    Accepted,
    /// The refusal contains this text.
    Refused(&'static str),
}

pub(crate) use Expect::{Accepted, Refused};

/// A spec that somebody creates.
pub(crate) struct Create(pub(crate) &'static str, pub(crate) Expect);

/// A spec, and what somebody makes of it afterwards.
pub(crate) struct Change(
    pub(crate) &'static str,
    pub(crate) &'static str,
    pub(crate) Expect,
);

/// Tries every spec and reports all that went otherwise, not only the first.
pub(crate) async fn check(kind: &str, creates: &[Create], changes: &[Change]) {
    in_namespace("table", async |client, namespace| {
        install_definitions(&client).await?;
        let mut wrong = Vec::new();
        for Create(spec, expect) in creates {
            let said = create(&client, &namespace, kind, spec, true).await?;
            wrong.extend(compare(spec, &said, expect));
        }
        for (number, Change(before, after, expect)) in changes.iter().enumerate() {
            let before = named(before, number);
            if let Err(said) = create(&client, &namespace, kind, &before, false).await? {
                wrong.push(format!("{before}\n  could not be created: {said}"));
                continue;
            }
            let said = change(&client, &namespace, kind, &before, &named(after, number)).await?;
            wrong.extend(compare(&format!("{before}\n  then {after}"), &said, expect));
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(wrong.join("\n\n").into())
        }
    })
    .await;
}

/// Rows of changes live beside each other, so each one has its own name.
fn named(text: &str, number: usize) -> String {
    if text.contains("metadata:") {
        text.to_owned()
    } else {
        format!("metadata: {{name: row-{number}}}\n{text}")
    }
}

fn object(kind: &str, text: &str) -> Result<DynamicObject, Failure> {
    let metadata = if text.contains("metadata:") {
        ""
    } else {
        "metadata: {name: row}\n"
    };
    let yaml = format!("apiVersion: fastx.dev/v1alpha1\nkind: {kind}\n{metadata}{text}");
    let mut objects = documents(&yaml).map_err(|error| format!("{yaml}\n{error}"))?;
    objects.pop().ok_or_else(|| "no object".into())
}

async fn create(
    client: &Client,
    namespace: &str,
    kind: &str,
    text: &str,
    dry_run: bool,
) -> Result<Result<(), String>, Failure> {
    let object = object(kind, text)?;
    let parameters = PostParams {
        dry_run,
        ..PostParams::default()
    };
    let api = api_of(client, &object, namespace).await?;
    Ok(said(api.create(&parameters, &object).await))
}

async fn change(
    client: &Client,
    namespace: &str,
    kind: &str,
    before: &str,
    after: &str,
) -> Result<Result<(), String>, Failure> {
    let name = object(kind, before)?.metadata.name.unwrap_or_default();
    let wanted = object(kind, after)?;
    let api = api_of(client, &wanted, namespace).await?;
    let mut present = api.get(&name).await?;
    present.data["spec"] = wanted.data["spec"].clone();
    let parameters = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    Ok(said(api.replace(&name, &parameters, &present).await))
}

/// The API server's refusal; anything else that goes wrong is one, too, and will not match.
fn said<T>(answer: kube::Result<T>) -> Result<(), String> {
    match answer {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(other) => Err(other.to_string()),
    }
}

fn compare(text: &str, said: &Result<(), String>, expect: &Expect) -> Option<String> {
    match (said, expect) {
        (Ok(()), Expect::Accepted) => None,
        (Err(said), Expect::Refused(words)) if said.contains(words) => None,
        (Ok(()), Expect::Refused(words)) => {
            Some(format!("{text}\n  was accepted; wanted: {words}"))
        }
        (Err(said), Expect::Refused(words)) => Some(format!(
            "{text}\n  was refused with other words: {said}\n  wanted: {words}"
        )),
        (Err(said), Expect::Accepted) => Some(format!("{text}\n  was refused: {said}")),
    }
}

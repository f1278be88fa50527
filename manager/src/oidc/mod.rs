//! Signing in at an OpenID Connect provider: managers know the client's secret, so they exchange the codes.
//!
//! Authorisation code with PKCE. The node keeps state, nonce and verifier in a cookie of the browser;
//! here nothing is kept but what the provider publishes about itself.

mod claims;
mod keys;
mod provider;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use fastx_core::secret::Secret;
use fastx_core::wire::config::OidcPart;
use fastx_core::wire::operations::{OidcAddress, OidcBegin, OidcExchange, PasswordAnswer};
use fastx_core::wire::problem::Problem;
use reqwest::Certificate;
use serde_json::Value;
use tokio::time::Instant;

use self::provider::Provider;
use crate::core::{Core, store_problem};
use crate::operations::configuration;

/// How long what a provider publishes counts without asking again.
const FRESH: Duration = Duration::from_mins(10);
/// How soon keys may be fetched again when one is missing.
const AGAIN: Duration = Duration::from_secs(30);

/// Where an administrator puts what the configuration does not hold.
#[derive(Debug)]
struct Files {
    secret: PathBuf,
    ca: PathBuf,
}

/// What is known of the provider.
#[derive(Debug, Default)]
pub(crate) struct Oidc {
    files: OnceLock<Files>,
    known: Mutex<Option<(Arc<Provider>, Instant)>>,
}

impl Oidc {
    /// Says where the client's secret and the provider's authorities are; once, at the start.
    pub(crate) fn files_at(&self, secret: PathBuf, ca: PathBuf) {
        let _set_before = self.files.set(Files { secret, ca });
    }

    /// The client's secret; none for a client that has none.
    async fn secret(&self) -> Result<Option<Secret>, Problem> {
        let file = self.files.get().map(|f| &f.secret);
        let text = read(file, "the secret of the OIDC client").await?;
        Ok(text.map(|text| Secret::new(text.trim())))
    }

    /// Authorities of the provider besides the system's.
    async fn authorities(&self) -> Result<Vec<Certificate>, Problem> {
        let file = self.files.get().map(|f| &f.ca);
        let what = "the authorities of the OIDC provider";
        let Some(text) = read(file, what).await? else {
            return Ok(Vec::new());
        };
        match Certificate::from_pem_bundle(text.as_bytes()) {
            Ok(all) if !all.is_empty() => Ok(all),
            _ => {
                tracing::error!("the file with {what} has no certificate");
                Err(unreadable(what))
            }
        }
    }

    /// What the provider publishes, not older than `age`.
    async fn provider(&self, part: &OidcPart, age: Duration) -> Result<Arc<Provider>, Problem> {
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, asked)) = &*lock()
            && known.issuer == part.issuer
            && asked.elapsed() < age
        {
            return Ok(Arc::clone(known));
        }
        let trusted = self.authorities().await?;
        let provider = Arc::new(Provider::discover(&part.issuer, trusted).await?);
        *lock() = Some((Arc::clone(&provider), Instant::now()));
        Ok(provider)
    }
}

/// None when there is no such file.
async fn read(file: Option<&PathBuf>, what: &str) -> Result<Option<String>, Problem> {
    let Some(file) = file else { return Ok(None) };
    match tokio::fs::read_to_string(file).await {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            tracing::error!(%error, file = %file.display(), "{what} cannot be read");
            Err(unreadable(what))
        }
    }
}

fn unreadable(what: &str) -> Problem {
    Problem::internal(format!("The managers cannot read {what}."))
}

/// `oidc.begin`.
pub(crate) async fn begin(core: &Core, body: &OidcBegin) -> Result<OidcAddress, Problem> {
    let part = part(core).await?;
    let provider = core.oidc.provider(&part, FRESH).await?;
    Ok(OidcAddress {
        url: provider.authorization_url(&part, body),
    })
}

/// `oidc.exchange`.
pub(crate) async fn exchange(core: &Core, body: &OidcExchange) -> Result<PasswordAnswer, Problem> {
    let part = part(core).await?;
    let secret = core.oidc.secret().await?;
    let mut provider = core.oidc.provider(&part, FRESH).await?;
    let tokens = provider.exchange(&part, secret.as_ref(), body).await?;
    if !provider.knows_key_of(&tokens.id_token) {
        // The provider may have changed its keys since.
        provider = core.oidc.provider(&part, AGAIN).await?;
    }
    let verified = provider
        .verify(&tokens.id_token)
        .map_err(|why| untrusted(&why))?;
    claims::check(&verified, &part, &body.nonce, core.now()).map_err(|why| untrusted(&why))?;
    let mut facts = verified;
    if let Some(more) = provider.userinfo(&tokens).await? {
        merge(&mut facts, more)?;
    }
    let user = claims::user(&facts, &part).map_err(|why| {
        tracing::error!(%why, "a user of the OIDC provider cannot sign in");
        Problem::new(403, "no-account", "The server does not know you")
            .detail(format!(
                "The sign-in provider did not say who you are: {why}."
            ))
            .action(
                "Tell your administrator: the claims of the provider must fit the configuration.",
            )
    })?;
    tracing::info!(login = %user.login, issuer = %part.issuer, "a code of the OIDC provider was right");
    Ok(user)
}

/// Adds what the provider says beside the signed token, which must be about the same subject.
fn merge(facts: &mut Value, more: Value) -> Result<(), Problem> {
    if more["sub"] != facts["sub"] {
        return Err(untrusted("userinfo is about somebody else"));
    }
    if let (Some(facts), Value::Object(more)) = (facts.as_object_mut(), more) {
        for (name, value) in more {
            facts.entry(name).or_insert(value);
        }
    }
    Ok(())
}

async fn part(core: &Core) -> Result<OidcPart, Problem> {
    let cluster = configuration::cluster(core)
        .await
        .map_err(|e| store_problem(&e))?;
    let part = cluster.and_then(|cluster| cluster.oidc);
    let part = part.ok_or_else(|| {
        Problem::bad_request("The cluster's configuration names no OIDC provider.")
    })?;
    // Codes and tokens travel to it: over TLS, or within this machine.
    let local = ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"];
    if part.issuer.starts_with("https://") || local.iter().any(|l| part.issuer.starts_with(l)) {
        Ok(part)
    } else {
        Err(Problem::internal(
            "The address of the OIDC provider in the configuration does not begin with https://.",
        ))
    }
}

fn untrusted(why: &str) -> Problem {
    tracing::warn!(%why, "an answer of the OIDC provider is not accepted");
    Problem::new(401, "sign-in-refused", "The sign-in failed")
        .detail(format!(
            "The answer of the sign-in provider is not accepted: {why}."
        ))
        .action("Sign in again; if it stays so, tell your administrator.")
}

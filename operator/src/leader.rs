//! Which replica works: one at a time holds a Lease.
//!
//! The algorithm is the one that Kubernetes' own components use. All writes compare and swap on `resourceVersion`.
//! A follower counts from the moment when *it* saw the Lease change, by its own monotonic clock, so that clocks may differ.
//! A leader that could not renew within the deadline stops, which is before anybody else may take over.

use std::pin::pin;
use std::time::Duration;

use fastx_lifecycle::clock;
use fastx_lifecycle::shutdown::Shutdown;
use futures::StreamExt as _;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use kube::{Api, Error};
use tokio::time::Instant;

/// How long a Lease holds without renewal.
const LEASE: Duration = Duration::from_secs(15);
/// A leader that has not renewed for so long stops.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often a leader renews.
const RENEW_EVERY: Duration = Duration::from_secs(4);
/// How long one request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(4);
/// Pause after a failed request.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes part in the election.
pub struct Elector {
    api: Api<Lease>,
    name: String,
    identity: String,
}

impl std::fmt::Debug for Elector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Elector")
            .field("name", &self.name)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Why a leader no longer leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The process was asked to end, and the Lease was given back.
    Released,
    /// Another one may lead: stop at once.
    Lost(String),
}

/// What a follower has seen of the Lease.
#[derive(Debug, Clone, Default)]
struct Observation {
    version: Option<String>,
    since: Option<Instant>,
}

impl Observation {
    fn see(&mut self, lease: &Lease, now: Instant) {
        let version = &lease.metadata.resource_version;
        if self.since.is_none() || *version != self.version {
            self.version.clone_from(version);
            self.since = Some(now);
        }
    }

    /// When the Lease may be taken, if it is not renewed before.
    fn free_at(&self, lease: &Lease, identity: &str) -> Option<Instant> {
        let spec = lease.spec.clone().unwrap_or_default();
        match spec.holder_identity.as_deref() {
            None | Some("") => None,
            Some(holder) if holder == identity => None,
            Some(_) => {
                let seconds =
                    u64::try_from(spec.lease_duration_seconds.unwrap_or(15)).unwrap_or(15);
                self.since.map(|since| since + Duration::from_secs(seconds))
            }
        }
    }
}

impl Elector {
    /// Takes part under this name.
    pub fn new(api: Api<Lease>, name: String, identity: String) -> Self {
        Self {
            api,
            name,
            identity,
        }
    }

    /// Waits until this replica leads. Gives the Lease that it holds; none when asked to end before.
    pub async fn acquire(&self, shutdown: &Shutdown) -> Option<Lease> {
        let mut seen = Observation::default();
        let mut current: Option<Lease> = None;
        let mut known = false;
        let watch = watch_object(self.api.clone(), &self.name).default_backoff();
        let mut watch = pin!(watch);
        loop {
            let wait = match &current {
                // Nothing is known before the first answer of the watch.
                _ if !known => None,
                None => Some(Instant::now()),
                Some(lease) => Some(
                    seen.free_at(lease, &self.identity)
                        .unwrap_or_else(Instant::now),
                ),
            };
            tokio::select! {
                () = shutdown.triggered() => return None,
                event = watch.next() => match event {
                    Some(Ok(lease)) => {
                        known = true;
                        if let Some(lease) = &lease {
                            seen.see(lease, Instant::now());
                        }
                        current = lease;
                    }
                    Some(Err(error)) => tracing::warn!(
                        lease = %self.name, error = %fastx_lifecycle::telemetry::chain(&error),
                        "cannot watch the lease"
                    ),
                    None => tokio::time::sleep(PAUSE).await,
                },
                () = until(wait) => {
                    match self.take(current.as_ref()).await {
                        Ok(lease) => return Some(lease),
                        // Somebody was faster, or the API server is away: the watch tells what is now.
                        Err(error) => {
                            tracing::debug!(lease = %self.name, %error, "did not get the lease");
                            tokio::time::sleep(PAUSE).await;
                        }
                    }
                }
            }
        }
    }

    /// Renews until the end of the process or of the lead.
    pub async fn hold(&self, mut lease: Lease, shutdown: &Shutdown) -> End {
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = shutdown.triggered() => return self.release(lease).await,
                () = tokio::time::sleep_until(renewed + RENEW_EVERY) => {}
            }
            loop {
                match self.renew(&lease).await {
                    Ok(new) => {
                        lease = new;
                        renewed = Instant::now();
                        break;
                    }
                    Err(Renewal::Lost(why)) => return End::Lost(why),
                    Err(Renewal::Failed(why)) => {
                        tracing::warn!(lease = %self.name, error = %why, "could not renew the lease");
                        if renewed.elapsed() + PAUSE >= RENEW_DEADLINE {
                            return End::Lost(format!("not renewed within 10 s: {why}"));
                        }
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
    }

    /// Gives the Lease back, so that another replica need not wait.
    pub async fn release(&self, mut lease: Lease) -> End {
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(clock::now()));
        if let Err(error) =
            limited(self.api.replace(&self.name, &PostParams::default(), &lease)).await
        {
            tracing::warn!(lease = %self.name, %error, "could not give the lease back");
        }
        End::Released
    }

    async fn take(&self, current: Option<&Lease>) -> Result<Lease, String> {
        let now = MicroTime(clock::now());
        let before = current.and_then(|l| l.spec.clone()).unwrap_or_default();
        let moved = before.holder_identity.as_deref() != Some(&self.identity);
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(i32::try_from(LEASE.as_secs()).unwrap_or(15)),
            acquire_time: if moved {
                Some(now.clone())
            } else {
                before.acquire_time
            },
            renew_time: Some(now),
            lease_transitions: Some(before.lease_transitions.unwrap_or(0) + i32::from(moved)),
            ..LeaseSpec::default()
        };
        let metadata = match current {
            Some(lease) => lease.metadata.clone(),
            None => ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
        };
        let lease = Lease {
            metadata,
            spec: Some(spec),
        };
        if current.is_some() {
            limited(self.api.replace(&self.name, &PostParams::default(), &lease)).await
        } else {
            limited(self.api.create(&PostParams::default(), &lease)).await
        }
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease, Renewal> {
        let mut lease = lease.clone();
        lease.spec.get_or_insert_default().renew_time = Some(MicroTime(clock::now()));
        let params = PostParams::default();
        let answer =
            tokio::time::timeout(REQUEST_LIMIT, self.api.replace(&self.name, &params, &lease))
                .await;
        match answer {
            Ok(Ok(lease)) => Ok(lease),
            Ok(Err(Error::Api(status))) if status.code == 409 || status.code == 404 => {
                self.after_conflict().await
            }
            Ok(Err(error)) => Err(Renewal::Failed(error.to_string())),
            Err(_) => Err(Renewal::Failed("no answer within 4 s".into())),
        }
    }

    /// Somebody else wrote the Lease. When it still names this replica, it was only an edit.
    async fn after_conflict(&self) -> Result<Lease, Renewal> {
        match limited(self.api.get_opt(&self.name)).await {
            Ok(Some(lease)) => {
                let holder = lease.spec.as_ref().and_then(|s| s.holder_identity.clone());
                if holder.as_deref() == Some(&self.identity) {
                    Ok(lease)
                } else {
                    Err(Renewal::Lost(format!(
                        "the lease is held by `{}`",
                        holder.unwrap_or_default()
                    )))
                }
            }
            Ok(None) => Err(Renewal::Lost("the lease was deleted".into())),
            Err(error) => Err(Renewal::Failed(error)),
        }
    }
}

enum Renewal {
    Failed(String),
    Lost(String),
}

async fn limited<T>(request: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
    match tokio::time::timeout(REQUEST_LIMIT, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer within 4 s".to_owned()),
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, version: &str) -> Lease {
        serde_yaml_ng::from_str(&format!(
            "metadata: {{name: l, resourceVersion: '{version}'}}\nspec: {{holderIdentity: '{holder}', leaseDurationSeconds: 15, renewTime: '2001-01-01T00:00:00.000000Z'}}"
        ))
        .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_counts_from_when_a_change_was_seen_whatever_the_lease_says() {
        let start = Instant::now();
        let mut seen = Observation::default();
        seen.see(&lease("b", "1"), start);
        // Its renewTime is decades old, and yet it is not free.
        assert_eq!(seen.free_at(&lease("b", "1"), "a"), Some(start + LEASE));
        seen.see(&lease("b", "1"), start + Duration::from_secs(9));
        assert_eq!(seen.free_at(&lease("b", "1"), "a"), Some(start + LEASE));
        let later = start + Duration::from_secs(10);
        seen.see(&lease("b", "2"), later);
        assert_eq!(seen.free_at(&lease("b", "2"), "a"), Some(later + LEASE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_released_or_own_lease_is_free_at_once() {
        let mut seen = Observation::default();
        seen.see(&lease("", "1"), Instant::now());
        assert_eq!(seen.free_at(&lease("", "1"), "a"), None);
        assert_eq!(seen.free_at(&lease("a", "1"), "a"), None);
    }

    #[test]
    fn a_leader_stops_before_a_follower_may_start() {
        assert!(RENEW_DEADLINE + REQUEST_LIMIT < LEASE);
        assert!(RENEW_EVERY + REQUEST_LIMIT + PAUSE < RENEW_DEADLINE);
    }
}

//! From `broker.json` to a NATS connection: addresses, TLS, identity, pace of reconnecting.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use fastx_core::names::CallerId;
use fastx_core::subject::Subjects;
use fastx_core::wire::broker::BrokerConfig;
use fastx_lifecycle::verify;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::error::{BusError, Cause, classify};

/// Messages that the client library may hold for one subscription before it drops some.
const CAPACITY: usize = 65_536;

/// Longest pause between two attempts to reconnect.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Connects, or says within `limit` why not.
pub(crate) async fn connect<F>(
    config: &BrokerConfig,
    caller: &CallerId,
    limit: Duration,
    on_event: F,
) -> Result<Client, BusError>
where
    F: Fn(Event) + Send + Sync + 'static,
{
    let addresses = addresses(config);
    let unreachable = |cause| BusError::Unreachable {
        address: addresses.join(", "),
        cause,
    };
    let on_event = Arc::new(on_event);
    let options = options(config, caller)?
        .connection_timeout(limit)
        .event_callback(move |event| {
            on_event(event);
            std::future::ready(())
        });
    let urls: Vec<String> = addresses.iter().map(|a| format!("nats://{a}")).collect();
    match tokio::time::timeout(limit, options.connect(urls)).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => Err(unreachable(classify(&error))),
        Err(_) => Err(unreachable(Cause::TimedOut)),
    }
}

fn options(config: &BrokerConfig, caller: &CallerId) -> Result<ConnectOptions, BusError> {
    let seed = caller.clone();
    let mut options = ConnectOptions::new()
        .name(caller)
        .custom_inbox_prefix(Subjects::inbox(caller))
        .subscription_capacity(CAPACITY)
        .ping_interval(Duration::from_secs(10))
        .request_timeout(None)
        // Servers announce their addresses as numbers, which certificates do not name; `hosts` has them by name.
        .ignore_discovered_servers()
        .reconnect_delay_callback(move |attempt| pause(&seed, attempt));
    if let Some(credentials) = &config.credentials {
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            credentials.jwt.expose(),
            credentials.seed.expose()
        );
        options = options
            .credentials(&text)
            .map_err(|_| BusError::Unreachable {
                address: config.host.clone(),
                cause: Cause::Credentials,
            })?;
    } else if !config.password.is_empty() {
        options = options.token(config.password.expose().to_owned());
    }
    if config.credentials.is_some() || !config.ca.is_empty() {
        options = options.require_tls(true);
    }
    if let Some(tls) = tls(config)? {
        options = options.tls_client_config(tls);
    }
    Ok(options)
}

/// Own rules for certificates; none leaves it to the system's authorities.
pub(crate) fn tls(config: &BrokerConfig) -> Result<Option<ClientConfig>, BusError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| BusError::BadCa)?;
    if !config.reject_unauthorized {
        let tls = builder
            .dangerous()
            .with_custom_certificate_verifier(verify::anything(provider))
            .with_no_client_auth();
        return Ok(Some(tls));
    }
    if config.ca.is_empty() {
        return Ok(None);
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(config.ca.as_bytes()) {
        let certificate = certificate.map_err(|_| BusError::BadCa)?;
        roots.add(certificate).map_err(|_| BusError::BadCa)?;
    }
    if roots.is_empty() {
        return Err(BusError::BadCa);
    }
    Ok(Some(
        builder.with_root_certificates(roots).with_no_client_auth(),
    ))
}

/// `host:port` of every server.
pub(crate) fn addresses(config: &BrokerConfig) -> Vec<String> {
    let port = config.effective_port();
    let with_port = |host: &str| match host.rsplit_once(':') {
        Some((before, last)) if !before.contains(':') || before.ends_with(']') => {
            format!("{before}:{last}")
        }
        Some(_) if !host.ends_with(']') => format!("[{host}]:{port}"),
        _ => format!("{host}:{port}"),
    };
    let mut all = vec![with_port(config.host.trim())];
    for host in &config.hosts {
        let address = with_port(host.trim());
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all
}

/// Pause before an attempt: doubling, with a jitter that differs between members.
pub(crate) fn pause(caller: &CallerId, attempt: usize) -> Duration {
    if attempt == 0 {
        return Duration::ZERO;
    }
    let doubled = Duration::from_millis(25) * 2_u32.pow(u32::try_from(attempt.min(8)).unwrap_or(8));
    let mut hasher = DefaultHasher::new();
    (caller, attempt).hash(&mut hasher);
    let percent = 50 + u32::try_from(hasher.finish() % 51).unwrap_or(50);
    doubled.min(LONGEST_PAUSE) * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(host: &str, hosts: &[&str]) -> BrokerConfig {
        let mut config = BrokerConfig::parse(&format!(
            r#"{{"transporterType":"nats","host":"{host}","namespace":"n"}}"#
        ))
        .unwrap();
        config.hosts = hosts.iter().map(|&h| h.to_owned()).collect();
        config
    }

    #[test]
    fn addresses_have_ports_and_no_doubles() {
        assert_eq!(
            addresses(&config(
                "a",
                &["b", "c:1", "a:4222", "::1", "[::1]:7", "[::2]"]
            )),
            [
                "a:4222",
                "b:4222",
                "c:1",
                "[::1]:4222",
                "[::1]:7",
                "[::2]:4222"
            ]
        );
    }

    #[test]
    fn pauses_grow_to_a_limit_and_differ_between_members() {
        let (a, b): (CallerId, CallerId) = ("a".parse().unwrap(), "b".parse().unwrap());
        assert_eq!(pause(&a, 0), Duration::ZERO);
        assert!((1..40).all(|n| pause(&a, n) <= LONGEST_PAUSE && pause(&a, n) > Duration::ZERO));
        assert!(pause(&a, 10) >= LONGEST_PAUSE / 2);
        assert!((1..40).any(|n| pause(&a, n) != pause(&b, n)));
    }

    #[test]
    fn a_ca_that_is_none_is_refused() {
        let mut config = config("a", &[]);
        config.reject_unauthorized = true;
        assert!(tls(&config).unwrap().is_none());
        config.ca = "nonsense".into();
        assert_eq!(tls(&config).unwrap_err(), BusError::BadCa);
    }
}

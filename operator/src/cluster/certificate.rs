//! The certificate that browsers see, when somebody else makes it: whether it can be used, and asking cert-manager for it.
//!
//! What can be used is copied into the Secret that nodes mount anyway, so that another `tls.mode` needs no new Pods
//! and a damaged Secret takes no working certificate away.

use fastx_crds::conditions::Reason;
use fastx_lifecycle::tls::ReloadingCert;
use jiff::Timestamp;
use kube::core::ObjectMeta;
use serde_json::Value;

use super::plan::certificate;
use super::validate::{ValidCluster, ValidTls};
use crate::apply::ApplyError;
use crate::context::Context;
use crate::kind::Kind;
use crate::meta;
use crate::names;
use crate::pki::{Data, Leaf, Pair, host_names, validity};
use crate::queue::Key;

/// A fault for people and programs.
pub(super) type Fault = (Reason, String);

/// What somebody else's Secret offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Certificate and key, if they can be used.
    pub pair: Option<Pair>,
    /// When that changes by itself.
    pub ends: Option<Timestamp>,
    /// What is wrong, also when it can be used.
    pub fault: Option<Fault>,
}

/// The Secret with it, and the field that names it.
pub(super) fn source(cluster: &ValidCluster) -> Option<(String, &'static str)> {
    match &cluster.tls {
        ValidTls::SelfSigned => None,
        ValidTls::Secret(name) => Some((name.clone(), "tls.secretRef")),
        ValidTls::CertManager(_) => Some((names::web_issued(&cluster.key.name), "tls.issuerRef")),
    }
}

/// Looks at what the Secret holds. Pure.
pub(super) fn offered(
    cluster: &ValidCluster,
    (secret, field): (&str, &str),
    data: Option<&Data>,
    now: Timestamp,
) -> Offered {
    let unusable = |reason, what: String| Offered {
        pair: None,
        ends: None,
        fault: Some((
            reason,
            format!(
                "Secret `{secret}`, which `{field}` names, {what}; browsers see the certificate from before, or one of the cluster's own authority"
            ),
        )),
    };
    let Some(data) = data else {
        return unusable(Reason::SecretMissing, "does not exist: make it".into());
    };
    let text = |key: &str| {
        let bytes = data.get(key).cloned().unwrap_or_default();
        String::from_utf8(bytes).ok().filter(|t| !t.is_empty())
    };
    let (Some(cert), Some(key)) = (text("tls.crt"), text("tls.key")) else {
        let what = "must have the keys `tls.crt` and `tls.key` (PEM)";
        return unusable(Reason::SecretInvalid, what.into());
    };
    if let Err(error) = ReloadingCert::from_pem(&cert, &key) {
        let why = fastx_lifecycle::telemetry::chain(&error);
        return unusable(Reason::SecretInvalid, format!("cannot be used: {why}"));
    }
    let Some((start, end)) = validity(&cert) else {
        let what = "has a certificate without a time of validity";
        return unusable(Reason::SecretInvalid, what.into());
    };
    if end <= now {
        let what = format!("has a certificate that ended on {end}: renew it");
        return unusable(Reason::SecretInvalid, what);
    }
    let fault = (start > now).then(|| format!("counts only from {start} on"));
    let fault = fault.or_else(|| foreign_names(cluster, &cert));
    Offered {
        ends: Some(if start > now { start } else { end }),
        fault: fault.map(|what| {
            let message =
                format!("The certificate in Secret `{secret}`, which `{field}` names, {what}.");
            (Reason::SecretInvalid, message)
        }),
        pair: Some(Pair { cert, key }),
    }
}

/// Names that people type and that the certificate is not for.
fn foreign_names(cluster: &ValidCluster, cert: &str) -> Option<String> {
    let in_it = host_names(cert);
    let covers = |host: &str| {
        let above = host.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        in_it.iter().any(|h| h == host || Some(h) == above.as_ref())
    };
    let wanted = cluster.host_names.iter().chain(&cluster.web.host_name);
    let missing: Vec<&str> = wanted
        .map(String::as_str)
        .filter(|host| !covers(&host.to_ascii_lowercase()))
        .collect();
    (!missing.is_empty()).then(|| format!("is not for {}", missing.join(", ")))
}

impl Offered {
    /// The certificate that nodes get: the one that is offered, or the last one that was, while it is good.
    pub(super) fn leaf(&self, before: Option<&Data>, now: Timestamp) -> Option<Leaf> {
        let given = self.pair.clone().map(Leaf::given);
        given.or_else(|| {
            let last = before.and_then(Leaf::read_given)?;
            validity(&last.pair.cert)
                .is_some_and(|(_, end)| end > now)
                .then_some(last)
        })
    }
}

/// Asks cert-manager for the certificate, and tells why it is not there. Writes only when something changed.
pub(super) async fn request(
    context: &Context,
    cluster: &ValidCluster,
    offered: Option<&Offered>,
) -> Result<Option<Fault>, ApplyError> {
    let key = Key::new(&cluster.key.namespace, names::web(&cluster.key.name));
    let secret = names::web_issued(&cluster.key.name);
    let ValidTls::CertManager(issuer) = &cluster.tls else {
        return withdraw(context, cluster, &key, &secret)
            .await
            .map(|()| None);
    };
    let object = certificate::object(cluster, issuer);
    let wanted = meta::digest(&object.body);
    if !context.settled.has(Kind::Certificate, &key, &wanted) {
        let owner = Some(cluster.owner.uid.as_str());
        match context.applier.ensure(&key.namespace, owner, &object).await {
            Ok(()) => context.settled.set(Kind::Certificate, &key, &wanted),
            Err(error) if error.is_gone() => return Ok(Some(not_installed())),
            Err(error) if error.is_refused() => {
                let message = format!(
                    "{}. If the operator lacks the right, set `rbac.certManager: true` in its chart.",
                    error.text()
                );
                return Ok(Some((Reason::CertificateNotIssued, message)));
            }
            Err(error) => return Err(error),
        }
    }
    if offered.is_some_and(|o| o.fault.is_none()) {
        return Ok(None);
    }
    let found = context.applier.read(Kind::Certificate, &key).await?;
    if found.is_none() {
        // Deleted by somebody, or the definitions went away: the next round finds out.
        context.settled.forget(Kind::Certificate, &key);
    }
    Ok(waiting(&key.name, found.as_ref(), offered))
}

fn not_installed() -> Fault {
    let message = "cert-manager's definitions (`certificates.cert-manager.io`) are not installed: install cert-manager, or choose another `tls.mode`. Browsers see a certificate of the cluster's own authority.";
    (Reason::CertManagerMissing, message.to_owned())
}

/// What the Certificate says of itself while there is nothing good in its Secret.
fn waiting(name: &str, found: Option<&Value>, offered: Option<&Offered>) -> Option<Fault> {
    let conditions = found.and_then(|c| c["status"]["conditions"].as_array());
    let of = |kind: &str| conditions.into_iter().flatten().find(|c| c["type"] == kind);
    if of("Ready").is_some_and(|c| c["status"] == "True") {
        // Issued, and yet not good: its Secret's own fault is the better message.
        return offered.and_then(|o| o.fault.clone());
    }
    let said: Vec<&str> = ["Ready", "Issuing"]
        .into_iter()
        .filter_map(of)
        .filter_map(|c| c["message"].as_str())
        .collect();
    let said = if said.is_empty() {
        "cert-manager has not said anything yet".to_owned()
    } else {
        crate::kubelet::words(&said.join(" "))
    };
    Some((
        Reason::CertificateNotIssued,
        format!(
            "Certificate `{name}` is not issued yet: {said}. See: kubectl describe certificate {name}. Browsers see a certificate of the cluster's own authority."
        ),
    ))
}

/// Another `tls.mode`: neither the Certificate nor what was issued is wanted any more.
async fn withdraw(
    context: &Context,
    cluster: &ValidCluster,
    key: &Key,
    issued: &str,
) -> Result<(), ApplyError> {
    context.settled.forget(Kind::Certificate, key);
    let secret = Key::new(&key.namespace, issued);
    let Some(child) = context.world.children(Kind::Secret).get(&secret) else {
        return Ok(());
    };
    let labels = child.metadata.labels.as_ref();
    if labels.and_then(|l| l.get(meta::CLUSTER)) != Some(&cluster.key.name) {
        return Ok(());
    }
    let metadata = ObjectMeta {
        name: Some(key.name.clone()),
        namespace: Some(key.namespace.clone()),
        ..ObjectMeta::default()
    };
    // First the Certificate: its Secret would be issued again.
    context.applier.remove(Kind::Certificate, &metadata).await?;
    context.applier.remove(Kind::Secret, &child.metadata).await
}

#[cfg(test)]
mod tests {
    use super::super::validate::tests::valid;
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    /// A certificate as somebody else makes it.
    pub(in super::super) fn made(names: &[&str], from: i64, to: i64) -> Data {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let at = |second| {
            std::time::SystemTime::from(Timestamp::from_second(now().as_second() + second).unwrap())
        };
        params.not_before = at(from).into();
        params.not_after = at(to).into();
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        [
            ("tls.crt".to_owned(), cert.pem().into_bytes()),
            ("tls.key".to_owned(), key.serialize_pem().into_bytes()),
        ]
        .into()
    }

    fn look(data: Option<&Data>) -> Offered {
        let cluster = valid("web: {hostNames: [desk.example, a.b.example]}");
        offered(&cluster, ("theirs", "tls.secretRef"), data, now())
    }

    #[test]
    fn a_good_one_is_taken_until_it_ends() {
        let good = look(Some(&made(&["Desk.example", "*.b.example"], -60, 60)));
        assert_eq!(good.fault, None);
        assert!(good.pair.is_some());
        assert_eq!(
            good.ends.map(|t| t.as_second() - now().as_second()),
            Some(60)
        );
    }

    #[test]
    fn what_is_wrong_with_a_secret_is_said() {
        let good = made(&["desk.example", "*.b.example"], -60, 60);
        let other = made(&["desk.example"], -60, 60);
        let with = |key: &str, value: Option<&[u8]>| {
            let mut data = good.clone();
            data.remove(key);
            if let Some(value) = value {
                data.insert(key.to_owned(), value.to_vec());
            }
            data
        };
        for (data, usable, reason, text) in [
            (
                None,
                false,
                Reason::SecretMissing,
                "`theirs`, which `tls.secretRef` names, does not exist",
            ),
            (
                Some(with("tls.key", None)),
                false,
                Reason::SecretInvalid,
                "the keys `tls.crt` and `tls.key`",
            ),
            (
                Some(with("tls.crt", Some(b"x"))),
                false,
                Reason::SecretInvalid,
                "cannot be used",
            ),
            (
                Some(with("tls.key", Some(&other["tls.key"]))),
                false,
                Reason::SecretInvalid,
                "cannot be used",
            ),
            (
                Some(made(&["desk.example"], -60, -1)),
                false,
                Reason::SecretInvalid,
                "ended on",
            ),
            (
                Some(other),
                true,
                Reason::SecretInvalid,
                "is not for a.b.example",
            ),
            (
                Some(made(&["desk.example", "a.b.example"], 10, 60)),
                true,
                Reason::SecretInvalid,
                "counts only from",
            ),
        ] {
            let offered = look(data.as_ref());
            assert_eq!(offered.pair.is_some(), usable, "{text}");
            let (said, message) = offered.fault.unwrap();
            assert_eq!(said, reason, "{message}");
            assert!(message.contains(text), "{message}");
            assert!(!message.contains("PRIVATE"), "{message}");
        }
    }

    #[test]
    fn the_last_good_one_stays_while_it_is_good() {
        let good = look(Some(&made(&["desk.example"], -60, 60)));
        let leaf = good.leaf(None, now()).unwrap();
        let written: Data = leaf
            .write("authority")
            .into_iter()
            .map(|(k, v)| (k, v.into_bytes()))
            .collect();
        let broken = look(None);
        assert_eq!(broken.leaf(Some(&written), now()), Some(leaf));
        let later = Timestamp::from_second(now().as_second() + 61).unwrap();
        assert_eq!(broken.leaf(Some(&written), later), None);
        // One of our own authority is not somebody else's.
        let mut own = written;
        own.insert("issuer".to_owned(), b"f00".to_vec());
        assert_eq!(broken.leaf(Some(&own), now()), None);
    }

    #[test]
    fn cert_manager_is_quoted() {
        let said = |status: Value| waiting("site-web", Some(&status), None).unwrap();
        let pending = serde_json::json!({"status": {"conditions": [
            {"type": "Ready", "status": "False", "message": "Issuing certificate as Secret does not exist"},
            {"type": "Issuing", "status": "True", "message": "The order\nis pending"},
        ]}});
        let (reason, message) = said(pending);
        assert_eq!(reason, Reason::CertificateNotIssued);
        assert!(
            message.contains("does not exist The order is pending."),
            "{message}"
        );
        assert!(said(Value::Null).1.contains("not said anything"));
        let ready =
            serde_json::json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        assert_eq!(waiting("site-web", Some(&ready), None), None);
    }
}

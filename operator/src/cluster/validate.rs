//! What a cluster's spec means: all defaults filled in, everything that contradicts itself refused. Pure.

mod authentication;
mod bus;
mod tls;

use fastx_core::names::BusNamespace;
use fastx_core::wire::config::{
    Application, EventScripts, Profile, RoleRules, ScriptLimits, Users,
};
use fastx_crds::FastXCluster;
use fastx_crds::cluster::{
    Clipboard, Discovery, DiscoveryMode, Disruption, Hosts, Roles, Sessions, StoreEngine,
    TransporterType, WindowMode,
};
use fastx_crds::conditions::Reason;
use fastx_crds::value::{Exposure, Resources, SecretKeyRef};
use kube::ResourceExt;

use crate::config::Images;
use crate::meta::Owner;
use crate::queue::Key;

pub use authentication::{SignIn, port_of};
pub use bus::{Bus, BusKind, ExternalBus};
pub use tls::{Issuer, ValidTls};

/// A cluster that can be made.
#[derive(Debug, Clone)]
pub struct ValidCluster {
    /// Namespace and name.
    pub key: Key,
    /// Owner of everything that is made.
    pub owner: Owner,
    /// First token of the bus's subjects.
    pub bus: BusNamespace,
    /// Name for people.
    pub display_name: String,
    /// Message of the day.
    pub message: String,
    /// Images, and how they are pulled.
    pub images: ClusterImages,
    /// Store.
    pub store: ValidStore,
    /// Transporter.
    pub transporter: Bus,
    /// Where the certificate that browsers see comes from.
    pub tls: ValidTls,
    /// Number of managers.
    pub manager_replicas: u16,
    /// CPU and memory of managers.
    pub manager_resources: Option<Resources>,
    /// How the web address is reached.
    pub web: Exposure,
    /// Host names of the web address.
    pub host_names: Vec<String>,
    /// Proxies whose forwarding headers count.
    pub trusted_proxies: Vec<String>,
    /// How users sign in.
    pub sign_in: SignIn,
    /// Who is manager and who is admin.
    pub roles: RoleRules,
    /// What can be started.
    pub applications: Vec<Application>,
    /// Limits of sessions.
    pub profiles: Vec<Profile>,
    /// Limits of scripts.
    pub script_limits: ScriptLimits,
    /// How long logins are accepted without managers, seconds.
    pub offline_grace_seconds: u64,
    /// Machines of Kubernetes that become nodes by themselves.
    pub hosts: Option<Hosts>,
    /// Which hosts come in that ask to join; without it none may ask.
    pub discovery: Option<Admission>,
    /// What may happen to Pods with sessions.
    pub disruption: Disruption,
    /// Whether nothing may be changed.
    pub paused: bool,
    /// How much everybody prints.
    pub log_level: &'static str,
    /// Version that is rolled out.
    pub version: String,
}

/// Which hosts come in that ask to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Those that are declared.
    Declared,
    /// Others too, as long as these are not more than so many.
    Any {
        /// How many.
        maximum: usize,
    },
}

/// Images of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterImages {
    /// Managers, sidecars.
    pub fastx: String,
    /// Desktops.
    pub desktop: String,
    /// Transporter NATS.
    pub nats: String,
    /// Transporter Redis.
    pub redis: String,
    /// Store.
    pub store: String,
    /// When they are pulled.
    pub pull_policy: &'static str,
    /// Secrets with registry credentials.
    pub pull_secrets: Vec<String>,
}

/// Where the data is.
#[derive(Debug, Clone, PartialEq)]
pub enum ValidStore {
    /// Our own FerretDB.
    Ferret {
        /// Size of the claim.
        size: String,
        /// Storage class.
        class: Option<String>,
        /// CPU and memory.
        resources: Option<Resources>,
    },
    /// Somebody else's.
    External {
        /// Where the connection string is.
        uri: SecretKeyRef,
        /// Where its authorities are.
        ca: Option<SecretKeyRef>,
    },
}

/// Why a spec is refused until it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// For programs.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

impl Invalid {
    /// A part that is not built yet.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self {
            reason: Reason::NotSupportedYet,
            message: message.into(),
        }
    }

    /// A part that makes no sense.
    pub fn wrong(message: impl Into<String>) -> Self {
        Self {
            reason: Reason::InvalidSpec,
            message: message.into(),
        }
    }
}

/// Checks a cluster and fills in defaults.
pub fn validate(cluster: &FastXCluster, defaults: &Images) -> Result<ValidCluster, Invalid> {
    let spec = &cluster.spec;
    let name = cluster.name_any();
    supported(cluster)?;
    let seconds = |text: &Option<String>, field: &str, default: u64| match text {
        None => Ok(default),
        Some(text) => parse_seconds(text).ok_or_else(|| {
            Invalid::wrong(format!("`{field}` is no time such as `90s` or `1h30m`"))
        }),
    };
    Ok(ValidCluster {
        owner: Owner {
            kind: "FastXCluster",
            name: name.clone(),
            uid: cluster.uid().unwrap_or_default(),
        },
        bus: name.parse().map_err(|e| Invalid::wrong(format!("{e}")))?,
        display_name: spec.display_name.clone().unwrap_or_else(|| name.clone()),
        message: spec.message.clone().unwrap_or_default(),
        images: images(cluster, defaults),
        store: store(cluster)?,
        transporter: bus::bus(cluster)?,
        tls: tls::tls(cluster)?,
        manager_replicas: u16::try_from(spec.manager.replicas.unwrap_or(2)).unwrap_or(2),
        manager_resources: spec.manager.resources.clone(),
        web: spec.web.exposure.clone(),
        host_names: spec.web.host_names.clone(),
        trusted_proxies: spec.web.trusted_proxies.clone(),
        sign_in: authentication::sign_in(&spec.authentication)?,
        roles: roles(&spec.roles),
        applications: applications(&spec.sessions),
        profiles: profiles(&spec.sessions, &seconds)?,
        script_limits: script_limits(spec.balancing.limits.as_ref(), ScriptLimits::default())?,
        offline_grace_seconds: seconds(&spec.offline_grace, "offlineGrace", 600)?,
        hosts: spec.hosts.clone(),
        discovery: spec.discovery.as_ref().map(discovery).transpose()?,
        disruption: spec.disruption,
        paused: spec.paused,
        log_level: spec.log_level.name(),
        version: spec
            .version
            .clone()
            .unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
        key: Key::new(cluster.namespace().unwrap_or_default(), name),
    })
}

fn supported(cluster: &FastXCluster) -> Result<(), Invalid> {
    let spec = &cluster.spec;
    if spec.store.engine == StoreEngine::MongoDB {
        return Err(Invalid::unsupported(
            "`store.engine: MongoDB` is not supported yet: use `FerretDB`, or `External` with a MongoDB of your own",
        ));
    }
    if spec.discovery.is_some() && spec.transporter.kind != TransporterType::NATS {
        return Err(Invalid::wrong(
            "`discovery` is allowed only with `transporter.type: NATS`: no other transporter tells members apart",
        ));
    }
    if spec
        .hosts
        .as_ref()
        .is_some_and(|h| h.node_selector.is_empty())
    {
        return Err(Invalid::wrong(
            "`hosts.nodeSelector` must name one label at least: not every machine is meant",
        ));
    }
    Ok(())
}

fn discovery(discovery: &Discovery) -> Result<Admission, Invalid> {
    match (discovery.mode, discovery.maximum) {
        (DiscoveryMode::Declared, None) => Ok(Admission::Declared),
        (DiscoveryMode::Any, Some(maximum)) if (1..=1000).contains(&maximum) => {
            let maximum = usize::try_from(maximum).unwrap_or_default();
            Ok(Admission::Any { maximum })
        }
        _ => Err(Invalid::wrong(
            "`discovery.maximum` (1 to 1000) is required with `discovery.mode: Any`, and allowed only there",
        )),
    }
}

fn images(cluster: &FastXCluster, defaults: &Images) -> ClusterImages {
    let spec = &cluster.spec;
    let or_default = |own: &Option<String>, default: &str| match (own, &spec.version) {
        (Some(image), _) => image.clone(),
        (None, Some(version)) => with_tag(default, version),
        (None, None) => default.to_owned(),
    };
    ClusterImages {
        fastx: or_default(&spec.images.fastx, &defaults.fastx),
        desktop: or_default(&spec.images.desktop, &defaults.desktop),
        nats: or_default(&spec.images.nats, &defaults.nats),
        redis: or_default(&spec.images.redis, &defaults.redis),
        store: or_default(&spec.images.store, &defaults.store),
        pull_policy: spec.images.pull_policy.unwrap_or_default().name(),
        pull_secrets: spec
            .images
            .pull_secrets
            .iter()
            .map(|s| s.name.clone())
            .collect(),
    }
}

/// An image with another tag. A port is no tag: the tag follows the last slash.
fn with_tag(image: &str, tag: &str) -> String {
    let bare = image.split('@').next().unwrap_or(image);
    let name_start = bare.rfind('/').map_or(0, |i| i + 1);
    let end = bare[name_start..]
        .find(':')
        .map_or(bare.len(), |i| name_start + i);
    format!("{}:{tag}", &bare[..end])
}

fn store(cluster: &FastXCluster) -> Result<ValidStore, Invalid> {
    let store = &cluster.spec.store;
    match (store.engine, &store.external) {
        (StoreEngine::External, Some(external)) => Ok(ValidStore::External {
            uri: external.uri_secret_ref.clone(),
            ca: external.ca_secret_ref.clone(),
        }),
        (StoreEngine::External, None) => Err(Invalid::wrong(
            "`store.external` is required with `engine: External`",
        )),
        _ => Ok(ValidStore::Ferret {
            size: store.size.clone().unwrap_or_else(|| "2Gi".to_owned()),
            class: store.storage_class_name.clone(),
            resources: store.resources.clone(),
        }),
    }
}

fn roles(roles: &Roles) -> RoleRules {
    RoleRules {
        admin_users: roles.admins.users.clone(),
        admin_groups: roles.admins.groups.clone(),
        manager_users: roles.managers.users.clone(),
        manager_groups: roles.managers.groups.clone(),
    }
}

fn applications(sessions: &Sessions) -> Vec<Application> {
    let Some(listed) = &sessions.applications else {
        return default_applications();
    };
    listed
        .iter()
        .map(|a| Application {
            name: a.name.clone(),
            title: a.title.clone().unwrap_or_else(|| a.name.clone()),
            command: a.command.clone(),
            icon: a.icon.clone().unwrap_or_else(|| "tool".to_owned()),
            window_mode: match a.window_mode {
                WindowMode::Desktop => "desktop".to_owned(),
                WindowMode::Rootless => "rootless".to_owned(),
            },
            profile: a.profile.clone().unwrap_or_default(),
            users: users(&a.users, &a.groups),
        })
        .collect()
}

fn users(users: &[String], groups: &[String]) -> Users {
    Users {
        users: users.to_vec(),
        groups: groups.to_vec(),
    }
}

fn default_applications() -> Vec<Application> {
    [
        ("desktop", "Desktop", "startxfce4", "desktop", "desktop"),
        (
            "terminal",
            "Terminal",
            "xfce4-terminal --disable-server",
            "terminal",
            "rootless",
        ),
        ("browser", "Browser", "firefox-esr", "browser", "rootless"),
    ]
    .map(|(name, title, command, icon, window_mode)| Application {
        name: name.into(),
        title: title.into(),
        command: command.into(),
        icon: icon.into(),
        window_mode: window_mode.into(),
        ..Application::default()
    })
    .into()
}

fn profiles(
    sessions: &Sessions,
    seconds: &impl Fn(&Option<String>, &str, u64) -> Result<u64, Invalid>,
) -> Result<Vec<Profile>, Invalid> {
    sessions
        .profiles
        .iter()
        .map(|p| {
            let event_scripts = p.event_scripts.as_ref().map(event_scripts);
            let event_scripts = event_scripts.unwrap_or_default();
            if let Some(fault) = event_scripts.fault() {
                let name = &p.name;
                return Err(Invalid::wrong(format!(
                    "profile `{name}` of `sessions.profiles`: {fault}"
                )));
            }
            Ok(Profile {
                name: p.name.clone(),
                max_geometry: p.max_geometry.clone().unwrap_or_default(),
                clipboard: match p.clipboard {
                    Clipboard::Off => "off",
                    Clipboard::In => "in",
                    Clipboard::Out => "out",
                    Clipboard::Both => "both",
                }
                .to_owned(),
                disconnect_idle_seconds: seconds(&p.disconnect_idle, "disconnectIdle", 0)?,
                end_disconnected_seconds: seconds(&p.end_disconnected, "endDisconnected", 0)?,
                event_scripts,
                users: users(&p.users, &p.groups),
            })
        })
        .collect()
}

fn event_scripts(scripts: &fastx_crds::cluster::EventScripts) -> EventScripts {
    let text = |script: &Option<String>| script.clone().unwrap_or_default();
    EventScripts {
        start: text(&scripts.start),
        connect: text(&scripts.connect),
        disconnect: text(&scripts.disconnect),
        params: text(&scripts.params),
        terminate: text(&scripts.terminate),
    }
}

/// Limits of a script; what is unset comes from `fallback`.
pub fn script_limits(
    limits: Option<&fastx_crds::cluster::ScriptLimits>,
    fallback: ScriptLimits,
) -> Result<ScriptLimits, Invalid> {
    let Some(limits) = limits else {
        return Ok(fallback);
    };
    let memory_bytes = match &limits.memory {
        None => fallback.memory_bytes,
        Some(text) => parse_bytes(text)
            .ok_or_else(|| Invalid::wrong("`limits.memory` is no size such as `64Mi`"))?,
    };
    Ok(ScriptLimits {
        time_ms: limits
            .time_ms
            .and_then(|t| u64::try_from(t).ok())
            .unwrap_or(fallback.time_ms),
        memory_bytes,
    })
}

/// Seconds of a time such as `90s`, `1h30m`, `7d`.
pub fn parse_seconds(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..end].parse().ok()?;
        let factor = match rest[end..].chars().next()? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = &rest[end + 1..];
    }
    Some(total)
}

fn parse_bytes(text: &str) -> Option<u64> {
    let (number, factor) = match text.strip_suffix("Ki") {
        Some(number) => (number, 1024),
        None => (text.strip_suffix("Mi")?, 1024 * 1024),
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn defaults() -> Images {
        Images {
            fastx: "registry:5000/a/fastx:1".into(),
            desktop: "desktop:1".into(),
            nats: "nats@sha256:0".into(),
            redis: "redis:3".into(),
            store: "store".into(),
        }
    }

    /// The names differ from the product's and from each other, so that swapped values are caught.
    pub(crate) fn cluster(spec: &str) -> FastXCluster {
        let indented = spec.replace('\n', "\n  ");
        let spec = if spec.is_empty() {
            "spec: {}".to_owned()
        } else {
            format!("spec:\n  {indented}")
        };
        serde_yaml_ng::from_str(&format!(
            "apiVersion: fastx.dev/v1alpha1\nkind: FastXCluster\nmetadata: {{name: site, namespace: area, uid: u-site, generation: 3}}\n{spec}"
        ))
        .unwrap()
    }

    pub(crate) fn valid(spec: &str) -> ValidCluster {
        validate(&cluster(spec), &defaults()).unwrap()
    }

    #[test]
    fn an_empty_spec_is_a_whole_cluster() {
        let cluster = valid("");
        assert_eq!(cluster.manager_replicas, 2);
        assert_eq!(cluster.transporter.kind, BusKind::Nats);
        assert_eq!(cluster.transporter.replicas, 1);
        assert_eq!(cluster.offline_grace_seconds, 600);
        assert_eq!(cluster.applications.len(), 3);
        assert_eq!(cluster.display_name, "site");
        assert!(matches!(cluster.store, ValidStore::Ferret { ref size, .. } if size == "2Gi"));
    }

    #[test]
    fn what_is_not_built_yet_is_said() {
        let error = validate(&cluster("store: {engine: MongoDB}"), &defaults()).unwrap_err();
        assert_eq!(error.reason, Reason::NotSupportedYet);
        assert!(error.message.contains("MongoDB"), "{}", error.message);
    }

    #[test]
    fn what_contradicts_itself_is_said() {
        for (spec, text) in [
            ("tls: {mode: SecretRef}", "tls.secretRef"),
            (
                "tls: {mode: CertManager, issuerRef: {name: i}}",
                "web.hostNames",
            ),
            (
                "tls: {mode: CertManager}\nweb: {hostNames: [a.example]}",
                "tls.issuerRef",
            ),
            ("transporter: {type: External}", "transporter.external"),
            ("transporter: {type: Redis, replicas: 3}", "one server"),
            (
                "transporter: {type: Redis}\ndiscovery: {}",
                "tells members apart",
            ),
            ("discovery: {mode: Any}", "discovery.maximum"),
            ("discovery: {maximum: 5}", "discovery.maximum"),
            ("discovery: {mode: Any, maximum: 0}", "1 to 1000"),
        ] {
            let error = validate(&cluster(spec), &defaults()).unwrap_err();
            assert_eq!(error.reason, Reason::InvalidSpec);
            assert!(error.message.contains(text), "{}", error.message);
        }
    }

    #[test]
    fn an_event_script_that_can_never_run_is_refused_with_its_line() {
        let long = format!("|\n          true\n          : {}", "x".repeat(16 * 1024));
        for (script, text) in [
            (
                "\"true\\necho \\0\"",
                "the script of `start`, line 2: it has a null character",
            ),
            ("'#!python3'", "the script of `start`, line 1: after `#!`"),
            (
                "\"#!/bin/sh\\r\\ntrue\"",
                "line 1: it ends with a carriage return",
            ),
            (long.as_str(), "line 2: here it is longer than 16384 bytes"),
        ] {
            let spec = format!(
                "sessions:\n  profiles:\n    - name: default\n      eventScripts:\n        terminate: 'true'\n        start: {script}"
            );
            let error = validate(&cluster(&spec), &defaults()).unwrap_err();
            assert_eq!(error.reason, Reason::InvalidSpec);
            let message = error.message;
            assert!(message.contains(text), "{message}");
            assert!(message.starts_with("profile `default` of"), "{message}");
        }
    }

    #[test]
    fn a_bus_of_somebody_else_is_checked_unless_told_otherwise() {
        let bus = |more: &str| {
            let spec =
                format!("transporter: {{type: External, external: {{host: h.example{more}}}}}");
            valid(&spec).transporter.external().unwrap().clone()
        };
        let usual = bus("");
        assert!(usual.reject_unauthorized && usual.port == 0 && usual.secret.is_none());
        let own =
            bus(", protocol: Redis, port: 7000, secretRef: {name: s}, rejectUnauthorized: false");
        assert!(!own.reject_unauthorized && own.port == 7000);
        assert_eq!(own.secret.as_deref(), Some("s"));
    }

    #[test]
    fn a_version_changes_the_tags_of_default_images_only() {
        let images = valid("version: '7'\nimages: {desktop: 'mine:3'}").images;
        assert_eq!(images.fastx, "registry:5000/a/fastx:7");
        assert_eq!(images.nats, "nats:7");
        assert_eq!(images.store, "store:7");
        assert_eq!(images.desktop, "mine:3");
    }

    #[test]
    fn times_and_sizes() {
        for (text, seconds) in [
            ("90s", Some(90)),
            ("1h30m", Some(5400)),
            ("7d", Some(604_800)),
            ("5", None),
            ("", None),
            ("5x", None),
        ] {
            assert_eq!(parse_seconds(text), seconds, "{text}");
        }
        assert_eq!(parse_bytes("64Mi"), Some(64 << 20));
        assert_eq!(parse_bytes("64Gi"), None);
        let limits = valid("balancing: {limits: {timeMs: 50}}").script_limits;
        assert_eq!((limits.time_ms, limits.memory_bytes), (50, 64 << 20));
    }

    #[test]
    fn applications_and_profiles_speak_the_wire_names() {
        let cluster = valid(
            "sessions:\n  applications: [{name: term, command: xterm, windowMode: Rootless, users: [ada]}]\n  profiles: [{name: default, clipboard: In, endDisconnected: 2d, groups: [staff]}]",
        );
        assert_eq!(cluster.applications[0].window_mode, "rootless");
        assert_eq!(cluster.applications[0].title, "term");
        assert_eq!(cluster.profiles[0].clipboard, "in");
        assert_eq!(cluster.profiles[0].end_disconnected_seconds, 172_800);
        let admitted = |users: &Users| (users.admit("ada", &[]), users.admit("bob", &[]));
        assert_eq!(admitted(&cluster.applications[0].users), (true, false));
        assert_eq!(admitted(&cluster.profiles[0].users), (false, false));
        let staff = ["staff".to_owned()];
        assert!(cluster.profiles[0].users.admit("bob", &staff));
    }
}

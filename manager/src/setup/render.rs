//! From what was decided to files: configuration of the bus and the managers, what members get, units.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fastx_core::identity::{Authority, Seeds, ServerConfig};
use fastx_core::names::CallerId;
use fastx_core::secret::Secret;
use fastx_core::subject::Member;
use fastx_core::wire::broker::{BrokerConfig, SCHEMA, TransporterType};
use fastx_core::wire::join::Invitation;

use super::files::{File, SYSUSERS};
use super::options::Options;
use super::state::{has_members, seed};
use super::{STATE, SetupError};
use crate::wire::SetupState;

/// Folder of the bus, as its programs see it.
const BUS: &str = "/etc/fastx/bus";

/// The managers' name on the bus; all of them share the identity.
const MANAGER: &str = "manager-cluster";

/// All files, the one that they follow from first.
pub(super) fn files(state: &SetupState, options: &Options) -> Result<Vec<File>, SetupError> {
    let mut files = vec![
        File {
            mode: 0o600,
            ..root(STATE, json(state))
        },
        root(SYSUSERS, sysusers(state, options)),
    ];
    if state.given.is_none() {
        files.extend(bus_files(state, options)?);
    }
    files.extend(manager_files(state, options)?);
    Ok(files)
}

/// What everybody may read.
fn root(path: &str, content: String) -> File {
    File {
        path: path.into(),
        content,
        mode: 0o644,
        owner: "root".to_owned(),
    }
}

/// What one user alone may read.
fn of(owner: &str, path: &str, content: &str) -> File {
    File {
        path: path.into(),
        content: content.to_owned(),
        mode: 0o400,
        owner: owner.to_owned(),
    }
}

fn bus_files(state: &SetupState, options: &Options) -> Result<Vec<File>, SetupError> {
    let user = &options.bus_user;
    let (config, text) = match state.transporter {
        TransporterType::Nats => ("etc/fastx/bus/nats.conf", nats(state)),
        TransporterType::Redis => ("etc/fastx/bus/redis.conf", redis(state)),
    };
    let (certificate, key) = bus_certificate(state);
    let unit = bus_unit(state, options)?;
    Ok(vec![
        of(user, config, &text),
        of(user, "etc/fastx/bus/tls.crt", certificate),
        of(user, "etc/fastx/bus/tls.key", key),
        of(user, "etc/fastx/bus/ca.crt", part(state, "bundle.crt")),
        root("etc/systemd/system/fastx-bus.service", unit),
    ])
}

fn manager_files(state: &SetupState, options: &Options) -> Result<Vec<File>, SetupError> {
    let user = &options.user;
    let leaf = |name: &str| state.manager.get(name).map_or("", Secret::expose);
    let (manager, member) = (json(&manager_broker(state)?), json(&member_broker(state)));
    let (store, unit) = (state.store_uri.expose(), manager_unit(state, options));
    let mut files = vec![
        of(user, "etc/fastx/manager/broker.json", &manager),
        of(user, "etc/fastx/manager/store/uri", store),
        of(user, "etc/fastx/manager/tls/tls.crt", leaf("tls.crt")),
        of(user, "etc/fastx/manager/tls/tls.key", leaf("tls.key")),
        of(user, "etc/fastx/manager/tls/ca.crt", leaf("ca.crt")),
        root("etc/fastx/manager/manager.env", environment(state)),
        root("etc/systemd/system/fastx-manager.service", unit),
        of(user, &member_file(state).to_string_lossy(), &member),
    ];
    if !state.store_ca.is_empty() {
        files.push(of(user, "etc/fastx/manager/store/ca.crt", &state.store_ca));
    }
    if has_members(state) {
        let signing = json(&authority(state).node_signer());
        files.push(of(user, "etc/fastx/manager/signing.json", &signing));
    }
    Ok(files)
}

/// What a host needs to join, as it lies on this machine.
pub(super) fn member_file(state: &SetupState) -> PathBuf {
    // Redis does not tell members apart: there all have the same broker.json.
    let name = if has_members(state) {
        "join.json"
    } else {
        "broker.json"
    };
    Path::new("etc/fastx").join(name)
}

/// What members check the bus's certificate against; empty for the system's authorities.
pub(super) fn trust(state: &SetupState) -> String {
    match state.public {
        Some(_) => String::new(),
        None => part(state, "bundle.crt").to_owned(),
    }
}

fn part<'a>(state: &'a SetupState, name: &str) -> &'a str {
    state.authority.get(name).map_or("", Secret::expose)
}

fn json(value: &impl serde::Serialize) -> String {
    // These are plain documents of texts and numbers: they can always be written.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

fn authority(state: &SetupState) -> Authority {
    Authority::new(&Seeds::split(&seed(&state.seeds)))
}

fn bus_certificate(state: &SetupState) -> (&str, &str) {
    if let Some(public) = &state.public {
        return (&public.certificate, public.key.expose());
    }
    let leaf = |name: &str| state.bus.get(name).map_or("", Secret::expose);
    (leaf("tls.crt"), leaf("tls.key"))
}

fn broker(state: &SetupState, host: &str) -> BrokerConfig {
    BrokerConfig {
        transporter_type: state.transporter,
        host: host.to_owned(),
        port: state.port,
        password: match state.transporter {
            TransporterType::Nats => Secret::default(),
            TransporterType::Redis => state.password.clone(),
        },
        reject_unauthorized: true,
        namespace: state.namespace.clone(),
        schema: SCHEMA,
        generation: state.generation,
        hosts: Vec::new(),
        credentials: None,
        ca: trust(state),
    }
}

fn manager_broker(state: &SetupState) -> Result<BrokerConfig, SetupError> {
    if let Some(given) = &state.given {
        return Ok(given.clone());
    }
    // A public certificate names the host, and not `localhost`.
    let host = match state.host.as_str() {
        "" => "localhost",
        host => host,
    };
    let mut broker = broker(state, host);
    if has_members(state) {
        let caller: CallerId = MANAGER.parse()?;
        let seed = seed(&state.manager_seed);
        broker.credentials =
            Some(authority(state).member(Member::Manager, &caller, seed, state.issued));
    }
    Ok(broker)
}

/// For members: the join file, or the same `broker.json` for all of them.
fn member_broker(state: &SetupState) -> BrokerConfig {
    if let Some(given) = &state.given {
        return given.clone();
    }
    let mut broker = broker(state, &state.host);
    if has_members(state) {
        let expires = Invitation::of(&state.join_name).map_or(state.issued, |i| i.expires);
        broker.credentials = Some(authority(state).joiner(
            &state.namespace,
            &state.join_name,
            seed(&state.join_seed),
            state.issued,
            expires,
        ));
    }
    broker
}

fn nats(state: &SetupState) -> String {
    let server = ServerConfig {
        name: state.namespace.to_string(),
        listen: format!("0.0.0.0:{}", state.port),
        monitor: "127.0.0.1:8222".to_owned(),
        certificate: format!("{BUS}/tls.crt"),
        key: format!("{BUS}/tls.key"),
        ca: format!("{BUS}/ca.crt"),
        routes: Vec::new(),
    };
    authority(state).nats_conf(&state.namespace, &state.revoked, state.issued, &server)
}

fn redis(state: &SetupState) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "# Written by `fastx-manager setup`, which writes it again.\n\
         # To use a certificate of a public authority: fastx-manager setup --certificate FILE --key FILE\n\
         bind * -::*\nport 0\ntls-port {}\n\
         tls-cert-file {BUS}/tls.crt\ntls-key-file {BUS}/tls.key\ntls-ca-cert-file {BUS}/ca.crt\n\
         tls-auth-clients no\nrequirepass {}\n\
         # The bus keeps nothing: a full disk or memory must not stop it.\n\
         save \"\"\nappendonly no\nstop-writes-on-bgsave-error no\nmaxmemory-policy noeviction\n\
         # Large messages may wait for a slow reader for a while.\n\
         client-output-buffer-limit pubsub 256mb 64mb 60\n\
         tcp-keepalive 30\ndir /var/lib/fastx-bus",
        state.port,
        state.password.expose()
    );
    text
}

fn environment(state: &SetupState) -> String {
    let mut text = String::from(
        "# Written by `fastx-manager setup`, which writes it again; own settings go into a drop-in of the unit.\n\
         FX_CONFIG_DIR=/etc/fastx/manager\n\
         FX_STORE_URI_FILE=/etc/fastx/manager/store/uri\n\
         FX_TLS_DIR=/etc/fastx/manager/tls\n\
         FX_USERS_DIR=/etc/fastx/manager/users\n\
         FX_HEALTH_ADDR=127.0.0.1:9310\n",
    );
    if !state.store_ca.is_empty() {
        text.push_str("FX_STORE_CA_FILE=/etc/fastx/manager/store/ca.crt\n");
    }
    let _ = writeln!(text, "FX_DISCOVERY={}", state.discovery);
    text
}

fn sysusers(state: &SetupState, options: &Options) -> String {
    let mut text = format!(
        "# Users of the services that `fastx-manager setup` sets up.\nu {} - \"FastX services\"\n",
        options.user
    );
    if state.given.is_none() {
        let _ = writeln!(text, "u {} - \"FastX transporter\"", options.bus_user);
    }
    text
}

/// What both services do without.
const HARDENED: &str = "NoNewPrivileges=yes\nProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes\n\
    PrivateDevices=yes\nProtectKernelTunables=yes\nProtectKernelModules=yes\nProtectControlGroups=yes\n\
    RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\nRestrictNamespaces=yes\nLockPersonality=yes\n\
    SystemCallArchitectures=native\nCapabilityBoundingSet=\nUMask=0077\n";

fn bus_unit(state: &SetupState, options: &Options) -> Result<String, SetupError> {
    let (name, config) = match state.transporter {
        TransporterType::Nats => ("nats-server", "-c /etc/fastx/bus/nats.conf"),
        TransporterType::Redis => ("redis-server", "/etc/fastx/bus/redis.conf"),
    };
    let usual = ["/usr/bin", "/usr/sbin", "/usr/local/bin"];
    let program = match &options.bus_program {
        Some(program) => program.clone(),
        None => usual
            .iter()
            .map(|folder| Path::new(folder).join(name))
            .find(|program| program.is_file())
            .ok_or(SetupError::NoProgram(name))?,
    };
    Ok(format!(
        "[Unit]\nDescription=FastX transporter\nAfter=network-online.target\nWants=network-online.target\n\n\
         [Service]\nUser={}\nExecStart={} {config}\nExecReload=/bin/kill -HUP $MAINPID\nRestart=always\nRestartSec=1\n\
         StateDirectory=fastx-bus\nLimitNOFILE=65536\n{HARDENED}\n[Install]\nWantedBy=multi-user.target\n",
        options.bus_user,
        program.display(),
    ))
}

fn manager_unit(state: &SetupState, options: &Options) -> String {
    let bus = if state.given.is_none() {
        " fastx-bus.service"
    } else {
        ""
    };
    format!(
        "[Unit]\nDescription=FastX cluster manager\nAfter=network-online.target{bus}\nWants=network-online.target{bus}\n\n\
         [Service]\nUser={}\nEnvironment=FX_NAME=manager-%l\nEnvironmentFile=/etc/fastx/manager/manager.env\n\
         ExecStart={}\nRestart=always\nRestartSec=1\n{HARDENED}\n[Install]\nWantedBy=multi-user.target\n",
        options.user,
        options.manager_program.display(),
    )
}

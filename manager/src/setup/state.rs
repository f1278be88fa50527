//! What is decided when a cluster is set up, and how it goes on: kept while it is good, made anew when asked for or due.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fastx_core::identity::{SEED_BYTES, check_public_key, user_key};
use fastx_core::names::{CallerId, hex};
use fastx_core::secret::Secret;
use fastx_core::wire::broker::{BrokerConfig, TransporterType};
use fastx_core::wire::join::Invitation;
use fastx_lifecycle::pki::{Authority, Data, Leaf, LeafRequest, Lifetimes};
use jiff::{SignedDuration, Timestamp};
use rand::CryptoRng;

use super::options::{JoinPolicy, Options, Rotate, Transporter};
use super::{SetupError, file};
use crate::wire::{PublicCertificate, SetupState};

/// Nobody renews these by the clock: they last until somebody runs the setup again, within a good two years.
const LIFETIMES: Lifetimes = Lifetimes {
    leaf: Duration::from_hours(825 * 24),
    authority: Duration::from_hours(20 * 365 * 24),
};

/// What the options name by files.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    given: Option<BrokerConfig>,
    store_uri: Option<Secret>,
    store_ca: Option<String>,
    public: Option<PublicCertificate>,
    hostname: String,
}

impl Inputs {
    pub(super) fn read(options: &Options) -> Result<Self, SetupError> {
        let text = |path: &Path| std::fs::read_to_string(path).map_err(file("read", path));
        let given = match &options.given {
            Some(path) => Some(BrokerConfig::parse(&text(path)?).map_err(SetupError::Given)?),
            None => None,
        };
        let public = match (&options.certificate, &options.key) {
            (Some(certificate), Some(key)) => Some(PublicCertificate {
                certificate: text(certificate)?,
                key: Secret::new(text(key)?),
            }),
            _ => None,
        };
        let uri = options.store_uri_file.as_deref().map(text).transpose()?;
        Ok(Self {
            given,
            store_uri: uri.map(|uri| Secret::new(uri.trim())),
            store_ca: options.store_ca.as_deref().map(text).transpose()?,
            public,
            hostname: std::fs::read_to_string("/proc/sys/kernel/hostname")
                .unwrap_or_default()
                .trim()
                .to_owned(),
        })
    }
}

/// The state after this run.
pub(super) fn advance(
    before: Option<SetupState>,
    options: &Options,
    inputs: &Inputs,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<SetupState, SetupError> {
    let fresh = before.is_none();
    let mut state = match before {
        Some(state) => state,
        None => first(options, inputs, now, rng)?,
    };
    let kept = state.clone();
    settle(&mut state, options, inputs)?;
    rotate(&mut state, options, now, rng)?;
    for key in &options.revoke {
        check_public_key(key).map_err(|_| SetupError::NotAKey(key.clone()))?;
        if !has_members(&state) {
            return Err(SetupError::NoMembers("--revoke"));
        }
        state
            .revoked
            .entry(key.clone())
            .or_insert_with(|| whole(now));
    }
    certify(&mut state, &inputs.hostname, now)?;
    if !fresh && members_see(&state) != members_see(&kept) {
        state.generation += 1;
    }
    Ok(state)
}

/// Whether the transporter tells members apart.
pub(super) fn has_members(state: &SetupState) -> bool {
    state.transporter == TransporterType::Nats && state.given.is_none()
}

/// What stands in the members' files beside the generation.
fn members_see(state: &SetupState) -> impl PartialEq + use<> {
    (
        state.host.clone(),
        state.port,
        state.password.clone(),
        state.given.clone(),
        state.manager_seed.clone(),
        super::render::trust(state),
    )
}

fn first(
    options: &Options,
    inputs: &Inputs,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<SetupState, SetupError> {
    let transporter = match (&inputs.given, options.transporter) {
        (Some(given), _) => given.transporter_type,
        (None, Some(Transporter::Redis)) => TransporterType::Redis,
        (None, _) => TransporterType::Nats,
    };
    let namespace = match (&inputs.given, &options.namespace) {
        (Some(given), _) => given.namespace.clone(),
        (None, Some(namespace)) => namespace.clone(),
        (None, None) => "fastx-cluster".parse()?,
    };
    Ok(SetupState {
        schema: 1,
        transporter,
        namespace,
        host: String::new(),
        port: match transporter {
            TransporterType::Nats => 4222,
            TransporterType::Redis => 6379,
        },
        given: None,
        store_uri: Secret::default(),
        store_ca: String::new(),
        discovery: "Any".to_owned(),
        seeds: random::<SEED_BYTES>(rng),
        manager_seed: random::<32>(rng),
        join_seed: random::<32>(rng),
        join_name: join_name(options, now, rng)?,
        password: random::<32>(rng),
        issued: whole(now),
        revoked: BTreeMap::new(),
        generation: 1,
        authority: BTreeMap::new(),
        bus: BTreeMap::new(),
        manager: BTreeMap::new(),
        public: None,
    })
}

/// Takes over what the options say.
fn settle(state: &mut SetupState, options: &Options, inputs: &Inputs) -> Result<(), SetupError> {
    let kind = match options.transporter {
        Some(Transporter::Nats) => Some(TransporterType::Nats),
        Some(Transporter::Redis) => Some(TransporterType::Redis),
        None => None,
    };
    if kind.is_some_and(|kind| kind != state.transporter) {
        return Err(SetupError::Fixed {
            what: "the transporter",
            is: format!("{:?}", state.transporter),
        });
    }
    let namespace = inputs
        .given
        .as_ref()
        .map(|given| &given.namespace)
        .or(options.namespace.as_ref());
    if namespace.is_some_and(|namespace| *namespace != state.namespace) {
        return Err(SetupError::Fixed {
            what: "the namespace",
            is: state.namespace.to_string(),
        });
    }
    if let Some(host) = &options.host {
        host.trim().clone_into(&mut state.host);
    }
    state.port = options.port.unwrap_or(state.port);
    if let Some(given) = &inputs.given {
        state.given = Some(given.clone());
    }
    if let Some(uri) = &inputs.store_uri {
        state.store_uri = uri.clone();
    }
    if state.store_uri.is_empty() {
        return Err(SetupError::NoStore);
    }
    if let Some(ca) = &inputs.store_ca {
        state.store_ca.clone_from(ca);
    }
    if let Some(public) = &inputs.public {
        state.public = Some(public.clone());
    }
    match options.discovery {
        Some(JoinPolicy::Any) => "Any".clone_into(&mut state.discovery),
        Some(JoinPolicy::Declared) => "Declared".clone_into(&mut state.discovery),
        None => {}
    }
    Ok(())
}

fn rotate(
    state: &mut SetupState,
    options: &Options,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<(), SetupError> {
    for what in &options.rotate {
        match what {
            Rotate::Certificates => {
                state.bus.clear();
                state.manager.clear();
            }
            Rotate::Identity if has_members(state) => {
                let old = user_key(seed(&state.manager_seed)).1;
                state.revoked.insert(old, whole(now));
                state.manager_seed = random::<32>(rng);
            }
            Rotate::Identity => return Err(SetupError::NoMembers("an identity of its own")),
            Rotate::Password => state.password = random::<32>(rng),
            Rotate::JoinFile if has_members(state) => {
                let old = user_key(seed(&state.join_seed)).1;
                state.revoked.insert(old, whole(now));
                state.join_seed = random::<32>(rng);
                state.join_name = join_name(options, now, rng)?;
            }
            Rotate::JoinFile => return Err(SetupError::NoMembers("a join file")),
        }
    }
    Ok(())
}

/// Keeps certificates while they are good.
fn certify(state: &mut SetupState, hostname: &str, now: Timestamp) -> Result<(), SetupError> {
    let name = state.namespace.as_str();
    let existing = Authority::read(&data(&state.authority));
    let (authority, _) = Authority::advance(existing, name, &LIFETIMES, now)?;
    state.authority = secrets(authority.write());
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    names.extend(
        [state.host.clone(), hostname.to_owned()]
            .into_iter()
            .filter(|n| !n.is_empty()),
    );
    for (place, common_name) in [(&mut state.bus, "bus"), (&mut state.manager, "manager")] {
        let request = LeafRequest {
            common_name: format!("{name} {common_name}"),
            names: names.clone(),
        };
        let existing = Leaf::read(&data(place));
        let (leaf, _) = Leaf::advance(existing, &request, &authority, &LIFETIMES, now)?;
        *place = secrets(leaf.write(&authority.bundle()));
    }
    Ok(())
}

fn join_name(
    options: &Options,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<CallerId, SetupError> {
    let mut id = [0; 4];
    rng.fill_bytes(&mut id);
    let invitation = Invitation {
        id: hex(&id),
        uses: options.join_uses,
        expires: whole(now + SignedDuration::from_hours(24 * i64::from(options.join_days))),
    };
    Ok(invitation.caller()?)
}

/// Identities carry whole seconds.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn random<const N: usize>(rng: &mut impl CryptoRng) -> Secret {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    Secret::new(hex(&bytes))
}

/// Bytes of a seed that was written as hexadecimal digits.
pub(super) fn seed<const N: usize>(text: &Secret) -> [u8; N] {
    let text = text.expose();
    std::array::from_fn(|i| {
        text.get(2 * i..2 * i + 2)
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
            .unwrap_or_default()
    })
}

fn data(map: &BTreeMap<String, Secret>) -> Data {
    map.iter()
        .map(|(key, value)| (key.clone(), value.expose().as_bytes().to_vec()))
        .collect()
}

fn secrets(map: BTreeMap<String, String>) -> BTreeMap<String, Secret> {
    map.into_iter()
        .map(|(key, value)| (key, Secret::new(value)))
        .collect()
}

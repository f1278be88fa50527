//! What a cluster has in secrets: certificates, the bus's keys, the store's login. Made once, kept, renewed in time.
//!
//! This is the one step between validation and plan that is not pure: keys are random.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastx_core::identity::{Authority as BusAuthority, SEED_BYTES, Seeds};
use fastx_core::names::hex;
use jiff::Timestamp;
use rand::CryptoRng;

use super::certificate::Offered;
use super::invitation::{self, JoinFile};
use super::validate::{BusKind, ValidCluster, ValidStore};
use crate::config::Lifetimes;
use crate::names;
use crate::pki::{Authority, Data, Leaf, LeafRequest, PkiError, RenewAt};

/// Who has a certificate of the cluster's authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// The store, as a server.
    Store,
    /// The transporter NATS, as a server.
    Nats,
    /// The transporter Redis, as a server.
    Redis,
    /// The managers, as servers.
    Manager,
    /// The operator, as a client of the managers.
    Operator,
    /// The nodes, as servers of the web address.
    Web,
}

impl Holder {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Store,
        Self::Nats,
        Self::Redis,
        Self::Manager,
        Self::Operator,
        Self::Web,
    ];

    /// Whether the cluster has such a part.
    pub fn is_of(self, cluster: &ValidCluster) -> bool {
        match self {
            Self::Store => matches!(cluster.store, ValidStore::Ferret { .. }),
            Self::Nats => cluster.transporter.has_identities(),
            Self::Redis => cluster.transporter.is_redis(),
            Self::Manager | Self::Operator | Self::Web => true,
        }
    }

    /// How long its certificate lives. FerretDB reads its own only at its start, so that each new one starts it
    /// anew: it lives half as long as the authority, and never longer than who signed it.
    fn lifetimes(self, usual: &Lifetimes) -> Lifetimes {
        let leaf = match self {
            // Redis is restarted for a new one too.
            Self::Store | Self::Redis => usual.leaf.max(usual.authority / 2),
            _ => usual.leaf,
        };
        Lifetimes { leaf, ..*usual }
    }

    /// Name of the Secret.
    pub fn secret(self, cluster: &str) -> String {
        let part = match self {
            Self::Store => "store",
            Self::Nats => "nats",
            Self::Redis => "redis",
            Self::Manager => "manager",
            Self::Operator => "operator",
            Self::Web => "web",
        };
        format!("{cluster}-{part}-tls")
    }
}

/// Secrets of a cluster as they are now; none for each that is missing.
#[derive(Debug, Clone, Default)]
pub struct Existing {
    /// The authority.
    pub authority: Option<Arc<Data>>,
    /// Certificates.
    pub leaves: BTreeMap<Holder, Arc<Data>>,
    /// The bus's keys.
    pub bus_keys: Option<Arc<Data>>,
    /// The store's login.
    pub store_login: Option<Arc<Data>>,
    /// The managers' `broker.json`.
    pub manager_broker: Option<Arc<Data>>,
    /// The web certificate that somebody else makes, if somebody is to.
    pub offered: Option<Offered>,
    /// The Secret with the one password of all members, where they have no identities.
    pub bus_secret: Option<Arc<Data>>,
    /// The join file of hosts.
    pub join: Option<Arc<Data>>,
}

/// Keys of the bus.
#[derive(Clone)]
pub struct BusKeys {
    /// Seeds of operator, accounts and signing keys.
    pub seeds: [u8; SEED_BYTES],
    /// Seed of the managers' own key.
    pub manager_seed: [u8; 32],
    /// When they were made; also the time in all JWTs, so that equal input gives equal text.
    pub issued: Timestamp,
    /// Identities of nodes: name → public key and uid of the ComputeNode.
    pub members: BTreeMap<String, Member>,
    /// Identities of hosts that joined with a key of their own, likewise.
    pub joined: BTreeMap<String, Member>,
    /// Public keys of join files, and when these end.
    pub invited: BTreeMap<String, Timestamp>,
    /// Revoked public keys.
    pub revoked: BTreeMap<String, Timestamp>,
}

/// An identity that was given to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Public key.
    pub key: String,
    /// Uid of the ComputeNode that it was given to.
    pub uid: String,
}

impl std::fmt::Debug for BusKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BusKeys")
            .field("members", &self.members.keys())
            .field("revoked", &self.revoked.len())
            .finish_non_exhaustive()
    }
}

/// Prefix of the keys that list identities.
pub const MEMBER_PREFIX: &str = "member.";
/// Prefix of the keys that list identities of hosts that joined.
pub const JOINED_PREFIX: &str = "joined.";
/// Prefix of the keys that list join files.
pub const INVITED_PREFIX: &str = "invited.";
/// Prefix of the keys that list revoked identities.
pub const REVOKED_PREFIX: &str = "revoked.";

impl BusKeys {
    /// Reads them from their Secret; none when it is missing or damaged.
    pub fn read(data: &Data) -> Option<Self> {
        let text = |key: &str| String::from_utf8(data.get(key)?.clone()).ok();
        let (mut members, mut joined) = (BTreeMap::new(), BTreeMap::new());
        let (mut invited, mut revoked) = (BTreeMap::new(), BTreeMap::new());
        for (key, value) in data {
            let value = String::from_utf8_lossy(value);
            if let Some(node) = key.strip_prefix(MEMBER_PREFIX) {
                members.insert(node.to_owned(), Member::read(&value)?);
            } else if let Some(node) = key.strip_prefix(JOINED_PREFIX) {
                joined.insert(node.to_owned(), Member::read(&value)?);
            } else if let Some(public) = key.strip_prefix(INVITED_PREFIX) {
                invited.insert(public.to_owned(), value.parse().ok()?);
            } else if let Some(public) = key.strip_prefix(REVOKED_PREFIX) {
                revoked.insert(public.to_owned(), value.parse().ok()?);
            }
        }
        Some(Self {
            seeds: data.get("seeds")?.as_slice().try_into().ok()?,
            manager_seed: data.get("manager-seed")?.as_slice().try_into().ok()?,
            issued: text("issued")?.parse().ok()?,
            members,
            joined,
            invited,
            revoked,
        })
    }

    /// What takes identities off the list and revokes them: those of the nodes that `gone` says so of.
    pub fn revocation(
        &self,
        gone: impl Fn(&str, &Member) -> bool,
        now: Timestamp,
    ) -> BTreeMap<String, Option<String>> {
        let lists = [
            (MEMBER_PREFIX, &self.members),
            (JOINED_PREFIX, &self.joined),
        ];
        let all = lists
            .into_iter()
            .flat_map(|(prefix, list)| list.iter().map(move |(node, m)| (prefix, node, m)));
        all.filter(|(_, node, member)| gone(node, member))
            .flat_map(|(prefix, node, member)| {
                [
                    (format!("{prefix}{node}"), None),
                    (
                        format!("{REVOKED_PREFIX}{}", member.key),
                        Some(now.to_string()),
                    ),
                ]
            })
            .collect()
    }

    /// What signs identities.
    pub fn authority(&self) -> BusAuthority {
        BusAuthority::new(&Seeds::split(&self.seeds))
    }
}

impl Member {
    fn read(text: &str) -> Option<Self> {
        let (key, uid) = text.split_once(' ')?;
        Some(Self {
            key: key.to_owned(),
            uid: uid.to_owned(),
        })
    }

    /// As it is listed.
    pub fn write(&self) -> String {
        format!("{} {}", self.key, self.uid)
    }
}

/// The store's login.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreLogin {
    /// Name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for StoreLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreLogin")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// What members need to join a transporter that does not tell them apart; the same for all of them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BusSecret {
    /// Password; with NATS a token.
    pub password: String,
    /// Authorities (PEM) of its certificate; the system's when empty.
    pub ca: String,
}

impl std::fmt::Debug for BusSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BusSecret").finish_non_exhaustive()
    }
}

impl BusSecret {
    /// None while the Secret is missing or lacks its password, and none with identities. `bundle` is what members
    /// trust of our own servers.
    pub fn of(cluster: &ValidCluster, data: Option<&Data>, bundle: Option<&str>) -> Option<Self> {
        let text = |key: &str| String::from_utf8(data?.get(key)?.clone()).ok();
        // A line end at the end is of the editor, not of the password.
        let password = || Some(text("password")?.trim_end_matches(['\r', '\n']).to_owned());
        match &cluster.transporter.kind {
            BusKind::Nats => None,
            BusKind::Redis { .. } => Some(Self {
                password: password().filter(|p| !p.is_empty())?,
                ca: bundle?.to_owned(),
            }),
            BusKind::External(external) if external.secret.is_none() => Some(Self::default()),
            BusKind::External(_) => Some(Self {
                password: password()?,
                ca: text("ca.crt").unwrap_or_default(),
            }),
        }
    }
}

/// Everything secret that a cluster is made of.
#[derive(Debug, Clone)]
pub struct Material {
    /// Certificate authority.
    pub authority: Authority,
    /// Certificates.
    pub leaves: BTreeMap<Holder, Leaf>,
    /// Keys of the bus.
    pub bus: BusKeys,
    /// Login of our own store.
    pub store_login: Option<StoreLogin>,
    /// `broker.json` of the managers as it is.
    pub manager_broker: Option<String>,
    /// Password and authorities where members have no identities; none while somebody else's Secret is missing.
    pub bus_secret: Option<BusSecret>,
    /// The join file of hosts, where they may ask.
    pub join: Option<JoinFile>,
    /// When a certificate or the join file wants to be renewed.
    pub renew_at: Timestamp,
}

/// Keeps what there is, makes what is missing, renews what is due.
pub fn material(
    cluster: &ValidCluster,
    existing: &Existing,
    web_hosts: &[String],
    lifetimes: &Lifetimes,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<Material, PkiError> {
    let before = existing.authority.as_deref().and_then(Authority::read);
    let (authority, RenewAt(mut renew_at)) =
        Authority::advance(before, &cluster.key.name, lifetimes, now)?;
    let mut leaves = BTreeMap::new();
    for holder in Holder::ALL.into_iter().filter(|h| h.is_of(cluster)) {
        if let Some(offered) = existing.offered.as_ref().filter(|_| holder == Holder::Web) {
            let present = existing.leaves.get(&holder).map(AsRef::as_ref);
            if let Some(leaf) = offered.leaf(present, now) {
                renew_at = offered.ends.map_or(renew_at, |at| renew_at.min(at));
                leaves.insert(holder, leaf);
                continue;
            }
        }
        let before = existing.leaves.get(&holder).and_then(|d| Leaf::read(d));
        let request = request(cluster, holder, web_hosts);
        let lifetimes = holder.lifetimes(lifetimes);
        let (leaf, RenewAt(at)) = Leaf::advance(before, &request, &authority, &lifetimes, now)?;
        renew_at = renew_at.min(at);
        leaves.insert(holder, leaf);
    }
    let join = cluster
        .discovery
        .map(|_| invitation::advance(existing.join.as_deref(), now, rng));
    renew_at = join
        .as_ref()
        .map_or(renew_at, |j| renew_at.min(j.renew_at()));
    Ok(Material {
        join,
        leaves,
        bus: bus_keys(existing.bus_keys.as_deref(), now, rng),
        store_login: match cluster.store {
            ValidStore::Ferret { .. } => Some(store_login(existing.store_login.as_deref(), rng)),
            ValidStore::External { .. } => None,
        },
        manager_broker: existing
            .manager_broker
            .as_ref()
            .and_then(|d| String::from_utf8(d.get("broker.json")?.clone()).ok()),
        bus_secret: bus_secret(cluster, existing, &authority.bundle(), rng),
        authority,
        renew_at,
    })
}

/// The password of our own Redis is made here, once.
fn bus_secret(
    cluster: &ValidCluster,
    existing: &Existing,
    bundle: &str,
    rng: &mut impl CryptoRng,
) -> Option<BusSecret> {
    BusSecret::of(cluster, existing.bus_secret.as_deref(), Some(bundle)).or_else(|| {
        cluster.transporter.is_redis().then(|| BusSecret {
            password: password(rng),
            ca: bundle.to_owned(),
        })
    })
}

fn password(rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0; 24];
    rng.fill_bytes(&mut bytes);
    hex(&bytes)
}

fn request(cluster: &ValidCluster, holder: Holder, web_hosts: &[String]) -> LeafRequest {
    let (name, namespace) = (&cluster.key.name, &cluster.key.namespace);
    let names = match holder {
        Holder::Store => names::hosts(&names::store(name), namespace),
        Holder::Redis => {
            let mut hosts = names::hosts(&names::redis(name), namespace);
            let outside = cluster.transporter.exposure.as_ref();
            hosts.extend(outside.and_then(|e| e.host_name.clone()));
            hosts
        }
        Holder::Nats => {
            let mut hosts = names::hosts(&names::nats(name), namespace);
            let peers = names::nats_peers(name);
            hosts.extend(
                names::hosts(&peers, namespace)
                    .iter()
                    .map(|h| format!("*.{h}")),
            );
            let outside = cluster.transporter.exposure.as_ref();
            hosts.extend(outside.and_then(|e| e.host_name.clone()));
            hosts
        }
        Holder::Manager => names::hosts(&names::manager(name), namespace),
        Holder::Operator => Vec::new(),
        Holder::Web => web_hosts.to_vec(),
    };
    LeafRequest {
        common_name: match holder {
            Holder::Operator => crate::meta::OPERATOR.to_owned(),
            other => other.secret(name).trim_end_matches("-tls").to_owned(),
        },
        names,
    }
}

fn bus_keys(existing: Option<&Data>, now: Timestamp, rng: &mut impl CryptoRng) -> BusKeys {
    existing.and_then(BusKeys::read).unwrap_or_else(|| {
        let mut seeds = [0; SEED_BYTES];
        let mut manager_seed = [0; 32];
        rng.fill_bytes(&mut seeds);
        rng.fill_bytes(&mut manager_seed);
        BusKeys {
            seeds,
            manager_seed,
            issued: Timestamp::from_second(now.as_second()).unwrap_or(now),
            members: BTreeMap::new(),
            joined: BTreeMap::new(),
            invited: BTreeMap::new(),
            revoked: BTreeMap::new(),
        }
    })
}

fn store_login(existing: Option<&Data>, rng: &mut impl CryptoRng) -> StoreLogin {
    let text = |key: &str| String::from_utf8(existing?.get(key)?.clone()).ok();
    match (text("username"), text("password")) {
        (Some(user), Some(password)) if !user.is_empty() && !password.is_empty() => {
            StoreLogin { user, password }
        }
        _ => StoreLogin {
            user: "fastx".to_owned(),
            password: password(rng),
        },
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::validate::tests::valid;
    use super::*;
    use rand::SeedableRng as _;
    use rustls_pki_types::pem::PemObject as _;
    use std::time::Duration;

    pub(crate) const LIFETIMES: Lifetimes = Lifetimes {
        leaf: Duration::from_mins(10),
        authority: Duration::from_mins(100),
    };

    pub(crate) fn made(cluster: &ValidCluster, existing: &Existing) -> Material {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        material(
            cluster,
            existing,
            &["desk.example".into()],
            &LIFETIMES,
            now,
            &mut rng,
        )
        .unwrap()
    }

    #[test]
    fn an_external_store_needs_no_login_and_no_certificate() {
        let cluster =
            valid("store: {engine: External, external: {uriSecretRef: {name: db, key: uri}}}");
        let material = made(&cluster, &Existing::default());
        assert!(material.store_login.is_none());
        assert!(!material.leaves.contains_key(&Holder::Store));
    }

    #[test]
    fn the_stores_certificate_is_replaced_as_rarely_as_can_be() {
        let material = made(&valid(""), &Existing::default());
        let life = |holder: Holder| {
            let (start, end) = crate::pki::validity(&material.leaves[&holder].pair.cert).unwrap();
            (end.as_second() - start.as_second()) / 60
        };
        let (_, ends) = crate::pki::validity(&material.authority.signing.cert).unwrap();
        let (_, store) = crate::pki::validity(&material.leaves[&Holder::Store].pair.cert).unwrap();
        // A minute is for clocks that are behind.
        assert_eq!((life(Holder::Store), life(Holder::Nats)), (51, 11));
        assert!(store < ends);
    }

    #[test]
    fn the_operator_is_known_by_its_common_name() {
        let material = made(&valid(""), &Existing::default());
        let pem = &material.leaves[&Holder::Operator].pair.cert;
        let der = rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        assert_eq!(
            fastx_lifecycle::tls::common_name(&der).as_deref(),
            Some("fastx-operator")
        );
    }

    #[test]
    fn members_and_revocations_are_read_beside_the_seeds() {
        let data: Data = [
            ("seeds", vec![1; SEED_BYTES]),
            ("manager-seed", vec![2; 32]),
            ("issued", b"2027-01-01T00:00:00Z".to_vec()),
            ("member.desk", b"UKEY u-1".to_vec()),
            ("joined.desk", b"UOWN u-1".to_vec()),
            ("invited.UJOIN", b"2027-02-01T00:00:00Z".to_vec()),
            ("revoked.UOLD", b"2027-01-02T00:00:00Z".to_vec()),
        ]
        .map(|(k, v)| (k.to_owned(), v))
        .into();
        let keys = BusKeys::read(&data).unwrap();
        assert_eq!(
            keys.members["desk"],
            Member {
                key: "UKEY".into(),
                uid: "u-1".into()
            }
        );
        assert_eq!(keys.joined["desk"].write(), "UOWN u-1");
        assert_eq!((keys.invited.len(), keys.revoked.len()), (1, 1));
        assert!(!format!("{keys:?}").contains("UKEY"));
        // Both identities of a node go with it.
        let gone = keys.revocation(
            |node, member| node == "desk" && member.uid == "u-1",
            keys.issued,
        );
        let names: Vec<&str> = gone.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["joined.desk", "member.desk", "revoked.UKEY", "revoked.UOWN"]
        );
    }
}

//! Certificates: an authority for each cluster and the leaves that it signs, replaced before they expire.
//!
//! The trust bundle holds the authority that signs, the one that will, and the ones before it until they expire,
//! so that no two processes ever disagree: a new authority is known everywhere before it signs anything.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;

/// How long certificates live. Each is replaced after two thirds of its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Servers and clients.
    pub leaf: Duration,
    /// Authorities.
    pub authority: Duration,
}

/// Data of a Secret.
pub type Data = BTreeMap<String, Vec<u8>>;

/// Stands for the fingerprint of an authority that is not ours.
const GIVEN: &str = "given";

/// How far a clock may be behind ours.
const SKEW: Duration = Duration::from_mins(1);

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A name is not possible in a certificate, or the key is of no use.
    #[error("cannot make a certificate for {0}")]
    Make(String, #[source] rcgen::Error),
}

/// A certificate with its key, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// Certificate.
    pub cert: String,
    /// Key.
    pub key: String,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair")
            .field("cert", &self.cert)
            .finish_non_exhaustive()
    }
}

/// The certificate authority of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Signs now.
    pub signing: Pair,
    /// Will sign once everybody knows it.
    pub next: Option<(Pair, Timestamp)>,
    /// Signed before; trusted until they expire.
    pub previous: Vec<String>,
}

/// A certificate of a server or a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Certificate and key.
    pub pair: Pair,
    /// Fingerprint of the authority that signed it.
    pub issuer: String,
    /// Its names.
    pub names: Vec<String>,
}

/// When something must be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewAt(pub Timestamp);

fn text(data: &Data, key: &str) -> Option<String> {
    String::from_utf8(data.get(key)?.clone())
        .ok()
        .filter(|t| !t.is_empty())
}

fn pair(data: &Data, name: &str) -> Option<Pair> {
    let found = Pair {
        cert: text(data, &format!("{name}.crt"))?,
        key: text(data, &format!("{name}.key"))?,
    };
    validity(&found.cert)?;
    KeyPair::from_pem(&found.key).ok()?;
    Some(found)
}

impl Authority {
    /// Reads it from a Secret; none when it is missing or damaged.
    pub fn read(data: &Data) -> Option<Self> {
        let since = text(data, "next-since").and_then(|t| t.parse().ok());
        Some(Self {
            signing: pair(data, "tls")?,
            next: pair(data, "next").zip(since),
            previous: certificates(&text(data, "previous.crt").unwrap_or_default()),
        })
    }

    /// The data of its Secret.
    pub fn write(&self) -> BTreeMap<String, String> {
        let mut data = BTreeMap::from([
            ("tls.crt".to_owned(), self.signing.cert.clone()),
            ("tls.key".to_owned(), self.signing.key.clone()),
            ("bundle.crt".to_owned(), self.bundle()),
        ]);
        if let Some((next, since)) = &self.next {
            data.insert("next.crt".to_owned(), next.cert.clone());
            data.insert("next.key".to_owned(), next.key.clone());
            data.insert("next-since".to_owned(), since.to_string());
        }
        if !self.previous.is_empty() {
            data.insert("previous.crt".to_owned(), self.previous.concat());
        }
        data
    }

    /// Everything that is to be trusted, PEM. Sorted: that another one signs now is no change of trust.
    pub fn bundle(&self) -> String {
        let next = self.next.iter().map(|(pair, _)| pair.cert.as_str());
        let mut all: Vec<&str> = std::iter::once(self.signing.cert.as_str())
            .chain(next)
            .chain(self.previous.iter().map(String::as_str))
            .collect();
        all.sort_unstable();
        all.concat()
    }

    /// Makes one, or brings the one that there is forward in time. Gives when it will want to change next.
    pub fn advance(
        existing: Option<Self>,
        cluster: &str,
        lifetimes: &Lifetimes,
        now: Timestamp,
    ) -> Result<(Self, RenewAt), PkiError> {
        let make = || make_authority(cluster, lifetimes.authority, now);
        let mut authority = match existing {
            Some(authority) => authority,
            None => Self {
                signing: make()?,
                next: None,
                previous: Vec::new(),
            },
        };
        authority
            .previous
            .retain(|cert| validity(cert).is_some_and(|(_, end)| end > now));
        if authority.next.is_none() && renew_at(&authority.signing.cert, lifetimes.authority) <= now
        {
            authority.next = Some((make()?, now));
        }
        // Long enough for Secret volumes to follow and for servers to read them.
        let overlap = (lifetimes.leaf / 8).clamp(Duration::from_secs(20), Duration::from_hours(1));
        if let Some((next, since)) = authority.next.take() {
            if since + overlap <= now {
                let before = std::mem::replace(&mut authority.signing, next);
                authority.previous.insert(0, before.cert);
            } else {
                authority.next = Some((next, since));
            }
        }
        let at = match &authority.next {
            Some((_, since)) => *since + overlap,
            None => renew_at(&authority.signing.cert, lifetimes.authority),
        };
        Ok((authority, RenewAt(at)))
    }
}

/// What a leaf is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafRequest {
    /// Common name.
    pub common_name: String,
    /// Host names and addresses; none for a client.
    pub names: Vec<String>,
}

impl Leaf {
    /// Reads it from a Secret; none when it is missing or damaged.
    pub fn read(data: &Data) -> Option<Self> {
        Some(Self {
            pair: pair(data, "tls")?,
            issuer: text(data, "issuer")?,
            names: text(data, "names")
                .unwrap_or_default()
                .lines()
                .map(str::to_owned)
                .collect(),
        })
    }

    /// One that somebody else made.
    pub fn given(pair: Pair) -> Self {
        Self {
            pair,
            issuer: GIVEN.to_owned(),
            names: Vec::new(),
        }
    }

    /// Reads one that somebody else made; its key may be of a kind that we could not make.
    pub fn read_given(data: &Data) -> Option<Self> {
        text(data, "issuer").filter(|issuer| issuer == GIVEN)?;
        Some(Self::given(Pair {
            cert: text(data, "tls.crt")?,
            key: text(data, "tls.key")?,
        }))
    }

    /// The data of its Secret, with what its holder trusts.
    pub fn write(&self, bundle: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("tls.crt".to_owned(), self.pair.cert.clone()),
            ("tls.key".to_owned(), self.pair.key.clone()),
            ("ca.crt".to_owned(), bundle.to_owned()),
            ("issuer".to_owned(), self.issuer.clone()),
            ("names".to_owned(), self.names.join("\n")),
        ])
    }

    /// Keeps the one that there is while it is good, or makes a new one.
    pub fn advance(
        existing: Option<Self>,
        request: &LeafRequest,
        authority: &Authority,
        lifetimes: &Lifetimes,
        now: Timestamp,
    ) -> Result<(Self, RenewAt), PkiError> {
        let issuer = fingerprint(&authority.signing.cert);
        let mut names = request.names.clone();
        names.sort();
        names.dedup();
        let good = existing.filter(|leaf| {
            leaf.issuer == issuer
                && leaf.names == names
                && renew_at(&leaf.pair.cert, lifetimes.leaf) > now
        });
        let leaf = match good {
            Some(leaf) => leaf,
            None => Self {
                pair: make_leaf(&request.common_name, &names, authority, lifetimes.leaf, now)?,
                issuer,
                names,
            },
        };
        let at = renew_at(&leaf.pair.cert, lifetimes.leaf);
        Ok((leaf, RenewAt(at)))
    }
}

fn make_authority(cluster: &str, lifetime: Duration, now: Timestamp) -> Result<Pair, PkiError> {
    let failed = |e| PkiError::Make(format!("the authority of `{cluster}`"), e);
    let mut params =
        params(&format!("FastX {cluster}"), Vec::new(), lifetime, now).map_err(failed)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().map_err(failed)?;
    // Two authorities of one cluster must not share a name, or verifiers would mix them up.
    let serial = hex(&Sha256::digest(key.public_key_raw())[..4]);
    params
        .distinguished_name
        .push(DnType::OrganizationalUnitName, serial);
    let cert = params.self_signed(&key).map_err(failed)?;
    Ok(Pair {
        cert: cert.pem(),
        key: key.serialize_pem(),
    })
}

fn make_leaf(
    common_name: &str,
    names: &[String],
    authority: &Authority,
    lifetime: Duration,
    now: Timestamp,
) -> Result<Pair, PkiError> {
    let failed = |e| PkiError::Make(format!("`{common_name}`"), e);
    let mut params = params(common_name, names.to_vec(), lifetime, now).map_err(failed)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = KeyPair::generate().map_err(failed)?;
    let signer = KeyPair::from_pem(&authority.signing.key).map_err(failed)?;
    let issuer = Issuer::from_ca_cert_pem(&authority.signing.cert, signer).map_err(failed)?;
    let cert = params.signed_by(&key, &issuer).map_err(failed)?;
    Ok(Pair {
        cert: cert.pem(),
        key: key.serialize_pem(),
    })
}

fn params(
    common_name: &str,
    names: Vec<String>,
    lifetime: Duration,
    now: Timestamp,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let mut name = DistinguishedName::new();
    // 64 characters are the limit of a common name.
    name.push(
        DnType::CommonName,
        common_name.chars().take(64).collect::<String>(),
    );
    params.distinguished_name = name;
    let now = SystemTime::from(now);
    params.not_before = (now - SKEW).into();
    params.not_after = (now + lifetime).into();
    Ok(params)
}

/// Validity of a PEM certificate.
pub fn validity(pem: &str) -> Option<(Timestamp, Timestamp)> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let (_, cert) = x509_parser::parse_x509_certificate(&der).ok()?;
    let validity = cert.validity();
    Some((
        Timestamp::from_second(validity.not_before.timestamp()).ok()?,
        Timestamp::from_second(validity.not_after.timestamp()).ok()?,
    ))
}

/// Host names and addresses that a PEM certificate is for, in small letters.
pub fn host_names(pem: &str) -> Vec<String> {
    let Ok(der) = CertificateDer::from_pem_slice(pem.as_bytes()) else {
        return Vec::new();
    };
    let Ok((_, cert)) = x509_parser::parse_x509_certificate(&der) else {
        return Vec::new();
    };
    let names = cert.subject_alternative_name().ok().flatten();
    let names = names.map(|n| n.value.general_names.as_slice());
    names
        .unwrap_or_default()
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(host) => Some(host.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => address(bytes).map(|a| a.to_string()),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// Two thirds of a certificate's life, or of what its life should be now if that is shorter; long ago when it cannot be read.
fn renew_at(pem: &str, lifetime: Duration) -> Timestamp {
    let Some((start, end)) = validity(pem) else {
        return Timestamp::UNIX_EPOCH;
    };
    let wanted = i64::try_from((lifetime + SKEW).as_secs()).unwrap_or(i64::MAX);
    let seconds = (end.as_second() - start.as_second()).min(wanted) * 2 / 3;
    Timestamp::from_second(start.as_second() + seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of a PEM certificate's DER.
pub fn fingerprint(pem: &str) -> String {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map(|der| hex(&Sha256::digest(&der)))
        .unwrap_or_default()
}

fn certificates(pem: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    pem.split_inclusive(END)
        .filter(|part| part.contains(END))
        .map(|part| format!("{}\n", part.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::client::danger::ServerCertVerifier as _;

    const LIFETIMES: Lifetimes = Lifetimes {
        leaf: Duration::from_mins(4),
        authority: Duration::from_mins(40),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn data(map: BTreeMap<String, String>) -> Data {
        map.into_iter().map(|(k, v)| (k, v.into_bytes())).collect()
    }

    fn authority(now: i64) -> Authority {
        Authority::advance(None, "site", &LIFETIMES, at(now))
            .unwrap()
            .0
    }

    fn request(names: &[&str]) -> LeafRequest {
        LeafRequest {
            common_name: "site-nats".into(),
            names: names.iter().map(|&n| n.to_owned()).collect(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let authority = authority(0);
        assert_eq!(
            Authority::read(&data(authority.write())),
            Some(authority.clone())
        );
        let (leaf, _) = Leaf::advance(
            None,
            &request(&["a", "10.0.0.1"]),
            &authority,
            &LIFETIMES,
            at(0),
        )
        .unwrap();
        let written = data(leaf.write(&authority.bundle()));
        assert_eq!(Leaf::read(&written), Some(leaf));
        assert_eq!(Leaf::read(&Data::new()), None);
    }

    #[test]
    fn a_leaf_stays_until_two_thirds_of_its_life_or_a_change() {
        let authority = authority(0);
        let advance = |leaf: &Leaf, names: &[&str], now| {
            Leaf::advance(
                Some(leaf.clone()),
                &request(names),
                &authority,
                &LIFETIMES,
                at(now),
            )
            .unwrap()
            .0
        };
        let (leaf, RenewAt(renew)) =
            Leaf::advance(None, &request(&["b", "a"]), &authority, &LIFETIMES, at(0)).unwrap();
        assert_eq!(renew, at(140));
        assert_eq!(advance(&leaf, &["a", "b"], 139), leaf);
        assert_ne!(advance(&leaf, &["a", "b"], 140), leaf);
        assert_ne!(advance(&leaf, &["a", "b", "c"], 10), leaf);
        let other = super::tests::authority(5);
        let (signed, _) = Leaf::advance(
            Some(leaf.clone()),
            &request(&["a", "b"]),
            &other,
            &LIFETIMES,
            at(10),
        )
        .unwrap();
        assert_ne!(signed, leaf);
    }

    #[test]
    fn a_new_authority_is_trusted_before_it_signs_and_the_old_one_after() {
        let advance = |a: &Authority, now| {
            Authority::advance(Some(a.clone()), "site", &LIFETIMES, at(now)).unwrap()
        };
        let first = authority(0);
        assert_eq!(advance(&first, 1000).0, first);
        let (both, RenewAt(promote)) = advance(&first, 1600);
        assert_eq!(both.signing, first.signing);
        assert_eq!(certificates(&both.bundle()).len(), 2);
        assert_eq!(promote, at(1630));
        assert_eq!(Authority::read(&data(both.write())), Some(both.clone()));
        let (promoted, _) = advance(&both, 1630);
        assert_eq!(promoted.signing, both.next.clone().unwrap().0);
        assert_eq!(promoted.previous.concat(), first.signing.cert);
        assert_eq!(promoted.bundle(), both.bundle());
        assert_eq!(
            Authority::read(&data(promoted.write())),
            Some(promoted.clone())
        );
        let (alone, _) = advance(&promoted, 2500);
        assert_eq!(certificates(&alone.bundle()).len(), 1);
    }

    #[test]
    fn leaves_are_no_authorities_and_verify() {
        let authority = authority(0);
        let (leaf, _) = Leaf::advance(
            None,
            &request(&["host.example"]),
            &authority,
            &LIFETIMES,
            at(0),
        )
        .unwrap();
        let der = CertificateDer::from_pem_slice(leaf.pair.cert.as_bytes()).unwrap();
        let (_, cert) = x509_parser::parse_x509_certificate(&der).unwrap();
        assert!(!cert.is_ca());
        let roots = crate::tls::roots(&authority.bundle()).unwrap();
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
            roots.into(),
            std::sync::Arc::new(rustls::crypto::ring::default_provider()),
        )
        .build()
        .unwrap();
        let now = rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_010));
        verifier
            .verify_server_cert(&der, &[], &"host.example".try_into().unwrap(), &[], now)
            .unwrap();
    }
}

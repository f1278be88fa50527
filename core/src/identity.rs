//! Who may speak on the bus: NATS identities (operator, accounts, users) made offline, and the server's configuration.
//!
//! The server knows one operator, a system account and the cluster's account.
//! A member's user JWT is signed by one of two *scoped* keys of the account, one for nodes and one for managers;
//! what a member may do stands in the scope and is filled in with the member's name by the server.
//! So adding a member touches no server, and removing one puts its key on the account's revocation list.
//! Everything is a function of its arguments: equal seeds and times give equal text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::{SignedDuration, Timestamp};
use nkeys::{KeyPair, KeyPairType};
use serde_json::{Value, json};
use sha2::{Digest, Sha512_256};

use crate::names::{BusNamespace, CallerId};
use crate::secret::Secret;
use crate::subject::{Member, permissions};
use crate::wire::broker::Credentials;
use crate::wire::join::SigningKey;

/// Largest message, bytes: a snapshot of several thousand servers and sessions, and as much as the server advises at most.
pub const MAX_PAYLOAD: u32 = 8 * 1024 * 1024;

/// How long a member may take to answer a request.
pub const ANSWER_WITHIN: SignedDuration = SignedDuration::from_mins(2);

/// Length of [`Seeds`] as one piece.
pub const SEED_BYTES: usize = 160;

/// Placeholder that the server replaces by the name in the user JWT.
const NAME: &str = "{{name()}}";

/// Why an identity could not be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The seed is not one of a NATS user key.
    #[error("the seed is not one of a NATS user key")]
    BadSeed,
    /// The text is not the public half of a NATS user key.
    #[error("the public key is not one of a NATS user key")]
    BadPublicKey,
    /// The signing key is not one of an account.
    #[error("the signing key is not one of a NATS account")]
    BadSigner,
}

/// The secret halves of the five keys of a cluster's bus, 32 random bytes each.
#[derive(Clone)]
pub struct Seeds {
    /// Operator: signs the two accounts.
    pub operator: [u8; 32],
    /// System account: only names it.
    pub system: [u8; 32],
    /// The cluster's account: only names it.
    pub account: [u8; 32],
    /// Signs nodes.
    pub nodes: [u8; 32],
    /// Signs managers.
    pub managers: [u8; 32],
}

impl Seeds {
    /// Takes one piece of random bytes apart, as it is kept in a Secret.
    pub fn split(bytes: &[u8; SEED_BYTES]) -> Self {
        let part = |n: usize| std::array::from_fn(|i| bytes[n * 32 + i]);
        Self {
            operator: part(0),
            system: part(1),
            account: part(2),
            nodes: part(3),
            managers: part(4),
        }
    }
}

impl std::fmt::Debug for Seeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seeds(***)")
    }
}

/// Makes the identities of one cluster's bus.
pub struct Authority {
    operator: KeyPair,
    system: KeyPair,
    account: KeyPair,
    nodes: KeyPair,
    managers: KeyPair,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("account", &self.account.public_key())
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// The authority with these keys.
    pub fn new(seeds: &Seeds) -> Self {
        Self {
            operator: key(KeyPairType::Operator, seeds.operator),
            system: key(KeyPairType::Account, seeds.system),
            account: key(KeyPairType::Account, seeds.account),
            nodes: key(KeyPairType::Account, seeds.nodes),
            managers: key(KeyPairType::Account, seeds.managers),
        }
    }

    /// The operator's JWT; the server trusts it as its root.
    pub fn operator_jwt(&self, issued: Timestamp) -> String {
        let nats =
            json!({"type": "operator", "version": 2, "system_account": self.system.public_key()});
        sign(
            &self.operator,
            &self.operator.public_key(),
            "fastx",
            issued,
            &nats,
        )
    }

    /// The system account's JWT. Nobody of ours speaks under it.
    pub fn system_account_jwt(&self, issued: Timestamp) -> String {
        let nats = json!({"type": "account", "version": 2, "limits": account_limits()});
        sign(
            &self.operator,
            &self.system.public_key(),
            "system",
            issued,
            &nats,
        )
    }

    /// The cluster's account: scopes of nodes and managers, and revoked keys (public key → when).
    pub fn account_jwt(
        &self,
        namespace: &BusNamespace,
        revoked: &BTreeMap<String, Timestamp>,
        issued: Timestamp,
    ) -> String {
        let revocations: BTreeMap<&String, i64> = revoked
            .iter()
            .map(|(key, at)| (key, at.as_second()))
            .collect();
        let nats = json!({
            "type": "account",
            "version": 2,
            "limits": account_limits(),
            "signing_keys": [
                scope(&self.nodes, namespace, Member::Node),
                scope(&self.managers, namespace, Member::Manager),
            ],
            "revocations": revocations,
        });
        sign(
            &self.operator,
            &self.account.public_key(),
            namespace.as_str(),
            issued,
            &nats,
        )
    }

    /// A member's identity. It does not expire; whoever removes the member revokes [`public_key`].
    pub fn member(
        &self,
        member: Member,
        caller: &CallerId,
        seed: [u8; 32],
        issued: Timestamp,
    ) -> Credentials {
        let user = key(KeyPairType::User, seed);
        let signer = match member {
            Member::Manager => &self.managers,
            // Whoever asks to join gets an identity of another kind, by `joiner`.
            Member::Node | Member::Joiner => &self.nodes,
        };
        // A user under a scoped key must not carry permissions or limits of its own.
        let nats =
            json!({"type": "user", "version": 2, "issuer_account": self.account.public_key()});
        let jwt = sign(signer, &user.public_key(), caller.as_str(), issued, &nats);
        Credentials {
            caller: caller.clone(),
            jwt: Secret::new(jwt),
            seed: Secret::new(user.seed().unwrap_or_default()),
        }
    }

    /// The identity of a join file: it may ask to join, nothing else, and the server cuts it off at `expires`.
    /// The account's own key signs it with permissions of its own, so the scopes of members stay as they are.
    pub fn joiner(
        &self,
        namespace: &BusNamespace,
        caller: &CallerId,
        seed: [u8; 32],
        issued: Timestamp,
        expires: Timestamp,
    ) -> Credentials {
        let user = key(KeyPairType::User, seed);
        let allowed = permissions(namespace, Member::Joiner, caller.as_str());
        let nats = json!({
            "type": "user", "version": 2,
            "pub": {"allow": allowed.publish},
            "sub": {"allow": allowed.subscribe},
            "subs": -1, "data": -1, "payload": -1,
        });
        let jwt = sign_until(
            &self.account,
            &user.public_key(),
            caller.as_str(),
            issued,
            Some(expires),
            &nats,
        );
        Credentials {
            caller: caller.clone(),
            jwt: Secret::new(jwt),
            seed: Secret::new(user.seed().unwrap_or_default()),
        }
    }

    /// What a manager needs to give identities to nodes, and no more than that.
    pub fn node_signer(&self) -> SigningKey {
        SigningKey {
            account: self.account.public_key(),
            seed: Secret::new(self.nodes.seed().unwrap_or_default()),
        }
    }

    /// Configuration of a server. Pass stored times, so that an unchanged cluster gives unchanged text.
    pub fn nats_conf(
        &self,
        namespace: &BusNamespace,
        revoked: &BTreeMap<String, Timestamp>,
        issued: Timestamp,
        server: &ServerConfig,
    ) -> String {
        let mut text = server.head();
        let accounts = [
            (&self.system, self.system_account_jwt(issued)),
            (&self.account, self.account_jwt(namespace, revoked, issued)),
        ];
        let _ = writeln!(text, "operator: {}", self.operator_jwt(issued));
        let _ = writeln!(text, "system_account: {}", self.system.public_key());
        let _ = writeln!(text, "resolver: MEMORY\nresolver_preload {{");
        for (account, jwt) in accounts {
            let _ = writeln!(text, "  {}: {jwt}", account.public_key());
        }
        text.push_str("}\n");
        text
    }
}

/// The user JWT of a node for the public half of a key that it made itself.
pub fn sign_node(
    signing: &SigningKey,
    caller: &CallerId,
    public_key: &str,
    issued: Timestamp,
) -> Result<Secret, IdentityError> {
    check_public_key(public_key)?;
    let signer = KeyPair::from_seed(signing.seed.expose()).map_err(|_| IdentityError::BadSigner)?;
    if signer.key_pair_type() != KeyPairType::Account {
        return Err(IdentityError::BadSigner);
    }
    let nats = json!({"type": "user", "version": 2, "issuer_account": signing.account});
    Ok(Secret::new(sign(
        &signer,
        public_key,
        caller.as_str(),
        issued,
        &nats,
    )))
}

/// Whether the text is the public half of a user key.
pub fn check_public_key(text: &str) -> Result<(), IdentityError> {
    match KeyPair::from_public_key(text) {
        Ok(pair) if pair.key_pair_type() == KeyPairType::User => Ok(()),
        _ => Err(IdentityError::BadPublicKey),
    }
}

/// Seed and public half of the user key made of these random bytes.
pub fn user_key(seed: [u8; 32]) -> (Secret, String) {
    let user = key(KeyPairType::User, seed);
    (
        Secret::new(user.seed().unwrap_or_default()),
        user.public_key(),
    )
}

/// Public half of a member's key: what goes on the revocation list.
pub fn public_key(credentials: &Credentials) -> Result<String, IdentityError> {
    match KeyPair::from_seed(credentials.seed.expose()) {
        Ok(pair) if pair.key_pair_type() == KeyPairType::User => Ok(pair.public_key()),
        _ => Err(IdentityError::BadSeed),
    }
}

/// What differs between servers of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Name of the server; with a leading `$` the name of an environment variable that holds it.
    pub name: String,
    /// Address and port for members, such as `0.0.0.0:4222`.
    pub listen: String,
    /// Address and port of `/healthz`, plain HTTP, such as `127.0.0.1:8222`.
    pub monitor: String,
    /// Paths of the server's certificate chain and key (PEM).
    pub certificate: String,
    /// Path of the key.
    pub key: String,
    /// Path of the authority that the other servers' certificates come from.
    pub ca: String,
    /// Other servers, `host:port` of their route port 6222; empty for a server alone.
    pub routes: Vec<String>,
}

impl ServerConfig {
    fn head(&self) -> String {
        let name = if self.name.starts_with('$') {
            self.name.clone()
        } else {
            quoted(&self.name)
        };
        let (certificate, key, ca) = (
            quoted(&self.certificate),
            quoted(&self.key),
            quoted(&self.ca),
        );
        let mut text = format!(
            "server_name: {name}\nlisten: {}\nhttp: {}\n\
             tls {{ cert_file: {certificate}, key_file: {key}, timeout: 5 }}\n\
             max_payload: {MAX_PAYLOAD}\nwrite_deadline: \"10s\"\nmax_control_line: 4096\n\
             ping_interval: \"20s\"\nping_max: 2\n\
             lame_duck_grace_period: \"2s\"\nlame_duck_duration: \"30s\"\n",
            quoted(&self.listen),
            quoted(&self.monitor),
        );
        if !self.routes.is_empty() {
            let routes: Vec<String> = self
                .routes
                .iter()
                .map(|r| quoted(&format!("nats-route://{r}")))
                .collect();
            let _ = writeln!(
                text,
                "cluster {{\n  name: fastx\n  listen: \"0.0.0.0:6222\"\n  \
                 tls {{ cert_file: {certificate}, key_file: {key}, ca_file: {ca}, timeout: 5 }}\n  routes: [{}]\n}}",
                routes.join(", ")
            );
        }
        text
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn key(kind: KeyPairType, seed: [u8; 32]) -> KeyPair {
    KeyPair::new_from_raw(kind, seed).expect("any 32 bytes are a key")
}

/// What a scoped key's users may do.
fn scope(signer: &KeyPair, namespace: &BusNamespace, member: Member) -> Value {
    let allowed = permissions(namespace, member, NAME);
    let role = match member {
        Member::Node => "node",
        Member::Manager => "manager",
        Member::Joiner => "joiner",
    };
    let within = i64::try_from(ANSWER_WITHIN.as_nanos()).unwrap_or(i64::MAX);
    json!({
        "kind": "user_scope",
        "key": signer.public_key(),
        "role": role,
        "template": {
            "pub": {"allow": allowed.publish},
            "sub": {"allow": allowed.subscribe},
            "resp": {"max": 1, "ttl": within},
            "subs": -1, "data": -1, "payload": -1,
        },
    })
}

fn account_limits() -> Value {
    json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
        "wildcards": true, "conn": -1, "leaf": -1,
    })
}

/// A signed JWT of the form that NATS reads.
fn sign(signer: &KeyPair, subject: &str, name: &str, issued: Timestamp, nats: &Value) -> String {
    sign_until(signer, subject, name, issued, None, nats)
}

fn sign_until(
    signer: &KeyPair,
    subject: &str,
    name: &str,
    issued: Timestamp,
    expires: Option<Timestamp>,
    nats: &Value,
) -> String {
    // The server takes a time of 0 for none, and revokes such users with the first entry of the list.
    let issued = issued.as_second().max(1);
    let mut claims = json!({
        "iat": issued, "iss": signer.public_key(), "jti": "",
        "name": name, "sub": subject, "nats": nats,
    });
    if let Some(expires) = expires {
        claims["exp"] = expires.as_second().into();
    }
    claims["jti"] = base32(&Sha512_256::digest(claims.to_string())).into();
    let header = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;
    let input = format!(
        "{}.{}",
        BASE64.encode(header),
        BASE64.encode(claims.to_string())
    );
    let signature = signer
        .sign(input.as_bytes())
        .expect("the key was made from its seed");
    format!("{input}.{}", BASE64.encode(signature))
}

/// RFC 4648 base32 without padding.
fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bit = |n: usize| {
        bytes
            .get(n / 8)
            .map_or(0, |b| usize::from(b >> (7 - n % 8) & 1))
    };
    (0..bytes.len() * 8)
        .step_by(5)
        .map(|first| (first..first + 5).fold(0, |digit, n| digit << 1 | bit(n)))
        .map(|digit| char::from(DIGITS[digit]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> Authority {
        Authority::new(&Seeds::split(&std::array::from_fn(|i| {
            u8::try_from(i / 32).unwrap()
        })))
    }

    fn claims(jwt: &str) -> Value {
        let part = jwt.split('.').nth(1).unwrap();
        serde_json::from_slice(&BASE64.decode(part).unwrap()).unwrap()
    }

    fn conf(routes: Vec<String>) -> String {
        let server = ServerConfig {
            name: "$POD_NAME".into(),
            listen: "0.0.0.0:4222".into(),
            monitor: "127.0.0.1:8222".into(),
            certificate: "/tls/tls.crt".into(),
            key: "/tls/tls.key".into(),
            ca: "/tls/ca.crt".into(),
            routes,
        };
        let namespace = "n".parse().unwrap();
        authority().nats_conf(&namespace, &BTreeMap::new(), Timestamp::UNIX_EPOCH, &server)
    }

    #[test]
    fn base32_is_that_of_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "MY"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn a_member_carries_its_name_and_no_permissions() {
        let authority = authority();
        let credentials = authority.member(
            Member::Node,
            &"a".parse().unwrap(),
            [9; 32],
            Timestamp::UNIX_EPOCH,
        );
        let claims = claims(credentials.jwt.expose());
        assert_eq!(claims["name"], "a");
        assert_eq!(claims["iss"], authority.nodes.public_key());
        assert_eq!(claims["sub"], public_key(&credentials).unwrap());
        assert_eq!(
            claims["nats"]["issuer_account"],
            authority.account.public_key()
        );
        assert!(claims["nats"].get("pub").is_none());
    }

    #[test]
    fn a_join_file_may_ask_and_nothing_else() {
        let expires = Timestamp::from_second(1000).unwrap();
        let caller = "join-a-1-1000".parse().unwrap();
        let namespace = "n".parse().unwrap();
        let credentials =
            authority().joiner(&namespace, &caller, [9; 32], Timestamp::UNIX_EPOCH, expires);
        let claims = claims(credentials.jwt.expose());
        assert_eq!(claims["exp"], 1000);
        assert_eq!(claims["iss"], authority().account.public_key());
        assert_eq!(
            claims["nats"]["pub"]["allow"],
            json!(["n.join.join-a-1-1000.ask"])
        );
        assert_eq!(
            claims["nats"]["sub"]["allow"],
            json!(["_INBOX.join-a-1-1000.>"])
        );
    }

    #[test]
    fn a_signer_gives_the_same_identity_as_the_authority() {
        let authority = authority();
        let caller = "a".parse().unwrap();
        let whole = authority.member(Member::Node, &caller, [9; 32], Timestamp::UNIX_EPOCH);
        let (seed, public) = user_key([9; 32]);
        assert_eq!(seed, whole.seed);
        let signer = authority.node_signer();
        let jwt = sign_node(&signer, &caller, &public, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(jwt, whole.jwt);
        for (text, expected) in [
            ("UABC", IdentityError::BadPublicKey),
            (&authority.account.public_key(), IdentityError::BadPublicKey),
        ] {
            let refused = sign_node(&signer, &caller, text, Timestamp::UNIX_EPOCH);
            assert_eq!(refused, Err(expected));
        }
    }

    #[test]
    fn the_account_lists_scopes_and_revoked_keys() {
        let revoked = [("UABC".to_owned(), Timestamp::from_second(7).unwrap())].into();
        let jwt = authority().account_jwt(&"n".parse().unwrap(), &revoked, Timestamp::UNIX_EPOCH);
        let claims = claims(&jwt);
        assert_eq!(claims["nats"]["revocations"]["UABC"], 7);
        let nodes = &claims["nats"]["signing_keys"][0];
        assert_eq!(nodes["template"]["pub"]["allow"][0], "n.store.{{name()}}.>");
        assert_eq!(
            nodes["template"]["resp"],
            json!({"max": 1, "ttl": 120_000_000_000_i64})
        );
    }

    #[test]
    fn equal_arguments_give_equal_text_and_routes_only_where_there_are_some() {
        assert_eq!(conf(Vec::new()), conf(Vec::new()));
        assert!(!conf(Vec::new()).contains("cluster"));
        let clustered = conf(vec!["b:6222".into()]);
        assert!(clustered.contains("\"nats-route://b:6222\""), "{clustered}");
        assert!(clustered.contains("server_name: $POD_NAME"), "{clustered}");
    }

    #[test]
    fn a_seed_that_is_none_is_refused() {
        let credentials = Credentials {
            caller: "a".parse().unwrap(),
            jwt: Secret::default(),
            seed: Secret::new("SUA"),
        };
        assert_eq!(public_key(&credentials), Err(IdentityError::BadSeed));
    }
}

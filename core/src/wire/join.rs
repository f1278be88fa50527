//! Joining: what a host asks, what it is told, and what the name of a join file says.
//!
//! A join file has the form of `broker.json`; its caller is the name of an [`Invitation`].
//! The bus server vouches for the name, so what it says needs no list to be looked up in.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{CallerId, ServerId};
use crate::secret::Secret;
use crate::subject::JOIN_PREFIX;

/// What a join file admits to: `join-<id>-<how many>-<until, seconds>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Tells join files apart: letters and digits.
    pub id: String,
    /// How many servers may join with it.
    pub uses: u32,
    /// Until when.
    pub expires: Timestamp,
}

/// Why a name is not one of a join file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a join file")]
pub struct InvitationError(pub CallerId);

impl Invitation {
    /// The name under which hosts with this join file speak.
    pub fn caller(&self) -> Result<CallerId, crate::names::NameError> {
        let Self { id, uses, expires } = self;
        CallerId::from_str(&format!("{JOIN_PREFIX}{id}-{uses}-{}", expires.as_second()))
    }

    /// Reads the name.
    pub fn of(caller: &CallerId) -> Result<Self, InvitationError> {
        let read = || {
            let rest = caller.as_str().strip_prefix(JOIN_PREFIX)?;
            let mut parts = rest.split('-');
            let (id, uses, expires) = (parts.next()?, parts.next()?, parts.next()?);
            let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric());
            if !plain || parts.next().is_some() {
                return None;
            }
            Some(Self {
                id: id.to_owned(),
                uses: uses.parse().ok()?,
                expires: Timestamp::from_second(expires.parse().ok()?).ok()?,
            })
        };
        read().ok_or_else(|| InvitationError(caller.clone()))
    }
}

/// What signs identities of nodes, as managers outside Kubernetes keep it; it makes no managers and revokes nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKey {
    /// Public key of the cluster's account on the bus.
    pub account: String,
    /// Seed of the signing key of nodes.
    pub seed: Secret,
}

/// A host asks to become a node. Asking again with the same key is harmless and tells how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinAsk {
    /// Name that it wants to have.
    pub server_id: ServerId,
    /// Public half of its bus key; the other half stays there.
    pub public_key: String,
    /// Name of the host, for people.
    pub hostname: String,
    /// Version of its program, for people.
    #[serde(default)]
    pub version: String,
}

/// How it stands. A refusal comes as a problem instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum JoinAnswer {
    /// It is a member under this identity.
    Accepted {
        /// User JWT for its key.
        jwt: Secret,
    },
    /// Somebody has to decide; ask again later.
    Pending {
        /// Whom it waits for.
        detail: String,
    },
}

/// State of a request to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JoinState {
    /// Somebody has to decide.
    Pending,
    /// It may join.
    Accepted,
    /// It may not.
    Refused,
}

/// A request to join, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinRecord {
    /// Name that the host wants to have.
    pub server_id: ServerId,
    /// Public half of its bus key: what is revoked when it goes.
    pub public_key: String,
    /// Name of the host.
    pub hostname: String,
    /// Version of its program.
    #[serde(default)]
    pub version: String,
    /// Join file that it came with.
    pub invitation: String,
    /// How it stands.
    pub state: JoinState,
    /// When it was first asked.
    pub asked: Timestamp,
    /// Why it waits or was refused; empty when there is nothing to say.
    #[serde(default)]
    pub reason: String,
    /// User JWT, when somebody else than the managers signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Secret>,
    /// Keys that had the name before, the latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub previous_keys: Vec<String>,
}

/// What an administrator or the operator decides about a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinDecision {
    /// `accepted` or `refused`.
    pub state: JoinState,
    /// User JWT for the key that asked, where the managers cannot sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Secret>,
    /// Key that the decision is about; another one that asked since then is not meant.
    pub public_key: String,
}

/// All requests to join that are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinList {
    /// The oldest first.
    pub joins: Vec<JoinRecord>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_join_file_says_what_it_admits_to() {
        let invitation = Invitation {
            id: "3f9a1c22".into(),
            uses: 10,
            expires: Timestamp::from_second(1_900_000_000).unwrap(),
        };
        let caller = invitation.caller().unwrap();
        assert_eq!(caller.as_str(), "join-3f9a1c22-10-1900000000");
        assert_eq!(Invitation::of(&caller), Ok(invitation));
        for other in [
            "join-a",
            "join-a-1-2-3",
            "join--1-2",
            "manager-a-1-2",
            "join-a-x-2",
        ] {
            let other: CallerId = other.parse().unwrap();
            assert!(Invitation::of(&other).is_err(), "{other}");
        }
    }

    #[test]
    fn answers_have_a_form_that_does_not_change() {
        let accepted = JoinAnswer::Accepted {
            jwt: Secret::new("x"),
        };
        assert_eq!(
            serde_json::to_string(&accepted).unwrap(),
            r#"{"state":"accepted","jwt":"x"}"#
        );
    }
}

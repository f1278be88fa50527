//! Bodies of the bus operations; `core::subject` says on which subject each one goes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::config::RootDocument;
use super::decision::Decision;
use super::history::{ConfigVersion, Whose};
use super::login::TokenRecord;
use super::session::{SessionRecord, Share, StartRequest};
use super::ticket::Mode;
use crate::names::{LoginName, SessionId};
use crate::secret::Secret;

/// An empty body or answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

// === store.<caller>.<operation>, answered by a manager ===

/// `store.*.session.put`: the caller reports sessions of its own server. Answer: [`Empty`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionPut {
    /// Records whose `serverId` is the caller; a lower `version` than the stored one is ignored.
    pub sessions: Vec<SessionRecord>,
    /// Whether `sessions` are all that the caller knows: others of its server that are not over are marked ended.
    #[serde(default)]
    pub complete: bool,
    /// In the last part of a report that one message cannot hold: all sessions that the caller knows, as
    /// `complete` says it of a report in one part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<BTreeSet<SessionId>>,
}

/// `store.*.token.put`: the caller lists a login that it issued. Answer: [`Empty`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenPut {
    /// The record; its issuer is the caller.
    pub token: TokenRecord,
}

/// `store.*.token.check`: is this token on the list? Answer: [`TokenAnswer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCheck {
    /// Id of the token.
    pub jti: String,
}

/// Answer to [`TokenCheck`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenAnswer {
    /// The record, when it is on the list.
    pub token: Option<TokenRecord>,
}

/// `store.*.token.revoke`: take tokens of a login off the list. Answer: [`Empty`]; all nodes hear it on `revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRevoke {
    /// Whose tokens.
    pub login: LoginName,
    /// Which one; all of the login when none.
    pub jti: Option<String>,
}

/// `revoke`: published by managers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Ids of tokens that are no longer valid.
    pub jtis: Vec<String>,
}

/// `store.*.token.list`: logins that are valid, the latest first. Answer: [`TokenListAnswer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenList {
    /// Whose; everybody's when none.
    pub login: Option<LoginName>,
}

/// Answer to [`TokenList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenListAnswer {
    /// The records.
    pub tokens: Vec<TokenRecord>,
    /// Whether there are more than fit into an answer.
    #[serde(default)]
    pub more: bool,
}

/// `store.*.token.label`: what the owner calls a login. Answer: [`Empty`], or `not-found`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenLabel {
    /// Whose it is.
    pub login: LoginName,
    /// Which one.
    pub jti: String,
    /// Its name from now on.
    pub label: String,
}

/// `store.*.password.check`: does this password belong to this login? Answer: [`PasswordAnswer`],
/// or a problem `too-many-tries` (429) or `wrong-credentials` (401), alike for known and unknown logins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordCheck {
    /// The login as typed.
    pub login: LoginName,
    /// The password as typed.
    pub password: Secret,
    /// Address that the try came from; tries are counted by it and by login.
    pub address: String,
}

/// Answer to [`PasswordCheck`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordAnswer {
    /// The login, spelled as it is stored.
    pub login: LoginName,
    /// Groups of the user.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// A try to sign in that the caller checks itself, such as one at an sshd.
///
/// `store.*.try.count`, before it is checked. Answer: [`Empty`], or a problem `too-many-tries` (429).
/// `store.*.try.forgive`, when it was right. Answer: [`Empty`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInTry {
    /// The login as typed.
    pub login: LoginName,
    /// Address that the try came from.
    pub address: String,
}

/// `store.*.oidc.begin`: where a browser goes to sign in at the provider. Answer: [`OidcAddress`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OidcBegin {
    /// Where the provider sends it back.
    pub redirect_uri: String,
    /// Comes back with it, so that the browser is known to be the same.
    pub state: String,
    /// Comes back in the signed token.
    pub nonce: String,
    /// SHA-256 of the verifier, base64url.
    pub code_challenge: String,
}

/// Answer to [`OidcBegin`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcAddress {
    /// The address.
    pub url: String,
}

/// `store.*.oidc.exchange`: a code that a browser brought from the provider. Answer: [`PasswordAnswer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OidcExchange {
    /// The code.
    pub code: Secret,
    /// The same as at the beginning.
    pub redirect_uri: String,
    /// What the challenge was made of.
    pub code_verifier: Secret,
    /// The same as at the beginning.
    pub nonce: String,
}

/// `store.*.decision.put`: keep a decision with its session. Answer: [`Empty`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionPut {
    /// The session that came of it; none when it was refused.
    pub session: Option<SessionId>,
    /// The decision; its `local` is the caller.
    pub decision: Decision,
}

/// `store.*.decision.get`: the decision that a session came from. Answer: [`DecisionAnswer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionGet {
    /// The session.
    pub session: SessionId,
}

/// Answer to [`DecisionGet`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionAnswer {
    /// The decision, while it is kept.
    pub decision: Option<Decision>,
}

/// `store.*.config.get`: a part of the configuration by hash. Answer: [`ConfigAnswer`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigGet {
    /// Hash of the part; the root document when none.
    pub hash: Option<String>,
    /// Whose earlier versions are asked for as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_of: Option<Whose>,
}

impl ConfigGet {
    /// Asks for the root alone.
    pub fn root() -> Self {
        Self::default()
    }

    /// Asks for a part.
    pub fn part(hash: impl Into<String>) -> Self {
        Self {
            hash: Some(hash.into()),
            ..Self::default()
        }
    }

    /// Asks for earlier versions.
    pub fn history(of: Whose) -> Self {
        Self {
            history_of: Some(of),
            ..Self::default()
        }
    }
}

/// Answer to [`ConfigGet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigAnswer {
    /// The root document; always there once one was stored.
    pub root: Option<RootDocument>,
    /// The part that was asked for, as JSON.
    pub part: Option<serde_json::Value>,
    /// The versions that were asked for, the newest first. A manager that does not know them leaves them out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<ConfigVersion>,
}

/// `store.*.config.put`: change the configuration where Kubernetes does not manage it. Answer: [`ConfigEdited`].
///
/// A manager's own identity may; a node needs the token of an admin. Parts may be sent beforehand, without a root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigEdit {
    /// Token of the admin in whose name a node asks.
    #[serde(default)]
    pub token: Option<Secret>,
    /// The new root, of the generation that follows the one it was made from.
    #[serde(default)]
    pub root: Option<RootDocument>,
    /// Parts by hash.
    #[serde(default)]
    pub parts: BTreeMap<String, serde_json::Value>,
}

/// Answer to [`ConfigEdit`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigEdited {
    /// Revision of the root in force; empty when there is none yet.
    pub revision: String,
}

/// `config`: published by managers when a new root is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigAnnounce {
    /// The new root.
    pub root: RootDocument,
}

// `store.*.fleet.get` takes `Empty` and answers `FleetSnapshot`.

// === node.<target>.<caller>.<operation>, answered by the target node ===
// What is done for a user carries the user's own signed token: the target checks it itself and trusts no other node's word.

/// `node.*.*.session.start`. Answer: [`SessionRecord`]. Idempotent by `key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionStart {
    /// The user's token.
    pub token: Secret,
    /// Idempotency key of the client.
    pub key: String,
    /// Id that the session gets.
    pub id: SessionId,
    /// What to start.
    pub start: StartRequest,
    /// Address of the client, for logs.
    #[serde(default)]
    pub address: String,
}

/// `node.*.*.account.get`: what the target's own name service says of a user. Answer: [`AccountAnswer`].
/// It carries no token: a member of the cluster asks while the user is about to get one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountGet {
    /// The login as typed.
    pub login: LoginName,
}

/// Answer to [`AccountGet`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountAnswer {
    /// The user, when there is one.
    pub account: Option<AccountFacts>,
}

/// A user of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFacts {
    /// The login as the name service spells it.
    pub login: LoginName,
    /// Names of the groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Whether a link of the user is there.
    #[serde(default)]
    pub link: bool,
}

/// `node.*.*.session.act`: something to be done to a session. Answer: [`ActAnswer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionAct {
    /// The user's token.
    pub token: Secret,
    /// The session.
    pub id: SessionId,
    /// What to do.
    pub act: Act,
}

/// What can be done to a session where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "do")]
pub enum Act {
    /// End it and its programs.
    Terminate {
        /// Why, for the owner; empty when nobody said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// Close all viewers; the session goes on.
    Disconnect,
    /// Change name and parameters; absent ones stay.
    Params {
        /// New name.
        name: Option<String>,
        /// Parameters to set; an empty value removes.
        #[serde(default)]
        params: BTreeMap<String, String>,
    },
    /// The last lines that its programs printed.
    Log,
    /// A small picture of the screen.
    Screenshot {
        /// Largest width, pixels.
        width: u32,
    },
    /// Let somebody in; the owner alone may.
    Share {
        /// Whom; none makes a link.
        login: Option<LoginName>,
        /// What they may do.
        mode: Mode,
        /// For how long.
        minutes: u32,
    },
    /// Take a share back; its viewers leave at once.
    Unshare {
        /// Id of the share.
        share: String,
    },
    /// Accept the link of a share: from now on it is for the caller, too.
    Accept {
        /// The link's secret.
        secret: Secret,
    },
    /// Answer a warning: the clocks of the profile's limits begin anew.
    Stay,
    /// Forget a session that is over.
    Purge,
}

/// Answer to [`SessionAct`]; which field is set depends on the act.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ActAnswer {
    /// The session after the act.
    pub session: Option<SessionRecord>,
    /// Text of a log.
    pub text: String,
    /// PNG, base64.
    pub png: String,
    /// The share that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// Secret of its link, told this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
}

/// `store.*.session.purge`: forget the record of a session that is over, or whose server is gone. Answer: [`Empty`],
/// or a problem `session-lives` (409). A server that comes back reports its sessions anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPurge {
    /// The session.
    pub id: SessionId,
    /// Who asks, for the log.
    pub by: LoginName,
}

//! Who stands behind a request that a node passes on: the user's own signed token, checked by the manager itself.

use fastx_core::names::LoginName;
use fastx_core::roles::{Right, Role};
use fastx_core::secret::Secret;
use fastx_core::token::{self, Kind};
use fastx_core::wire::config::{ClusterPart, NodePart, RootDocument};
use fastx_core::wire::login::Claims;
use fastx_core::wire::problem::Problem;
use fastx_core::wire::server::ServerRecord;

use crate::core::{Core, store_problem};
use crate::operations::{configuration, tokens};
use crate::store::Collection;

/// Longest token that is looked at.
const LONGEST: usize = 4096;

/// Audience of login tokens.
const AUDIENCE: &str = "api";

/// The admin whose token this is.
///
/// It counts as at a node: the issuer's logins are on, the key is the one that the issuer registered,
/// the token is on the list, and the role is computed here.
pub(crate) async fn admin(
    core: &Core,
    token: &Secret,
    root: &RootDocument,
    cluster: &ClusterPart,
) -> Result<LoginName, Problem> {
    let refuse = |why: &str| {
        Problem::unauthenticated(&format!("The login is not accepted by the manager: {why}."))
    };
    let text = token.expose();
    if text.len() > LONGEST {
        return Err(refuse("it is malformed"));
    }
    let peeked: Claims = token::peek(text).map_err(|e| refuse(&e.to_string()))?;
    if peeked.aud != AUDIENCE {
        return Err(refuse("it is for another purpose"));
    }
    if !logins_count(core, root, &peeked).await? {
        return Err(refuse("logins issued by that server do not count"));
    }
    let key = signing_key(core, &peeked).await?.ok_or_else(|| {
        // Just after its start a server is heard of a moment later than its users.
        Problem::unavailable(
            "server-unheard",
            format!(
                "The managers have not heard of the server {} yet.",
                peeked.iss
            ),
        )
    })?;
    let claims: Claims =
        token::verify(Kind::Login, text, &key).map_err(|e| refuse(&e.to_string()))?;
    let record = tokens::find(core, &claims.jti)
        .await?
        .filter(|record| record.expires > core.now() && claims.exp > core.now().as_second())
        .ok_or_else(|| refuse("it has ended"))?;
    if record.login != claims.sub || record.issuer != claims.iss {
        return Err(refuse("it is listed for somebody else"));
    }
    let role = Role::of(&cluster.roles, record.login.as_str(), &record.groups);
    if !role.may(Right::Configuration) {
        return Err(Problem::forbidden(
            "Only administrators may change the configuration.",
        ));
    }
    Ok(record.login)
}

async fn logins_count(core: &Core, root: &RootDocument, claims: &Claims) -> Result<bool, Problem> {
    let Some(hash) = root.nodes.get(&claims.iss) else {
        return Ok(false);
    };
    let part = configuration::part(core, hash)
        .await
        .map_err(|e| store_problem(&e))?;
    let part: Option<NodePart> = part.and_then(|value| serde_json::from_value(value).ok());
    Ok(part.is_some_and(|part| part.logins))
}

async fn signing_key(core: &Core, claims: &Claims) -> Result<Option<String>, Problem> {
    let document = core
        .store
        .get(Collection::Servers, claims.iss.as_str())
        .await
        .map_err(|e| store_problem(&e))?;
    let record: Option<ServerRecord> = document
        .map(|d| d.read())
        .transpose()
        .map_err(|e| store_problem(&e))?;
    Ok(record
        .map(|r| r.server.signing_key)
        .filter(|key| !key.is_empty()))
}

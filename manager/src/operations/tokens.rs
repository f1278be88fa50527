//! The list of valid logins: a token counts only while its record is here.

use fastx_core::names::{CallerId, LoginName};
use fastx_core::subject::Operation;
use fastx_core::wire::login::TokenRecord;
use fastx_core::wire::operations::{
    Empty, Revoked, TokenAnswer, TokenCheck, TokenLabel, TokenList, TokenListAnswer, TokenPut,
    TokenRevoke,
};
use fastx_core::wire::problem::Problem;

use crate::access::own;
use crate::core::{Core, store_problem};
use crate::store::{Collection, Draft, StoreError};

/// Records of one answer: a message of the bus holds more than these.
const MOST: usize = 2000;
/// Longest name of a login, bytes.
const LONGEST_LABEL: usize = 200;

fn read_problem(error: &StoreError) -> Problem {
    store_problem(error)
}

/// `token.put`.
pub(crate) async fn put(core: &Core, caller: &CallerId, body: TokenPut) -> Result<Empty, Problem> {
    let token = body.token;
    own(caller, Operation::TokenPut, &token.issuer)?;
    if token.jti.len() < 16 || token.expires <= core.now() {
        return Err(Problem::bad_request(
            "The token has no proper id, or has ended already.",
        ));
    }
    let draft = Draft::new(&token.jti, token.login.as_str(), &token)
        .map_err(|e| store_problem(&e))?
        .expires(token.expires);
    let inserted = core
        .store
        .insert(Collection::Tokens, &draft, core.now())
        .await
        .map_err(|e| store_problem(&e))?;
    if inserted || find(core, &token.jti).await?.as_ref() == Some(&token) {
        return Ok(Empty {});
    }
    Err(
        Problem::new(409, "token-exists", "The token exists already")
            .detail("Another token of this id is on the list."),
    )
}

/// `token.check`.
pub(crate) async fn check(core: &Core, body: &TokenCheck) -> Result<TokenAnswer, Problem> {
    let token = find(core, &body.jti).await?;
    Ok(TokenAnswer {
        token: token.filter(|t| t.expires > core.now()),
    })
}

/// `token.list`.
pub(crate) async fn list(core: &Core, body: &TokenList) -> Result<TokenListAnswer, Problem> {
    let owner = body.login.as_ref().map(LoginName::as_str);
    let listed = core
        .store
        .list(Collection::Tokens, owner)
        .await
        .map_err(|e| store_problem(&e))?;
    let now = core.now();
    let mut tokens: Vec<TokenRecord> = listed
        .iter()
        .filter_map(|document| document.read::<TokenRecord>().ok())
        .filter(|token| token.expires > now)
        .collect();
    tokens.sort_by(|a, b| b.issued.cmp(&a.issued).then_with(|| a.jti.cmp(&b.jti)));
    let more = tokens.len() > MOST;
    tokens.truncate(MOST);
    Ok(TokenListAnswer { tokens, more })
}

/// `token.label`.
pub(crate) async fn label(core: &Core, body: &TokenLabel) -> Result<Empty, Problem> {
    if body.label.len() > LONGEST_LABEL || body.label.chars().any(char::is_control) {
        return Err(Problem::bad_request(format!(
            "`label` may have at most {LONGEST_LABEL} printable bytes."
        )));
    }
    let mut found = false;
    core.modify(Collection::Tokens, &body.jti, |present| {
        let Some(document) = present else {
            return Ok(None);
        };
        let mut token: TokenRecord = document.read()?;
        found = token.login == body.login;
        if !found || token.label == body.label {
            return Ok(None);
        }
        token.label.clone_from(&body.label);
        let draft = Draft::new(&token.jti, token.login.as_str(), &token)?;
        Ok(Some(draft.expires(token.expires)))
    })
    .await?;
    if found {
        Ok(Empty {})
    } else {
        Err(Problem::not_found("such login"))
    }
}

pub(crate) async fn find(core: &Core, jti: &str) -> Result<Option<TokenRecord>, Problem> {
    let document = core
        .store
        .get(Collection::Tokens, jti)
        .await
        .map_err(|e| read_problem(&e))?;
    document
        .map(|d| d.read())
        .transpose()
        .map_err(|e| read_problem(&e))
}

/// `token.revoke`: first off the list, then told to all nodes, so that none can look it up again in between.
pub(crate) async fn revoke(
    core: &Core,
    caller: &CallerId,
    body: &TokenRevoke,
) -> Result<Empty, Problem> {
    let listed = core
        .store
        .list(Collection::Tokens, Some(body.login.as_str()))
        .await
        .map_err(|e| store_problem(&e))?;
    let mut jtis: Vec<String> = listed
        .into_iter()
        .map(|d| d.id)
        .filter(|id| body.jti.as_ref().is_none_or(|jti| jti == id))
        .collect();
    for jti in &jtis {
        core.store
            .delete(Collection::Tokens, jti)
            .await
            .map_err(|e| store_problem(&e))?;
    }
    if let Some(jti) = body.jti.as_ref().filter(|jti| !jtis.contains(jti)) {
        if find(core, jti).await?.is_some() {
            tracing::warn!(%caller, login = %body.login, "somebody else's login was to be taken off the list");
            return Err(Problem::not_found("such login"));
        }
        // Told again even when it is off the list already: the first telling may have been lost.
        jtis.push(jti.clone());
    }
    tracing::info!(%caller, login = %body.login, count = jtis.len(), "logins were taken off the list");
    if let Some(bus) = core.bus()
        && !jtis.is_empty()
        && let Err(error) = bus
            .publish(bus.subjects().revoke(), &Revoked { jtis })
            .await
    {
        tracing::error!(%error, "a revocation was not published");
        return Err(Problem::unavailable(
            "revoke-unheard",
            "The login is off the list, but the servers could not be told.",
        ));
    }
    Ok(Empty {})
}

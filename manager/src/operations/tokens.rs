//! The list of valid logins: a token counts only while its record is here.

use fastx_core::names::CallerId;
use fastx_core::subject::Operation;
use fastx_core::wire::login::TokenRecord;
use fastx_core::wire::operations::{
    Empty, Revoked, TokenAnswer, TokenCheck, TokenPut, TokenRevoke,
};
use fastx_core::wire::problem::Problem;

use crate::access::own;
use crate::core::{Core, store_problem};
use crate::store::{Collection, Draft, StoreError};

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

async fn find(core: &Core, jti: &str) -> Result<Option<TokenRecord>, Problem> {
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
    // Told again even when it is off the list already: the first telling may have been lost.
    jtis.extend(
        body.jti
            .iter()
            .filter(|jti| !jtis.contains(jti))
            .cloned()
            .collect::<Vec<_>>(),
    );
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

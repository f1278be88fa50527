//! Logins of oneself and of others, and who is there.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use fastx_core::roles::Right;
use fastx_core::wire::login::TokenRecord;
use fastx_core::wire::problem::Problem;

use super::dto::{
    ChangeToken, MadeToken, NewToken, ProblemDocument, TokenDocument, Tokens, TokensQuery,
    UserDocument, Users,
};
use super::error::ApiError;
use super::extract::{Address, Json, PathText, Query, SignedIn};
use crate::logins::User;
use crate::node::Node;

/// Life of a program's login when none is asked for.
const DAYS: u32 = 30;

/// Logins that are valid: one's own, or others' for admins
#[utoipa::path(get, operation_id = "listTokens", path = "/api/v1/tokens", tag = "tokens", params(TokensQuery),
    responses(
        (status = 200, body = Tokens),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Query(query): Query<TokensQuery>,
) -> Result<axum::Json<Tokens>, ApiError> {
    let others = query.all || query.login.is_some();
    let whose = match query.login {
        _ if !others => Some(user.login.clone()),
        Some(login) if login == user.login => Some(login),
        login => {
            user.require(Right::TokensOfAll)?;
            login
        }
    };
    let answer = node.logins().list(whose).await?;
    let tokens = answer.tokens.into_iter();
    Ok(axum::Json(Tokens {
        tokens: tokens
            .map(|record| TokenDocument::new(record, &user.jti, others))
            .collect(),
        more: answer.more,
    }))
}

/// Make a login for a program
#[utoipa::path(post, operation_id = "makeToken", path = "/api/v1/tokens", tag = "tokens", request_body = NewToken,
    responses(
        (status = 201, body = MadeToken, description = "The token is shown this once"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json", description = "`not-allowed`: it was asked for with a login of a program"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn make(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Address(address): Address,
    Json(wish): Json<NewToken>,
) -> Result<(StatusCode, axum::Json<MadeToken>), ApiError> {
    check_label(&wish.label)?;
    let days = wish.days.unwrap_or(DAYS);
    let made = node
        .logins()
        .make(&user, wish.label, days, &address)
        .await?;
    let answer = MadeToken {
        id: made.jti.clone(),
        token: made.token.expose().to_owned(),
    };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

/// Name a login
#[utoipa::path(patch, operation_id = "changeToken", path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "Its id")), request_body = ChangeToken,
    responses(
        (status = 204),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn change(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    PathText(id): PathText<String>,
    Json(change): Json<ChangeToken>,
) -> Result<StatusCode, ApiError> {
    check_label(&change.label)?;
    node.logins().label(&user.login, &id, change.label).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End a login everywhere: one of one's own, or anybody's for admins
#[utoipa::path(delete, operation_id = "endToken", path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 204),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn end(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    PathText(id): PathText<String>,
) -> Result<StatusCode, ApiError> {
    let record = node.logins().find(&id).await?;
    let record = record
        .filter(|record| may_end(&user, record))
        .ok_or_else(|| Problem::not_found("such login"))?;
    node.logins().revoke(&record.login, &id).await?;
    tracing::info!(login = %record.login, by = %user.login, "a login was ended");
    Ok(StatusCode::NO_CONTENT)
}

fn may_end(user: &User, record: &TokenRecord) -> bool {
    record.login == user.login || user.role.may(Right::TokensOfAll)
}

/// Who is signed in or has sessions
#[utoipa::path(get, operation_id = "listUsers", path = "/api/v1/users", tag = "users",
    responses(
        (status = 200, body = Users),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn users(
    State(node): State<Node>,
    SignedIn(_manager): SignedIn,
) -> Result<axum::Json<Users>, ApiError> {
    let answer = node.logins().list(None).await?;
    let mut users: BTreeMap<String, UserDocument> = BTreeMap::new();
    for record in answer.tokens {
        let user = entry(&mut users, record.login.as_str());
        user.tokens += 1;
        user.last_sign_in = user.last_sign_in.max(Some(record.issued));
    }
    for session in node.fleet().sessions() {
        if session.state.is_live() {
            entry(&mut users, session.login.as_str()).sessions += 1;
        }
    }
    Ok(axum::Json(Users {
        users: users.into_values().collect(),
        more: answer.more,
    }))
}

fn entry<'a>(users: &'a mut BTreeMap<String, UserDocument>, login: &str) -> &'a mut UserDocument {
    users
        .entry(login.to_owned())
        .or_insert_with(|| UserDocument {
            login: login.to_owned(),
            tokens: 0,
            sessions: 0,
            last_sign_in: None,
        })
}

fn check_label(label: &str) -> Result<(), Problem> {
    if label.len() > 200 || label.chars().any(char::is_control) {
        Err(Problem::bad_request(
            "`label` may have at most 200 printable bytes.",
        ))
    } else {
        Ok(())
    }
}

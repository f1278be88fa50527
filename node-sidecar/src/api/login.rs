//! Signing in and out.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fastx_core::names::LoginName;
use fastx_core::wire::problem::Problem;
use fastx_lifecycle::clock;

use super::conversation;
use super::dto::{Conversation, Info, LoginAnswer, LoginRequest, Me, OidcInfo, ProblemDocument};
use super::error::ApiError;
use super::extract::{Address, COOKIE_NAME, Json, KnownOrigin, SignedIn};
use crate::configuration::Current;
use crate::logins::{User, csrf_value};
use crate::node::Node;
use crate::signin::SshRequest;
use crate::ssh::wrong_credentials;

const API_VERSION: u32 = 1;

/// What everybody may know before signing in
#[utoipa::path(get, operation_id = "getInfo", path = "/api/v1/info", tag = "login",
    responses((status = 200, body = Info)))]
pub(super) async fn info(State(node): State<Node>) -> axum::Json<Info> {
    let current = node.configuration().current();
    let cluster = &current.cluster;
    axum::Json(Info {
        cluster: cluster.display_name.clone(),
        message: cluster.message.clone(),
        methods: methods(&node, &current),
        oidc: cluster.oidc.as_ref().map(|part| OidcInfo {
            title: part.title.clone(),
        }),
        server_id: node.me().to_string(),
        version: crate::VERSION.to_owned(),
        api_version: API_VERSION,
    })
}

/// Sign-in methods, of those that this server has. A cluster that names none has its local passwords,
/// and a host its own users.
pub(super) fn methods(node: &Node, current: &Current) -> Vec<String> {
    let named = &current.cluster.methods;
    let host = current.root.generation > 0 && current.node.users.is_none();
    match (named.is_empty(), host) {
        (true, true) => vec!["ssh".to_owned()],
        (true, false) => vec!["local".to_owned()],
        (false, _) => named
            .iter()
            .filter(|m| match m.as_str() {
                "local" => true,
                "ssh" => node.sign_in().has_client(),
                "oidc" => current.cluster.oidc.is_some(),
                _ => false,
            })
            .cloned()
            .collect(),
    }
}

/// Sign in
#[utoipa::path(post, operation_id = "signIn", path = "/api/v1/login", tag = "login", request_body = LoginRequest,
    responses(
        (status = 200, body = LoginAnswer, description = "Signed in; without `token` a cookie is set"),
        (status = 202, body = Conversation, description = "The server asks more"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json", description = "`wrong-credentials`"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json", description = "`logins-off`, `host-key-unknown`, `host-key-changed`, `no-account`"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "No such server"),
        (status = 429, body = ProblemDocument, content_type = "application/problem+json", description = "`too-many-tries`"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "`no-manager`")))]
pub(super) async fn login(
    State(node): State<Node>,
    _page: KnownOrigin,
    Address(address): Address,
    Json(request): Json<LoginRequest>,
) -> Result<Response, ApiError> {
    let methods = methods(&node, &node.configuration().current());
    if !methods.contains(&request.method) {
        return Err(Problem::bad_request(format!(
            "The sign-in methods here are: {}.",
            methods.join(", ")
        ))
        .into());
    }
    // A name that cannot exist is refused like one that does not.
    let login: LoginName = request.login.parse().map_err(|_| wrong_credentials())?;
    if request.method == "oidc" {
        return Err(Problem::bad_request(
            "Signing in at the provider begins at `/api/v1/login/oidc` in a browser.",
        )
        .into());
    }
    if request.method == "ssh" {
        let request = SshRequest {
            login,
            password: request.password,
            server: request.server_id,
            program: request.token,
            address,
        };
        let progress = node.sign_in().by_ssh(request).await?;
        return Ok(conversation::entered(&node, progress));
    }
    let label = if request.token { "program" } else { "" };
    let user = node
        .logins()
        .sign_in(login, request.password, &address, label)
        .await?;
    Ok(signed_in(&node, &user, request.token))
}

/// The answer to whoever has signed in: a cookie for browsers, the token for programs.
pub(super) fn signed_in(node: &Node, user: &User, program: bool) -> Response {
    let me = me_of(node, user);
    let token = user.token.expose();
    let answer = LoginAnswer {
        csrf: me.csrf.clone(),
        user: me,
        token: program.then(|| token.to_owned()),
    };
    let mut response = axum::Json(answer).into_response();
    if !program {
        give_cookie(&mut response, user);
    }
    response
}

/// Gives the browser its login.
pub(super) fn give_cookie(response: &mut Response, user: &User) {
    let seconds = user.expires.duration_since(clock::now()).as_secs();
    set_cookie(response, user.token.expose(), seconds);
}

fn set_cookie(response: &mut Response, token: &str, seconds: i64) {
    let cookie = format!(
        "{COOKIE_NAME}={token}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict"
    );
    if let Ok(mut value) = HeaderValue::from_str(&cookie) {
        value.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}

/// Sign out everywhere this login is used
#[utoipa::path(post, operation_id = "signOut", path = "/api/v1/logout", tag = "login",
    responses(
        (status = 204),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn logout(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
) -> Result<Response, ApiError> {
    node.logins().sign_out(&user).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&mut response, "", 0);
    Ok(response)
}

/// Who am I
#[utoipa::path(get, operation_id = "getMe", path = "/api/v1/me", tag = "login",
    responses(
        (status = 200, body = Me),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn me(State(node): State<Node>, SignedIn(user): SignedIn) -> axum::Json<Me> {
    axum::Json(me_of(&node, &user))
}

fn me_of(node: &Node, user: &User) -> Me {
    Me {
        login: user.login.to_string(),
        role: user.role.name().to_owned(),
        groups: user.groups.clone(),
        server_id: node.me().to_string(),
        expires: user.expires,
        csrf: csrf_value(user.token.expose()),
        cluster: node.configuration().current().cluster.display_name.clone(),
    }
}

//! Signing in and out.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use fastx_core::names::LoginName;
use fastx_core::wire::problem::Problem;
use fastx_lifecycle::clock;

use super::dto::{Info, LoginAnswer, LoginRequest, Me, ProblemDocument};
use super::error::ApiError;
use super::extract::{Address, COOKIE_NAME, Json, KnownOrigin, SignedIn};
use crate::logins::{User, csrf_value};
use crate::node::Node;

const API_VERSION: u32 = 1;

/// What everybody may know before signing in
#[utoipa::path(get, operation_id = "getInfo", path = "/api/v1/info", tag = "login",
    responses((status = 200, body = Info)))]
pub(super) async fn info(State(node): State<Node>) -> axum::Json<Info> {
    let current = node.configuration().current();
    let cluster = &current.cluster;
    // Only what this version can do; a cluster without any has its local passwords.
    let mut methods: Vec<String> = cluster
        .methods
        .iter()
        .filter(|m| *m == "local")
        .cloned()
        .collect();
    if cluster.methods.is_empty() {
        methods.push("local".to_owned());
    }
    axum::Json(Info {
        cluster: cluster.display_name.clone(),
        message: cluster.message.clone(),
        methods,
        server_id: node.me().to_string(),
        version: crate::VERSION.to_owned(),
        api_version: API_VERSION,
    })
}

/// Sign in
#[utoipa::path(post, operation_id = "signIn", path = "/api/v1/login", tag = "login", request_body = LoginRequest,
    responses(
        (status = 200, body = LoginAnswer, description = "Signed in; without `token` a cookie is set"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json", description = "`wrong-credentials`"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 429, body = ProblemDocument, content_type = "application/problem+json", description = "`too-many-tries`"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "`no-manager`")))]
pub(super) async fn login(
    State(node): State<Node>,
    _page: KnownOrigin,
    Address(address): Address,
    Json(request): Json<LoginRequest>,
) -> Result<Response, ApiError> {
    if request.method != "local" {
        return Err(Problem::bad_request("The only sign-in method here is `local`.").into());
    }
    // A name that cannot exist is refused like one that does not.
    let login: LoginName = request.login.parse().map_err(|_| wrong_credentials())?;
    let label = if request.token { "program" } else { "" };
    let signed_in = node
        .logins()
        .sign_in(login, request.password, &address, label)
        .await?;
    let user = me_of(&node, &signed_in.user);
    let token = signed_in.user.token.expose().to_owned();
    let answer = LoginAnswer {
        csrf: user.csrf.clone(),
        user,
        token: request.token.then(|| token.clone()),
    };
    let mut response = axum::Json(answer).into_response();
    if !request.token {
        let seconds = signed_in
            .user
            .expires
            .duration_since(clock::now())
            .as_secs();
        set_cookie(&mut response, &token, seconds);
    }
    Ok(response)
}

fn wrong_credentials() -> Problem {
    Problem::new(401, "wrong-credentials", "Login or password is wrong")
        .action("Check both and try again.")
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

//! Conversations with a host's sshd: to sign in, and to open a link.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fastx_core::names::ServerId;
use fastx_core::wire::problem::Problem;

use super::dto::{Answers, Conversation, LoginAnswer, ProblemDocument, Question};
use super::error::ApiError;
use super::extract::{Address, Json, KnownOrigin, PathText, SignedIn};
use super::login;
use crate::node::Node;
use crate::signin::{Entered, Progress};

/// Answer the questions of a sign-in
#[utoipa::path(post, operation_id = "answerSignIn", path = "/api/v1/login/conversations/{id}", tag = "login",
    params(("id" = String, Path, description = "Name of the conversation")), request_body = Answers,
    responses(
        (status = 200, body = LoginAnswer, description = "Signed in, as with `signIn`"),
        (status = 202, body = Conversation, description = "The server asks more"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json", description = "`wrong-credentials`"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json", description = "`no-account`"),
        (status = 410, body = ProblemDocument, content_type = "application/problem+json", description = "`conversation-over`"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn answer(
    State(node): State<Node>,
    _page: KnownOrigin,
    Address(address): Address,
    PathText(id): PathText<String>,
    Json(answers): Json<Answers>,
) -> Result<Response, ApiError> {
    let progress = node
        .sign_in()
        .answer(&id, &address, answers.answers)
        .await?;
    Ok(entered(&node, progress))
}

/// The answer to a step of a sign-in.
pub(super) fn entered(node: &Node, progress: Progress<Entered>) -> Response {
    match progress {
        Progress::Asked(question) => asked(question),
        Progress::Done(entered) => login::signed_in(node, &entered.user, entered.program),
    }
}

/// Open a link on a server
///
/// A start that answers `authentication-required` needs one; afterwards the same start is repeated.
#[utoipa::path(post, operation_id = "openLink", path = "/api/v1/servers/{serverId}/link", tag = "servers",
    params(("serverId" = String, Path, description = "The server")),
    responses(
        (status = 202, body = Conversation, description = "The server asks who the user is"),
        (status = 204, description = "The link is there"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json", description = "`host-key-unknown`, `host-key-changed`"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 429, body = ProblemDocument, content_type = "application/problem+json", description = "`too-many-tries`"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json", description = "`no-sshd`, `no-link`")))]
pub(super) async fn open_link(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Address(address): Address,
    PathText(server): PathText<String>,
) -> Result<Response, ApiError> {
    let server = known(&server)?;
    let progress = node.sign_in().open_link(&user, &server, &address).await?;
    Ok(linked(progress))
}

/// Answer the questions of a server that starts a link
#[utoipa::path(post, operation_id = "answerLink", path = "/api/v1/servers/{serverId}/link/{conversation}", tag = "servers",
    params(
        ("serverId" = String, Path, description = "The server"),
        ("conversation" = String, Path, description = "Name of the conversation")),
    request_body = Answers,
    responses(
        (status = 202, body = Conversation, description = "The server asks more"),
        (status = 204, description = "The link is there"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json", description = "`wrong-credentials`"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 410, body = ProblemDocument, content_type = "application/problem+json", description = "`conversation-over`"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn answer_link(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
    Address(address): Address,
    PathText((server, conversation)): PathText<(String, String)>,
    Json(answers): Json<Answers>,
) -> Result<Response, ApiError> {
    let server = known(&server)?;
    let progress = node
        .sign_in()
        .answer_link(&user, &server, &conversation, &address, answers.answers)
        .await?;
    Ok(linked(progress))
}

fn known(server: &str) -> Result<ServerId, Problem> {
    server
        .parse()
        .map_err(|_| Problem::not_found("such server"))
}

fn linked(progress: Progress<()>) -> Response {
    match progress {
        Progress::Asked(question) => asked(question),
        Progress::Done(()) => StatusCode::NO_CONTENT.into_response(),
    }
}

fn asked(question: crate::signin::Question) -> Response {
    let document = Conversation {
        id: question.id,
        title: question.round.title,
        instruction: question.round.instruction,
        prompts: question
            .round
            .prompts
            .into_iter()
            .map(|prompt| Question {
                text: prompt.text,
                echo: prompt.echo,
            })
            .collect(),
        expires: question.expires,
    };
    (StatusCode::ACCEPTED, axum::Json(document)).into_response()
}

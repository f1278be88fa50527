//! The servers of the cluster.

use axum::extract::State;
use fastx_core::roles::Right;

use super::dto::{ProblemDocument, ServerDocument, Servers};
use super::extract::SignedIn;
use crate::logins::User;
use crate::node::Node;

/// Servers as this user sees them.
pub(super) fn documents(node: &Node, user: &User) -> Vec<ServerDocument> {
    let full = user.role.may(Right::ServersInFull);
    node.fleet()
        .servers()
        .iter()
        .map(|r| ServerDocument::new(r, full))
        .collect()
}

/// The servers of the cluster; in full for managers
#[utoipa::path(get, operation_id = "listServers", path = "/api/v1/servers", tag = "servers",
    responses(
        (status = 200, body = Servers),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
) -> axum::Json<Servers> {
    let servers = documents(&node, &user);
    axum::Json(Servers { servers })
}

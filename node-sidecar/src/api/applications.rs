//! What can be started.

use axum::extract::State;
use fastx_core::wire::config::Users;

use super::dto::{ApplicationDocument, Applications, ProblemDocument};
use super::extract::SignedIn;
use crate::node::Node;
use crate::sessions::may_choose;

/// What can be started
#[utoipa::path(get, operation_id = "listApplications", path = "/api/v1/applications", tag = "sessions",
    responses(
        (status = 200, body = Applications),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(node): State<Node>,
    SignedIn(user): SignedIn,
) -> axum::Json<Applications> {
    let current = node.configuration().current();
    let applications = current
        .cluster
        .applications
        .iter()
        .filter(|a| {
            let profile = current.profile(&a.profile);
            let admit = |users: &Users| users.admit(user.login.as_str(), &user.groups);
            admit(&a.users) && profile.is_none_or(|p| admit(&p.users))
        })
        .map(|a| ApplicationDocument {
            name: a.name.clone(),
            title: if a.title.is_empty() {
                a.name.clone()
            } else {
                a.title.clone()
            },
            icon: a.icon.clone(),
            window_mode: if a.window_mode.is_empty() {
                "desktop".to_owned()
            } else {
                a.window_mode.clone()
            },
            profile: a.profile.clone(),
        });
    axum::Json(Applications {
        applications: applications.collect(),
        command_allowed: true,
        server_choice_allowed: may_choose(user.role, &current.cluster.scripts),
    })
}

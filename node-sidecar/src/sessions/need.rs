//! What a start on a host needs first: a link of the user, started without a password or by the user's SSH login.

use std::time::Duration;

use fastx_core::names::SessionId;
use fastx_core::token;
use fastx_core::wire::login::Claims;
use fastx_core::wire::problem::Problem;
use fastx_core::wire::session::SessionState;

use super::Sessions;
use crate::locks::lock;
use crate::logins::User;

/// How long a link that was just started may take to join.
const JOIN: Duration = Duration::from_secs(10);
/// How long a link is waited for that the user's sessions bring back by themselves.
const RETURN: Duration = Duration::from_secs(3);

impl Sessions {
    /// Makes sure that the user's link is there, or says who has to sign in where.
    pub(super) async fn need_link(
        &self,
        user: &User,
        uid: u32,
        id: &SessionId,
    ) -> Result<(), Problem> {
        let hub = self.hub();
        if !self.accounts().is_host() || hub.present(uid) {
            return Ok(());
        }
        // A repetition of a start that has come to something needs nothing.
        if self
            .own(id)
            .is_some_and(|own| own.state != SessionState::Starting)
        {
            return Ok(());
        }
        if self.has_live(uid) && hub.joined_within(uid, RETURN).await {
            return Ok(());
        }
        self.bring_link(user, uid)
            .await
            .map_err(|why| self.authentication_required(user, &why))
    }

    /// Starts the link of a user of this host without a password, or says why that cannot be.
    pub(super) async fn bring_link(&self, user: &User, uid: u32) -> Result<(), String> {
        if !self.accounts().is_host() {
            return Err("its desktop container is not there".to_owned());
        }
        // Verified with the rest of the token before.
        let issuer = token::peek::<Claims>(user.token.expose()).map(|claims| claims.iss);
        let here = issuer.is_ok_and(|issuer| issuer == self.inner.parts.me);
        match self.inner.parts.launcher.start(uid, here).await {
            Ok(()) if self.hub().joined_within(uid, JOIN).await => Ok(()),
            Ok(()) => Err(format!(
                "it was started and did not join within {} s",
                JOIN.as_secs()
            )),
            Err(why) => Err(why.to_string()),
        }
    }

    /// Brings the link back that is to end a session, where that can be: the call says what is wrong otherwise.
    pub(super) async fn want_link(&self, user: &User, uid: u32) {
        let hub = self.hub();
        if !self.accounts().is_host() || hub.joined_within(uid, RETURN).await {
            return;
        }
        if let Err(why) = self.bring_link(user, uid).await {
            tracing::info!(uid, why, "the link that is to end a session is not there");
        }
    }

    fn has_live(&self, uid: u32) -> bool {
        lock(&self.inner.registry)
            .iter()
            .any(|own| own.uid == uid && own.record.state.is_live())
    }

    fn authentication_required(&self, user: &User, why: &str) -> Problem {
        let me = &self.inner.parts.me;
        tracing::info!(login = %user.login, why, "a start needs the user's SSH login first");
        let mut problem = Problem::new(
            428,
            "authentication-required",
            "The server asks you to sign in",
        )
        .detail(format!(
            "No process of {} runs on the server {me} yet, and it starts none without a password ({why}).",
            user.login
        ))
        .action("Sign in to that server once; sessions there need no further sign-in after that.");
        problem.server_id = me.to_string();
        problem.login = user.login.to_string();
        problem
    }
}

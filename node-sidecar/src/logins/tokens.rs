//! The list of logins as people see it: reading, naming and ending them, and making one for a program.

use fastx_core::names::LoginName;
use fastx_core::subject::Operation;
use fastx_core::wire::login::TokenRecord;
use fastx_core::wire::operations::{
    Empty, TokenAnswer, TokenCheck, TokenLabel, TokenList, TokenListAnswer, TokenRevoke,
};
use fastx_core::wire::problem::Problem;
use fastx_lifecycle::clock;
use jiff::SignedDuration;

use super::{Logins, Proof, User};

/// Longest life of a login that is made for a program: it keeps the groups that its owner had when signing in.
const MAX_DAYS: u32 = 90;

impl Logins {
    /// Logins of one user, or of all.
    pub async fn list(&self, login: Option<LoginName>) -> Result<TokenListAnswer, Problem> {
        let request = TokenList { login };
        self.inner
            .transport
            .store(Operation::TokenList, &request)
            .await
    }

    /// A login that is on the list.
    pub async fn find(&self, jti: &str) -> Result<Option<TokenRecord>, Problem> {
        let request = TokenCheck {
            jti: jti.to_owned(),
        };
        let answer: TokenAnswer = self
            .inner
            .transport
            .store(Operation::TokenCheck, &request)
            .await?;
        Ok(answer.token)
    }

    /// Gives a login another name.
    pub async fn label(&self, login: &LoginName, jti: &str, label: String) -> Result<(), Problem> {
        let request = TokenLabel {
            login: login.clone(),
            jti: jti.to_owned(),
            label,
        };
        let _done: Empty = self
            .inner
            .transport
            .store(Operation::TokenLabel, &request)
            .await?;
        Ok(())
    }

    /// Ends a login everywhere.
    pub async fn revoke(&self, login: &LoginName, jti: &str) -> Result<(), Problem> {
        let request = TokenRevoke {
            login: login.clone(),
            jti: Some(jti.to_owned()),
        };
        let _done: Empty = self
            .inner
            .transport
            .store(Operation::TokenRevoke, &request)
            .await?;
        self.revoked(vec![jti.to_owned()]);
        Ok(())
    }

    /// Makes a login for a program of the user.
    pub async fn make(
        &self,
        user: &User,
        label: String,
        days: u32,
        address: &str,
    ) -> Result<User, Problem> {
        self.open().await?;
        if !(1..=MAX_DAYS).contains(&days) {
            return Err(Problem::bad_request(format!(
                "`days` may be 1 to {MAX_DAYS}."
            )));
        }
        let own = self.listed(&user.jti, clock::now()).await?;
        if own.made_by.is_some() {
            return Err(
                Problem::forbidden("A login that was made for a program makes no others.")
                    .action("Sign in yourself to make one."),
            );
        }
        self.issue(Proof {
            login: user.login.clone(),
            groups: own.groups,
            method: own.method,
            address: address.to_owned(),
            label,
            lifetime: SignedDuration::from_hours(24 * i64::from(days)),
            daemon: false,
            made_by: Some(user.jti.clone()),
        })
        .await
    }
}

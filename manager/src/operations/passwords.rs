//! Checking local passwords: slowly, alike for known and unknown logins, and not too often.

use std::sync::Arc;

use fastx_core::names::CallerId;
use fastx_core::wire::operations::{Empty, PasswordAnswer, PasswordCheck, SignInTry};
use fastx_core::wire::problem::Problem;

use crate::core::Core;
use crate::hashing::Busy;
use crate::store::{Collection, Document, Draft};
use crate::tries::{BY_ADDRESS, BY_LOGIN, MEMORY, Rules};
use crate::wire::TriesBody;

/// Longest password that is looked at: hashing a book would be a way to keep managers busy.
const LONGEST: usize = 1024;

/// `password.check`.
pub(crate) async fn check(
    core: &Arc<Core>,
    caller: &CallerId,
    body: PasswordCheck,
) -> Result<PasswordAnswer, Problem> {
    let wrong = || {
        Problem::new(401, "wrong-credentials", "Login or password is wrong")
            .detail("The login is not known or the password is not its own.")
    };
    if body.password.is_empty()
        || body.password.expose().len() > LONGEST
        || body.address.len() > 128
    {
        return Err(wrong());
    }
    let attempt = SignInTry {
        login: body.login.clone(),
        address: body.address.clone(),
    };
    count_try(core, &attempt).await?;
    let fits = match verify(core, &body).await {
        Ok(fits) => fits,
        Err(problem) => {
            // Nobody looked at the password, so it was no try.
            let (by_address, by_login) = ids(&attempt);
            take_back(core, &by_address).await;
            take_back(core, &by_login).await;
            return Err(problem);
        }
    };
    let Some(groups) = fits else {
        tracing::info!(%caller, login = %body.login, address = %body.address, "a password was wrong");
        return Err(wrong());
    };
    forgive_try(core, &attempt).await?;
    tracing::info!(%caller, login = %body.login, address = %body.address, "a password was right");
    Ok(PasswordAnswer {
        login: body.login,
        groups,
    })
}

async fn verify(core: &Arc<Core>, body: &PasswordCheck) -> Result<Option<Vec<String>>, Problem> {
    let (users, login, password) = (
        core.users.clone(),
        body.login.clone(),
        body.password.clone(),
    );
    core.hashing
        .run(move |memory| users.check(&login, &password, memory))
        .await
        .map_err(|busy| match busy {
            Busy::TooMany => Problem::unavailable(
                "busy",
                "So many passwords are being checked that this one did not get its turn in time.",
            ),
            Busy::Failed => Problem::internal("A password could not be checked."),
        })
}

/// `try.count`: also for passwords that a node checks with an sshd. One count for all methods,
/// so that none of them is a way around the others.
pub(crate) async fn count_try(core: &Core, attempt: &SignInTry) -> Result<Empty, Problem> {
    if attempt.address.len() > 128 {
        return Err(Problem::bad_request("That is no address."));
    }
    let (by_address, by_login) = ids(attempt);
    count(core, &by_address, BY_ADDRESS).await?;
    count(core, &by_login, BY_LOGIN).await?;
    Ok(Empty {})
}

/// `try.forgive`.
pub(crate) async fn forgive_try(core: &Core, attempt: &SignInTry) -> Result<Empty, Problem> {
    let (by_address, by_login) = ids(attempt);
    forgive(core, &by_address, &by_login).await;
    Ok(Empty {})
}

fn ids(attempt: &SignInTry) -> (String, String) {
    (
        format!("address:{}", attempt.address),
        format!("login:{}", attempt.login.as_str().to_lowercase()),
    )
}

/// Counts a try, or refuses it.
async fn count(core: &Core, id: &str, rules: Rules) -> Result<(), Problem> {
    let now = core.now();
    let mut refused = None;
    core.modify(Collection::Tries, id, |present| {
        refused = None;
        let before: Option<TriesBody> = present.map(Document::read).transpose()?;
        match rules.count(before.as_ref(), now) {
            Ok(tries) => Ok(Some(Draft::new(id, "", &tries)?.expires(now + MEMORY))),
            Err(seconds) => {
                refused = Some(seconds);
                Ok(None)
            }
        }
    })
    .await?;
    match refused {
        None => Ok(()),
        Some(seconds) => Err(Problem::new(429, "too-many-tries", "Too many tries")
            .detail(format!("Wait {seconds} s before the next try."))
            .action("Wait, then try again with the right password.")),
    }
}

/// A success takes back its own try from the address, and all tries from the login.
async fn forgive(core: &Core, by_address: &str, by_login: &str) {
    let _ = core.store.delete(Collection::Tries, by_login).await;
    take_back(core, by_address).await;
}

async fn take_back(core: &Core, id: &str) {
    let now = core.now();
    let taken_back = core.modify(Collection::Tries, id, |present| {
        let Some(document) = present else {
            return Ok(None);
        };
        let mut tries: TriesBody = document.read()?;
        tries.count = tries.count.saturating_sub(1);
        tries.blocked = now;
        Ok(Some(Draft::new(id, "", &tries)?.expires(now + MEMORY)))
    });
    if let Err(problem) = taken_back.await {
        tracing::debug!(%problem, "a try was not taken back");
    }
}

//! Signing in and out.

use std::path::Path;

use fastx_core::secret::Secret;
use fastx_lifecycle::clock;
use fastx_lifecycle::env::Source;
use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::prompts::{ask, converse, line};
use crate::accounts::{Account, Accounts, normal};
use crate::api::Api;
use crate::arguments::Login;
use crate::error::Failure;
use crate::output::{Output, span};
use crate::trust::Trust;

/// What the cluster says to everybody.
#[derive(Debug, Deserialize)]
struct Info {
    cluster: String,
    #[serde(default)]
    message: String,
    methods: Vec<String>,
}

/// Who is signed in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Me {
    login: String,
    role: String,
    groups: Vec<String>,
    server_id: String,
    expires: Timestamp,
    cluster: String,
}

/// Methods that need nothing but a terminal, with the first one that is tried first.
const AT_A_TERMINAL: [&str; 2] = ["ssh", "local"];

pub(super) async fn login(
    options: Login,
    address: Option<&str>,
    source: &impl Source,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut accounts = Accounts::open(source)?;
    let kept = accounts.choose(options.address.as_deref().or(address)).ok();
    let address = match (options.address.as_deref().or(address), &kept) {
        (Some(address), _) => normal(address)?,
        (None, Some((address, _))) => address.clone(),
        (None, None) => {
            return Err(Failure::Usage(
                "name the address of the cluster: fastxctl login https://ADDRESS".to_owned(),
            ));
        }
    };
    // An address that was believed once is believed in the same way again.
    let trust = Trust::from_options(options.ca_file.as_deref(), options.fingerprint.as_deref())?
        .or_else(|| kept.as_ref().map(|(_, account)| account.trust.clone()))
        .unwrap_or_default();
    let api = Api::new(address.clone(), &trust, None)?;
    let info: Info = api.call(Method::GET, "/info", None).await?;
    if !info.message.is_empty() {
        output.say(&crate::output::printable(&info.message))?;
    }
    let method = method(options.method.as_deref(), &info)?;
    let user = options
        .user
        .or_else(|| source.get("USER"))
        .ok_or_else(|| Failure::Usage("name the login with --user".to_owned()))?;
    let password = if let Some(file) = &options.password_file {
        from_file(file)?
    } else if method == "local" {
        ask(&format!("Password of {user} at {}:", info.cluster), false)?
    } else {
        Secret::default()
    };
    let mut body = json!({"method": method, "login": user, "token": true});
    // What needs a conversation is asked by the server.
    if !password.is_empty() {
        body["password"] = json!(password.expose());
    }
    let first = api.status(Method::POST, "/login", Some(&body)).await?;
    let answer = converse(&api, "/login/conversations", first).await?;
    let me: Me = serde_json::from_value(answer["user"].clone())
        .map_err(|e| Failure::Answer(address.clone(), e.to_string()))?;
    let token = answer["token"].as_str().unwrap_or_default();
    let account = Account {
        login: me.login.clone(),
        token: Secret::new(token),
        expires: me.expires,
        trust,
    };
    accounts.keep(address.clone(), account)?;
    let ends = span(me.expires.duration_since(clock::now()));
    output.document(&me, || {
        format!(
            "Signed in as {} at {} ({address}); the login ends in {ends}.",
            me.login, me.cluster
        )
    })
}

fn from_file(path: &Path) -> Result<Secret, Failure> {
    let text = if path == Path::new("-") {
        line()
    } else {
        std::fs::read_to_string(path).map(|text| text.lines().next().unwrap_or_default().to_owned())
    };
    text.map(Secret::new).map_err(|source| Failure::File {
        path: path.to_owned(),
        source,
    })
}

fn method(wanted: Option<&str>, info: &Info) -> Result<String, Failure> {
    let offered = info.methods.join(", ");
    match wanted {
        Some(wanted) if info.methods.iter().any(|m| m == wanted) => Ok(wanted.to_owned()),
        Some(wanted) => Err(Failure::Usage(format!(
            "`{wanted}` is not offered here; the cluster offers: {offered}"
        ))),
        None => info
            .methods
            .iter()
            .find(|m| AT_A_TERMINAL.contains(&m.as_str()))
            .cloned()
            .ok_or_else(|| {
                Failure::Usage(format!(
                    "the cluster offers only what needs a browser ({offered}): sign in there and make a token for programs"
                ))
            }),
    }
}

pub(super) async fn logout(
    api: &Api,
    accounts: &mut Accounts,
    output: &mut Output,
) -> Result<(), Failure> {
    let ended: Result<Value, Failure> = api.call(Method::POST, "/logout", None).await;
    match ended {
        Ok(_) => {}
        // Over already is as good.
        Err(failure) if failure.needs_sign_in() => {}
        Err(failure) => return Err(failure),
    }
    accounts.forget(api.address())?;
    output.say(&format!("Signed out of {}.", api.address()))
}

pub(super) async fn whoami(api: &Api, output: &mut Output) -> Result<(), Failure> {
    let me: Me = api.call(Method::GET, "/me", None).await?;
    let ends = span(me.expires.duration_since(clock::now()));
    let groups = if me.groups.is_empty() {
        "no group".to_owned()
    } else {
        me.groups.join(", ")
    };
    output.document(&me, || {
        format!(
            "{} ({}, {groups}) at {} by way of {}; the login ends in {ends}",
            me.login, me.role, me.cluster, me.server_id
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_is_one_that_a_terminal_can_do() {
        let info = |methods: &[&str]| Info {
            cluster: "c".into(),
            message: String::new(),
            methods: methods.iter().map(|&m| m.to_owned()).collect(),
        };
        assert_eq!(method(None, &info(&["oidc", "local"])).unwrap(), "local");
        assert_eq!(
            method(Some("ssh"), &info(&["local", "ssh"])).unwrap(),
            "ssh"
        );
        assert!(method(Some("ssh"), &info(&["local"])).is_err());
        let only_browser = method(None, &info(&["oidc"])).unwrap_err().to_string();
        assert!(only_browser.contains("browser"), "{only_browser}");
    }
}

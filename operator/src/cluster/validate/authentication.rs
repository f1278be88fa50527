//! How users sign in, in which order, and what that needs.

use fastx_core::wire::config::OidcPart;
use fastx_crds::cluster::{Authentication, Method, OidcAuthentication};

use super::Invalid;

/// How users sign in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignIn {
    /// The methods as nodes know them, in order.
    pub methods: Vec<String>,
    /// Secret with the local logins.
    pub users_secret: Option<String>,
    /// The provider.
    pub oidc: Option<OidcAuthentication>,
}

pub(super) fn sign_in(authentication: &Authentication) -> Result<SignIn, Invalid> {
    let usual = [Method::SSH, Method::OIDC, Method::Local];
    let is_set = |method: &Method| match method {
        Method::SSH => authentication.ssh.is_some(),
        Method::OIDC => authentication.oidc.is_some(),
        Method::Local => authentication.local.is_some(),
    };
    if !authentication.order.iter().all(is_set) {
        return Err(Invalid::wrong(
            "each method in `authentication.order` must also be set: `ssh`, `oidc`, `local`",
        ));
    }
    let mut methods = authentication.order.clone();
    let unnamed = usual.into_iter().filter(is_set);
    methods.extend(unnamed.filter(|m| !authentication.order.contains(m)));
    let name = |method: &Method| match method {
        Method::SSH => "ssh",
        Method::OIDC => "oidc",
        Method::Local => "local",
    };
    Ok(SignIn {
        methods: methods.iter().map(|m| name(m).to_owned()).collect(),
        users_secret: authentication
            .local
            .as_ref()
            .map(|l| l.users_secret_ref.name.clone()),
        oidc: authentication.oidc.clone(),
    })
}

impl SignIn {
    /// What nodes and managers have to know of the provider; its secret is no part of it.
    pub fn oidc_part(&self) -> Option<OidcPart> {
        let oidc = self.oidc.as_ref()?;
        Some(OidcPart {
            title: oidc.title.clone().unwrap_or_default(),
            issuer: oidc.issuer.clone(),
            client_id: oidc.client_id.clone(),
            scopes: oidc.scopes.clone(),
            login_claim: oidc.login_claim.clone().unwrap_or_default(),
            groups_claim: oidc.groups_claim.clone().unwrap_or_default(),
        })
    }
}

/// Port of an `https://` address.
pub fn port_of(issuer: &str) -> u16 {
    let uri: Option<http::Uri> = issuer.parse().ok();
    uri.and_then(|u| u.port_u16()).unwrap_or(443)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cluster, defaults, valid};
    use super::super::validate;
    use super::*;

    #[test]
    fn methods_come_in_the_order_that_is_asked_for() {
        let oidc = "oidc: {issuer: 'https://id.example', clientId: desks}";
        let local = "local: {usersSecretRef: {name: people}}";
        for (spec, methods) in [
            (String::new(), vec![]),
            (format!("authentication: {{{local}}}"), vec!["local"]),
            (
                format!("authentication: {{{local}, {oidc}, ssh: {{}}}}"),
                vec!["ssh", "oidc", "local"],
            ),
            (
                format!("authentication: {{{local}, {oidc}, ssh: {{}}, order: [Local]}}"),
                vec!["local", "ssh", "oidc"],
            ),
        ] {
            assert_eq!(valid(&spec).sign_in.methods, methods, "{spec}");
        }
        let unset = cluster(&format!("authentication: {{{local}, order: [OIDC]}}"));
        let refused = validate(&unset, &defaults()).unwrap_err();
        assert!(refused.message.contains("must also be set"), "{refused:?}");
    }

    #[test]
    fn a_provider_is_reached_on_its_own_port() {
        assert_eq!(port_of("https://id.example/realms/lab"), 443);
        assert_eq!(port_of("https://id.example:8443/realms/lab"), 8443);
    }
}

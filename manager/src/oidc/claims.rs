//! What the claims of a verified token say, and whether they are meant for this cluster.

use fastx_core::wire::config::OidcPart;
use fastx_core::wire::operations::PasswordAnswer;
use jiff::Timestamp;
use serde_json::Value;

/// How far the clocks may be apart, seconds.
const SKEW: i64 = 60;
/// Groups that are taken.
const MOST_GROUPS: usize = 1000;

/// Checks issuer, audience, time and nonce.
pub(super) fn check(
    claims: &Value,
    part: &OidcPart,
    nonce: &str,
    now: Timestamp,
) -> Result<(), String> {
    let refuse = |why: &str| Err(why.to_owned());
    if claims["iss"] != part.issuer.as_str() {
        return refuse("it is by another issuer");
    }
    let audience: Vec<&Value> = match &claims["aud"] {
        Value::Array(many) => many.iter().collect(),
        one => vec![one],
    };
    if !audience.iter().any(|aud| **aud == part.client_id.as_str()) {
        return refuse("it is for another client");
    }
    if !claims["azp"].is_null() && claims["azp"] != part.client_id.as_str() {
        return refuse("it was given to another client");
    }
    if claims["exp"].as_i64().unwrap_or_default() + SKEW <= now.as_second() {
        return refuse("it has expired");
    }
    if claims["iat"].as_i64().unwrap_or_default() > now.as_second() + SKEW {
        return refuse("it comes from the future; check the clocks");
    }
    if nonce.is_empty() || claims["nonce"] != nonce {
        return refuse("it belongs to another sign-in");
    }
    if claims["sub"].as_str().is_none_or(str::is_empty) {
        return refuse("it is about nobody");
    }
    Ok(())
}

/// Login and groups, by the claims that the configuration names.
pub(super) fn user(claims: &Value, part: &OidcPart) -> Result<PasswordAnswer, String> {
    let name = part.login_claim();
    let login = claims[name]
        .as_str()
        .ok_or_else(|| format!("there is no claim `{name}`"))?;
    if name == "email" && claims["email_verified"] != true {
        return Err("the address of `email` is not verified".to_owned());
    }
    let groups = match &claims[part.groups_claim()] {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many
            .iter()
            .filter_map(|group| group.as_str().map(str::to_owned))
            .take(MOST_GROUPS)
            .collect(),
        _ => Vec::new(),
    };
    Ok(PasswordAnswer {
        login: login.parse().map_err(|error| format!("{error}"))?,
        groups,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn part() -> OidcPart {
        OidcPart {
            issuer: "https://id.example".into(),
            client_id: "fastx".into(),
            ..OidcPart::default()
        }
    }

    fn claims() -> Value {
        json!({"iss": "https://id.example", "aud": "fastx", "exp": 2000, "iat": 900, "nonce": "n",
            "sub": "1", "preferred_username": "ada", "groups": ["ops", 7]})
    }

    #[test]
    fn only_what_is_meant_for_this_sign_in_counts() {
        let now = Timestamp::from_second(1000).unwrap();
        assert_eq!(check(&claims(), &part(), "n", now), Ok(()));
        let mut several = claims();
        several["aud"] = json!(["x", "fastx"]);
        assert_eq!(check(&several, &part(), "n", now), Ok(()));
        for (name, value) in [
            ("iss", json!("https://evil.example")),
            ("aud", json!("other")),
            ("aud", json!(["other"])),
            ("azp", json!("other")),
            ("exp", json!(900)),
            ("exp", json!("2000")),
            ("iat", json!(1100)),
            ("nonce", json!("m")),
            ("nonce", Value::Null),
            ("sub", json!("")),
        ] {
            let mut wrong = claims();
            wrong[name] = value;
            assert!(check(&wrong, &part(), "n", now).is_err(), "{wrong}");
        }
        assert!(check(&claims(), &part(), "", now).is_err());
    }

    #[test]
    fn login_and_groups_come_from_the_claims_that_are_configured() {
        let user_of = |claims: &Value, part: &OidcPart| {
            user(claims, part).map(|user| (user.login.to_string(), user.groups))
        };
        let ada = ("ada".to_owned(), vec!["ops".to_owned()]);
        assert_eq!(user_of(&claims(), &part()), Ok(ada));
        let by_mail = OidcPart {
            login_claim: "email".into(),
            groups_claim: "roles".into(),
            ..part()
        };
        let mut claims = claims();
        claims["email"] = json!("ada@example.org");
        claims["roles"] = json!("staff");
        assert!(user_of(&claims, &by_mail).is_err(), "not verified");
        claims["email_verified"] = json!(true);
        let ada = ("ada@example.org".to_owned(), vec!["staff".to_owned()]);
        assert_eq!(user_of(&claims, &by_mail), Ok(ada));
        claims["preferred_username"] = json!("a/../b");
        assert!(user_of(&claims, &part()).is_err());
    }
}

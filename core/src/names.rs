//! Checked names and ids: a value of these types has passed its rule once and for all.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{value}` must {rule}")]
pub struct NameError {
    /// What the name is for.
    pub kind: &'static str,
    /// The offending value, shortened to 80 characters.
    pub value: String,
    /// What is allowed, completing "must …".
    pub rule: &'static str,
}

impl NameError {
    fn new(kind: &'static str, value: &str, rule: &'static str) -> Self {
        Self {
            kind,
            value: value.chars().take(80).collect(),
            rule,
        }
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(value: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(value) {
                    Ok(Self(value.to_owned()))
                } else {
                    Err(NameError::new($kind, value, $rule))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(value: String) -> Result<Self, NameError> {
                value.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

fn id_chars(value: &str) -> bool {
    (1..=63).contains(&value.len())
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

name_type!(
    /// Names a compute node in its cluster: `[A-Za-z0-9_-]{1,63}`, safe as one token of a bus subject.
    ServerId,
    "serverId",
    "have 1 to 63 characters of A-Z, a-z, 0-9, `_` and `-`",
    id_chars
);

name_type!(
    /// First token of all bus subjects of one cluster; the same rule as [`ServerId`].
    BusNamespace,
    "namespace",
    "have 1 to 63 characters of A-Z, a-z, 0-9, `_` and `-`",
    id_chars
);

name_type!(
    /// Whoever speaks on the bus: a node by its serverId, or a manager by its own id.
    CallerId,
    "caller",
    "have 1 to 63 characters of A-Z, a-z, 0-9, `_` and `-`",
    id_chars
);

name_type!(
    /// Names a session in the whole cluster: 16 lower-case hexadecimal digits, random.
    SessionId,
    "session id",
    "have 16 lower-case hexadecimal digits",
    |v| v.len() == 16 && v.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
);

name_type!(
    /// A login name as the user types it: printable, without spaces, quotes, slashes or control characters.
    LoginName,
    "login",
    "have 1 to 128 printable characters without spaces, quotes, `/`, `\\` and `:`",
    |v| (1..=128).contains(&v.len())
        && !v.starts_with('-')
        && v.chars().all(|c| !c.is_control() && !c.is_whitespace() && !"\"'`/\\:<>".contains(c))
);

impl From<ServerId> for CallerId {
    fn from(id: ServerId) -> Self {
        Self(id.0)
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

impl SessionId {
    /// Makes the id from 8 random bytes that the caller drew.
    pub fn from_random(bytes: [u8; 8]) -> Self {
        Self(hex(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_id_boundaries() {
        for good in ["a", "A_9-", &"x".repeat(63)] {
            assert!(good.parse::<ServerId>().is_ok(), "{good}");
        }
        for bad in ["", "a.b", "a b", "ä", "*", ">", &"x".repeat(64)] {
            assert!(bad.parse::<ServerId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn session_id_is_hexadecimal() {
        assert_eq!(
            SessionId::from_random([0, 1, 2, 255, 16, 32, 64, 128]).as_str(),
            "000102ff10204080"
        );
        for bad in ["000102FF10204080", "0001", "000102ff1020408g"] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn login_refuses_what_breaks_logs_and_paths() {
        for good in ["ada", "ada.b@example.org", "DOM+ada", "användare"] {
            assert!(good.parse::<LoginName>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "a\nb", "-rf", "a'b"] {
            assert!(bad.parse::<LoginName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_wrong_name_is_refused_when_read() {
        let wrong = serde_json::from_str::<ServerId>("\"a.b\"")
            .unwrap_err()
            .to_string();
        assert!(
            wrong.contains("serverId `a.b` must have 1 to 63"),
            "{wrong}"
        );
    }
}

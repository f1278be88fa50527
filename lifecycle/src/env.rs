//! Where settings come from: the process environment, or a map in tests.

use std::collections::BTreeMap;

/// A source of settings by name.
pub trait Source {
    /// The value, or none when it is not set or empty.
    fn get(&self, name: &str) -> Option<String>;

    /// The value, or a default.
    fn or(&self, name: &str, default: &str) -> String {
        self.get(name).unwrap_or_else(|| default.to_owned())
    }

    /// The value read as a type, or a default.
    fn parse<T>(&self, name: &str, default: T) -> Result<T, SettingError>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        match self.get(name) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|e: T::Err| SettingError {
                name: name.to_owned(),
                reason: e.to_string(),
            }),
        }
    }
}

/// A setting has a value of the wrong form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is not valid: {reason}")]
pub struct SettingError {
    /// Name of the setting.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Exit code for invalid settings (`EX_USAGE`).
pub const EXIT_USAGE: u8 = 64;

/// The process environment.
#[derive(Debug, Clone, Copy)]
pub struct Process;

impl Source for Process {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the edge where the environment is read"
    )]
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|v| !v.is_empty())
    }
}

/// Settings from a map.
#[derive(Debug, Clone, Default)]
pub struct Map(pub BTreeMap<String, String>);

impl Source for Map {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned().filter(|v| !v.is_empty())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Map {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_names_its_setting() {
        let map = Map::from([("PORT", "x"), ("EMPTY", "")]);
        assert_eq!(map.parse("MISSING", 7u16), Ok(7));
        assert_eq!(map.parse("EMPTY", 7u16), Ok(7));
        assert_eq!(
            map.parse("PORT", 7u16).unwrap_err().to_string(),
            "PORT is not valid: invalid digit found in string"
        );
    }
}

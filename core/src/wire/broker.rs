//! `broker.json`: how a member reaches the transporter, and as whom.

use serde::{Deserialize, Serialize};

use crate::names::{BusNamespace, CallerId};
use crate::secret::Secret;

/// Schema that this build writes. Files without one are of the original's form and read as 1.
pub const SCHEMA: u32 = 1;

/// The document. The first six fields are the original's; the others are additions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrokerConfig {
    /// `nats` or `redis`.
    pub transporter_type: TransporterType,
    /// Host of the transporter.
    pub host: String,
    /// Its port; 0 means the type's usual one.
    #[serde(default)]
    pub port: u16,
    /// Shared password; empty when `credentials` are given.
    #[serde(default, skip_serializing_if = "Secret::is_empty")]
    pub password: Secret,
    /// Whether a certificate that does not check out is refused.
    #[serde(default)]
    pub reject_unauthorized: bool,
    /// First token of every subject.
    pub namespace: BusNamespace,
    /// Document schema.
    #[serde(default = "first_schema")]
    pub schema: u32,
    /// Grows with each change of content; 0 for a file written by hand.
    #[serde(default)]
    pub generation: u64,
    /// Further hosts, `host` or `host:port`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// This member's own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// Certificate authorities (PEM) of the transporter; empty means the system's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ca: String,
}

fn first_schema() -> u32 {
    SCHEMA
}

/// Kind of transporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransporterType {
    /// NATS.
    Nats,
    /// Redis.
    Redis,
}

/// A NATS identity: a user JWT and the seed of its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// Name under which this member speaks: a serverId, or a manager's id.
    pub caller: CallerId,
    /// User JWT.
    pub jwt: Secret,
    /// Seed of the user key.
    pub seed: Secret,
}

/// Why a document was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// Not JSON, cut off, or a field is missing or wrong.
    #[error("not a valid broker.json (line {line}, column {column}): {reason}")]
    Malformed {
        /// Line of the fault.
        line: usize,
        /// Column of the fault.
        column: usize,
        /// What is wrong; never contains values of the file.
        reason: String,
    },
    /// Written for a newer version.
    #[error("schema {0} is not known to this version, which reads up to {SCHEMA}")]
    UnknownSchema(u32),
    /// `host` is empty.
    #[error("`host` is empty: set it to the host name of the transporter")]
    NoHost,
    /// Older than what runs.
    #[error("generation {offered} is older than the running {running}")]
    Older {
        /// What the file says.
        offered: u64,
        /// What runs.
        running: u64,
    },
    /// The content changed, but not its generation.
    #[error("the content changed under the same generation {0}")]
    ChangedInPlace(u64),
}

/// What to do with a document that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accept {
    /// Apply it.
    New(Box<BrokerConfig>),
    /// It is what runs already.
    Unchanged,
}

impl BrokerConfig {
    /// Reads a document.
    pub fn parse(text: &str) -> Result<Self, BrokerError> {
        let config: Self = serde_json::from_str(text).map_err(|e| BrokerError::Malformed {
            line: e.line(),
            column: e.column(),
            reason: describe(&e),
        })?;
        if config.schema == 0 || config.schema > SCHEMA {
            return Err(BrokerError::UnknownSchema(config.schema));
        }
        if config.host.trim().is_empty() {
            return Err(BrokerError::NoHost);
        }
        Ok(config)
    }

    /// Decides whether `self`, just read, may replace what runs.
    pub fn accept(self, running: Option<&Self>) -> Result<Accept, BrokerError> {
        let Some(running) = running else {
            return Ok(Accept::New(Box::new(self)));
        };
        if self == *running {
            return Ok(Accept::Unchanged);
        }
        // Files written by hand have no generation: the newest content counts.
        if self.generation != 0 || running.generation != 0 {
            if self.generation < running.generation {
                return Err(BrokerError::Older {
                    offered: self.generation,
                    running: running.generation,
                });
            }
            if self.generation == running.generation {
                return Err(BrokerError::ChangedInPlace(self.generation));
            }
        }
        Ok(Accept::New(Box::new(self)))
    }

    /// The port, with the type's usual one for 0.
    pub fn effective_port(&self) -> u16 {
        match (self.port, self.transporter_type) {
            (0, TransporterType::Nats) => 4222,
            (0, TransporterType::Redis) => 6379,
            (port, _) => port,
        }
    }
}

/// Serde quotes values in its messages; a password must not get into a log that way.
fn describe(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "the file ends too early; it may be half written".to_owned();
    }
    let text = error.to_string();
    match text.split_once("field `") {
        Some((before, rest)) => {
            let field = rest.split('`').next().unwrap_or_default();
            format!("{before}field `{field}`")
        }
        None if error.is_data() => "a field has a value of the wrong type or form".to_owned(),
        None => "this is not JSON".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGINAL: &str = r#"{"transporterType":"redis","password":"s4j5","host":"cm","port":6379,
        "rejectUnauthorized":false,"namespace":"fastx-cluster"}"#;

    fn with_generation(generation: u64, host: &str) -> BrokerConfig {
        BrokerConfig {
            generation,
            host: host.into(),
            ..BrokerConfig::parse(ORIGINAL).unwrap()
        }
    }

    #[test]
    fn reads_the_original_form() {
        let config = BrokerConfig::parse(ORIGINAL).unwrap();
        assert_eq!(config.transporter_type, TransporterType::Redis);
        assert_eq!(config.schema, 1);
        assert_eq!(config.password.expose(), "s4j5");
        assert!(!format!("{config:?}").contains("s4j5"));
    }

    #[test]
    fn says_what_is_wrong_without_the_password() {
        let cut = BrokerConfig::parse(&ORIGINAL[..60])
            .unwrap_err()
            .to_string();
        assert!(cut.contains("half written"), "{cut}");
        let missing = BrokerConfig::parse(r#"{"transporterType":"nats","namespace":"n"}"#)
            .unwrap_err()
            .to_string();
        assert!(missing.contains("missing field `host`"), "{missing}");
        let wrong = BrokerConfig::parse(
            r#"{"transporterType":"nats","host":"h","namespace":"n","port":"s4j5"}"#,
        )
        .unwrap_err()
        .to_string();
        assert!(!wrong.contains("s4j5"), "{wrong}");
        let newer = BrokerConfig::parse(
            r#"{"transporterType":"nats","host":"h","namespace":"n","schema":9}"#,
        );
        assert_eq!(newer.unwrap_err(), BrokerError::UnknownSchema(9));
    }

    #[test]
    fn generations_only_grow() {
        let running = with_generation(4, "a");
        assert_eq!(
            running.clone().accept(Some(&running)),
            Ok(Accept::Unchanged)
        );
        assert!(matches!(
            with_generation(5, "b").accept(Some(&running)),
            Ok(Accept::New(_))
        ));
        assert_eq!(
            with_generation(3, "b").accept(Some(&running)),
            Err(BrokerError::Older {
                offered: 3,
                running: 4
            })
        );
        assert_eq!(
            with_generation(4, "b").accept(Some(&running)),
            Err(BrokerError::ChangedInPlace(4))
        );
    }

    #[test]
    fn hand_written_files_have_no_generation() {
        let running = with_generation(0, "a");
        assert!(matches!(
            with_generation(0, "b").accept(Some(&running)),
            Ok(Accept::New(_))
        ));
    }
}

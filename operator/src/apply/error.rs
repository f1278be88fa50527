//! Why something was not applied, in words without the debris of a raw answer.

/// Why something was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The API server refused it, or was not there.
    #[error("cannot {verb} {kind} `{name}`")]
    Request {
        /// What was tried.
        verb: &'static str,
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// There is such an object, and it is not ours.
    #[error(
        "{kind} `{name}` exists and belongs to somebody else: delete it, or choose another name"
    )]
    NameTaken {
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}

impl ApplyError {
    /// What was tried and why it failed, without the debris of a raw answer.
    pub fn text(&self) -> String {
        match self {
            Self::NameTaken { .. } => self.to_string(),
            Self::Request { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => format!("{self}: {}", status.message),
                other => format!("{self}: {}", fastx_lifecycle::telemetry::chain(other)),
            },
        }
    }

    /// Whether the object was not there.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Request { source, .. } => {
                matches!(source.as_ref(), kube::Error::Api(status) if status.code == 404)
            }
            Self::NameTaken { .. } => false,
        }
    }

    /// Whether Pod Security of the namespace keeps it out.
    pub fn is_of_pod_security(&self) -> bool {
        match self {
            Self::Request { source, .. } => {
                matches!(source.as_ref(), kube::Error::Api(status) if status.code == 403 && status.message.contains("violates PodSecurity"))
            }
            Self::NameTaken { .. } => false,
        }
    }

    /// Whether the API server understood it and will not have it.
    pub fn is_refused(&self) -> bool {
        match self {
            Self::Request { source, .. } => {
                matches!(source.as_ref(), kube::Error::Api(status) if [403, 422].contains(&status.code))
            }
            Self::NameTaken { .. } => false,
        }
    }
}

pub(super) fn request(
    verb: &'static str,
    kind: &'static str,
    name: &str,
    error: kube::Error,
) -> ApplyError {
    ApplyError::Request {
        verb,
        kind,
        name: name.to_owned(),
        source: Box::new(error),
    }
}

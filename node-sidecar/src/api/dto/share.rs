//! Sharing, who looks, and what the rules of a profile will do to a session.

use fastx_core::wire::config::Profile;
use fastx_core::wire::session::{Planned, Share, ViewerRecord, Way};
use fastx_core::wire::ticket::Mode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ViewerMode;

/// A wish to share a session.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ShareRequest {
    /// Whom it is for; empty makes a link for whoever has it.
    #[serde(default)]
    pub login: String,
    /// What they may do.
    pub mode: ViewerMode,
    /// For how long, up to a week.
    #[schema(minimum = 1, maximum = 10080)]
    pub minutes: u32,
}

/// Somebody, or whoever has a link, may see a session or work in it for a time.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Share)]
pub struct ShareDocument {
    /// Names it within its session.
    pub id: String,
    /// Whom it is for; empty: whoever has the link.
    pub login: String,
    /// Who has accepted the link.
    pub guests: Vec<String>,
    /// What they may do.
    pub mode: ViewerMode,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires: Timestamp,
    /// Path of the link, `/share/{secret}`; only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl From<Share> for ShareDocument {
    fn from(share: Share) -> Self {
        Self {
            id: share.id,
            login: share.login.map(String::from).unwrap_or_default(),
            guests: share.guests.into_iter().map(String::from).collect(),
            mode: share.mode.into(),
            expires: share.expires,
            url: None,
        }
    }
}

/// What the owner of a session lets this user do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SharedWithMe {
    /// The most that the user may do.
    pub mode: ViewerMode,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub expires: Timestamp,
}

impl From<&Share> for SharedWithMe {
    fn from(share: &Share) -> Self {
        Self {
            mode: share.mode.into(),
            expires: share.expires,
        }
    }
}

/// The session that a link was for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedShare {
    /// Its id; it can be connected to now.
    pub session_id: String,
}

/// How a viewer comes.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ViewerPath {
    /// At the address of the session's server.
    Direct,
    /// Through another server.
    Relay,
}

/// Somebody who looks at a session.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SessionViewer)]
pub struct ViewerDocument {
    /// Who.
    pub login: String,
    /// What they may do.
    pub mode: ViewerMode,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// How they come.
    pub path: ViewerPath,
    /// Address of their browser or program; absent when it is not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
}

impl From<ViewerRecord> for ViewerDocument {
    fn from(viewer: ViewerRecord) -> Self {
        Self {
            login: viewer.login.into(),
            mode: viewer.mode.into(),
            since: viewer.since,
            path: match viewer.way {
                Way::Direct => ViewerPath::Direct,
                Way::Relay => ViewerPath::Relay,
            },
            address: viewer.address,
        }
    }
}

/// What is about to happen unless somebody answers it (`POST …/stay`) or types.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SessionWarning)]
pub struct WarningDocument {
    /// When it happens.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What happens, and why.
    pub text: String,
}

impl From<Planned> for WarningDocument {
    fn from(planned: Planned) -> Self {
        Self {
            at: planned.at,
            text: planned.text,
        }
    }
}

/// Limits of a session's profile.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionLimits)]
pub struct Limits {
    /// Largest size, `WIDTHxHEIGHT`; empty for none.
    pub max_geometry: String,
    /// Seconds without input until viewers are disconnected; 0 for never.
    pub disconnect_idle_seconds: u64,
    /// Seconds without a viewer until the session ends; 0 for never.
    pub end_disconnected_seconds: u64,
    /// Which way text may go: `off`, `in`, `out`, `both`.
    pub clipboard: String,
}

impl From<Profile> for Limits {
    fn from(profile: Profile) -> Self {
        Self {
            max_geometry: profile.max_geometry,
            disconnect_idle_seconds: profile.disconnect_idle_seconds,
            end_disconnected_seconds: profile.end_disconnected_seconds,
            clipboard: if profile.clipboard.is_empty() {
                "both".to_owned()
            } else {
                profile.clipboard
            },
        }
    }
}

impl From<Mode> for ViewerMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Control => Self::Control,
            Mode::View => Self::View,
        }
    }
}

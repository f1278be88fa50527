//! One request for a server: who asks for what, and which servers the rules of the cluster leave.

use fastx_core::names::{LoginName, ServerId};
use fastx_core::selection;
use fastx_core::wire::decision::ServerVerdict;
use fastx_core::wire::server::ServerRecord;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::wire::Call;

/// The action of choosing a server for a login.
const LOGIN: &str = "user/login";

/// A request for a server.
#[derive(Debug, Clone)]
pub struct Choice<'a> {
    /// `session/start` or `user/login`.
    pub action: &'a str,
    /// The `user` object of the input: `sessions`, `serverId`, and the claims of the login.
    /// `login`, `serverId` and `sessions` are added when they are missing.
    pub user: Value,
    /// The user's Linux groups.
    pub groups: Vec<String>,
    /// Whether the user is a manager.
    pub is_manager: bool,
    /// Whether the user is an admin.
    pub is_admin: bool,
    /// The server that makes this choice.
    pub local: ServerId,
    /// Every server of the cluster; those that do not fit are left out here.
    pub servers: &'a [ServerRecord],
    /// Servers that do not come into question this time, each with the reason; scripts do not get to see them.
    pub left_out: Vec<(ServerId, String)>,
    /// The body of the API request.
    pub data: Value,
    /// Who asks.
    pub login: LoginName,
    /// What scripts see as the time.
    pub now: Timestamp,
    /// Seed of the scripts' random numbers.
    pub seed: u64,
    /// The server chosen last, for `roundRobin`; see [`crate::Balancer::last_chosen`].
    pub previous: Option<ServerId>,
}

impl Choice<'_> {
    /// Servers that scripts get to see, and verdicts for the others.
    pub fn candidates(&self) -> (Vec<&ServerRecord>, Vec<ServerVerdict>) {
        let (mut fit, mut out) = self.fit();
        fit.retain(|record| {
            let id = &record.server.server_id;
            let Some((_, reason)) = self.left_out.iter().find(|(left, _)| left == id) else {
                return true;
            };
            out.push(ServerVerdict {
                server_id: id.clone(),
                chosen: false,
                by: "cluster".to_owned(),
                reason: reason.clone(),
            });
            false
        });
        (fit, out)
    }

    fn fit(&self) -> (Vec<&ServerRecord>, Vec<ServerVerdict>) {
        let login = self.login.as_str();
        if self.action != LOGIN {
            return selection::candidates(self.servers, login);
        }
        // Before a login it does not matter whether sessions may start, but whether logins may be issued.
        let (mut fit, mut out) = (Vec::new(), Vec::new());
        for record in self.servers {
            match login_refusal(record, login) {
                None => fit.push(record),
                Some(reason) => out.push(ServerVerdict {
                    server_id: record.server.server_id.clone(),
                    chosen: false,
                    by: "cluster".to_owned(),
                    reason,
                }),
            }
        }
        fit.sort_by(|a, b| a.server.server_id.cmp(&b.server.server_id));
        (fit, out)
    }

    /// What scripts are called with; the list and the seed differ for each of them.
    pub(crate) fn call(&self) -> Call {
        let mut user = self.user.clone();
        if !user.is_object() {
            user = json!({});
        }
        if let Some(fields) = user.as_object_mut() {
            fields.insert("login".to_owned(), json!(self.login));
            fields.entry("serverId").or_insert(json!(""));
            fields.entry("sessions").or_insert(json!([]));
        }
        let input = json!({
            "action": self.action,
            "user": user,
            "userGroups": self.groups,
            "isManager": self.is_manager,
            "isAdmin": self.is_admin,
            "data": self.data,
        });
        Call {
            input,
            local: self.local.to_string(),
            list: Vec::new(),
            now: self.now.as_millisecond(),
            seed: [0; 4],
        }
    }
}

fn login_refusal(record: &ServerRecord, login: &str) -> Option<String> {
    let server = &record.server;
    if !record.online {
        Some(format!("offline: last heard of at {}", record.last_seen))
    } else if !server.logins {
        Some("signing in is switched off on it".to_owned())
    } else if !server.users.is_empty() && !server.users.iter().any(|user| user == login) {
        Some(format!("it belongs to other users, not to {login}"))
    } else {
        None
    }
}

/// The seed of one script's random numbers: scripts of one request do not repeat each other's.
pub(crate) fn seed(request: u64, script: &str) -> [u32; 4] {
    // FNV-1a of the name, then SplitMix64: well mixed, and never all zero.
    let mut state = script
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
        ^ request;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from(mixed >> 32).unwrap_or(1) | 1
    };
    [next(), next(), next(), next()]
}

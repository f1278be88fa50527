//! Why the bus could not do something, in words that name host, port and remedy.

use std::error::Error;
use std::fmt;
use std::io;

use async_nats::ConnectErrorKind;
use fastx_core::names::CallerId;

/// Why a call of the bus failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// No connection could be made.
    #[error("the bus at {address} cannot be used: {cause}")]
    Unreachable {
        /// Host and port that were tried.
        address: String,
        /// What went wrong there.
        cause: Cause,
    },
    /// The connection is lost; it comes back by itself.
    #[error("the connection to the bus is lost: {0}")]
    Disconnected(String),
    /// The server forbids this subject to this member.
    #[error("the bus forbids this member the subject {0}")]
    Denied(String),
    /// The server did not confirm in time.
    #[error("the bus did not confirm {0} in time")]
    TimedOut(String),
    /// The message is larger than the server takes.
    #[error("the message for {subject} has {bytes} bytes, the bus takes {limit}")]
    TooLarge {
        /// Where it should go.
        subject: String,
        /// Its size.
        bytes: usize,
        /// The server's limit.
        limit: usize,
    },
    /// The body cannot be written as JSON.
    #[error("the message for {0} cannot be written as JSON")]
    Encode(String),
    /// The configuration names neither an identity nor a caller.
    #[error("broker.json holds no credentials, and no name was given to speak under")]
    NoCaller,
    /// The identity is somebody else's.
    #[error("broker.json holds the credentials of `{found}`, this member is `{wanted}`")]
    WrongCaller {
        /// Whose they are.
        found: CallerId,
        /// Who this is.
        wanted: CallerId,
    },
    /// `ca` is not PEM.
    #[error("`ca` in broker.json is not a list of PEM certificates")]
    BadCa,
    /// The new configuration names another kind of transporter.
    #[error(
        "broker.json now names another kind of transporter; restart this service to move there"
    )]
    OtherTransporter,
}

/// What kept a connection from being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The host is there, but nothing listens on the port.
    Refused,
    /// Nothing came back in time.
    TimedOut,
    /// The certificate, or the handshake.
    Tls(String),
    /// The server does not know the identity, or it was revoked.
    Credentials,
    /// The host name leads nowhere.
    Dns,
    /// Anything else.
    Other(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused; nothing listens on that port"),
            Self::TimedOut => {
                f.write_str("timed out; is a firewall in between, or the port another one's?")
            }
            Self::Tls(why) => write!(
                f,
                "TLS failed ({why}); does `ca` in broker.json belong to this server?"
            ),
            Self::Credentials => f.write_str(
                "the credentials were refused; they may be revoked or of another cluster",
            ),
            Self::Dns => f.write_str("the host name cannot be resolved (DNS)"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

/// Why a lost connection does not come back, from the bare word that the client library has for it.
pub(crate) fn still_away(word: &str) -> String {
    let is = |kind: ConnectErrorKind| kind.to_string() == word;
    if is(ConnectErrorKind::Io) {
        "the bus takes no connection".to_owned()
    } else if is(ConnectErrorKind::TimedOut) {
        "the bus does not answer".to_owned()
    } else if is(ConnectErrorKind::Dns) {
        Cause::Dns.to_string()
    } else if is(ConnectErrorKind::AuthorizationViolation) {
        Cause::Credentials.to_string()
    } else {
        word.to_owned()
    }
}

/// Sorts what the client library reports.
pub(crate) fn classify(error: &async_nats::ConnectError) -> Cause {
    match error.kind() {
        ConnectErrorKind::Dns => return Cause::Dns,
        ConnectErrorKind::TimedOut => return Cause::TimedOut,
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            return Cause::Credentials;
        }
        _ => {}
    }
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    let mut last = error.to_string();
    while let Some(inner) = next {
        if let Some(cause) = inner.downcast_ref::<io::Error>().and_then(of_io) {
            return cause;
        }
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return Cause::Tls(tls.to_string());
        }
        last = inner.to_string();
        next = inner.source();
    }
    if error.kind() == ConnectErrorKind::Tls {
        Cause::Tls(last)
    } else {
        Cause::Other(last)
    }
}

pub(crate) fn of_io(error: &io::Error) -> Option<Cause> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => return Some(Cause::Refused),
        io::ErrorKind::TimedOut => return Some(Cause::TimedOut),
        _ => {}
    }
    // An `io::Error` hides its content from `source`.
    let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(Cause::Tls(tls.to_string()))
}

//! Documents of the HTTP API: a promise to every client, described in the OpenAPI document.

mod account;
mod decision;
mod event;
mod refusal;
mod server;
mod session;
mod share;
mod system;
mod token;

pub use account::{Answers, Conversation, Info, LoginAnswer, LoginRequest, Me, OidcInfo, Question};
pub use decision::{DecisionDocument, Step, Verdict};
pub use event::{ResetEvent, ServerEvent, ServerRemovedEvent, SessionRemovedEvent, SignedOutEvent};
pub use refusal::ProblemDocument;
pub use server::{ServerDocument, Servers};
pub use session::{
    ApplicationDocument, Applications, Candidate, ChangeSession, ConnectAnswer, ConnectRequest,
    EndSession, ListSessions, LogText, OneSession, ScreenshotQuery, SessionDocument, Sessions,
    StartSession, Started, State, ViewerMode,
};
pub use share::{
    AcceptedShare, Limits, ShareDocument, ShareRequest, SharedWithMe, ViewerDocument, ViewerPath,
    WarningDocument,
};
pub use system::{ScriptCheck, ScriptText, SystemChange, SystemDocument, SystemHistory};
pub use token::{
    ChangeToken, MadeToken, NewToken, TokenDocument, Tokens, TokensQuery, UserDocument, Users,
};

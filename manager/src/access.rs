//! Who may ask a manager for what: one table, and the rule that a node touches only its own documents.
//!
//! The caller is part of the subject, and the bus server sees to it that nobody names another.
//!
//! Taking a login off the list is not limited to the server that issued it: people sign out, and administrators
//! end logins, at whichever node serves them. It only ever takes rights away, and each one is logged with its caller.
//! The same goes for forgetting the record of a session: the server that has it is gone, and so cannot do it itself.

use fastx_core::names::{CallerId, ServerId};
use fastx_core::subject::{Member, Operation, Side, member_of};
use fastx_core::wire::problem::Problem;

/// What a member may touch with an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only documents of the caller's own server.
    Own,
    /// Documents of any server.
    Any,
    /// Nothing: the operation is refused.
    Nothing,
}

/// The table.
pub fn reach(member: Member, operation: Operation) -> Reach {
    if operation.side() != Side::Store || !operation.allowed(member) {
        return Reach::Nothing;
    }
    match operation {
        Operation::SessionPut | Operation::TokenPut | Operation::DecisionPut => Reach::Own,
        Operation::TokenCheck
        | Operation::TokenRevoke
        | Operation::TokenList
        | Operation::TokenLabel
        | Operation::SessionPurge
        | Operation::PasswordCheck
        | Operation::TryCount
        | Operation::TryForgive
        | Operation::OidcBegin
        | Operation::OidcExchange
        | Operation::DecisionGet
        | Operation::ConfigGet
        // A node gets no further than the admin whose token it brings.
        | Operation::ConfigPut
        | Operation::FleetGet => Reach::Any,
        Operation::SessionStart
        | Operation::SessionAct
        | Operation::AccountGet
        | Operation::JoinAsk => Reach::Nothing,
    }
}

/// Checks the caller against the table.
pub(crate) fn admit(caller: &CallerId, operation: Operation) -> Result<(), Problem> {
    match reach(member_of(caller), operation) {
        Reach::Nothing => Err(Problem::forbidden(&format!(
            "`{caller}` may not use `{}`.",
            operation.name()
        ))),
        Reach::Own | Reach::Any => Ok(()),
    }
}

/// Checks that a document belongs to the caller's own server, where the table asks for it.
pub(crate) fn own(
    caller: &CallerId,
    operation: Operation,
    server: &ServerId,
) -> Result<(), Problem> {
    let limited = reach(member_of(caller), operation) != Reach::Any;
    if limited && caller.as_str() != server.as_str() {
        tracing::warn!(%caller, %server, operation = operation.name(), "a member reached for another's document");
        return Err(Problem::forbidden(&format!(
            "`{caller}` may only write documents of its own server, not of `{server}`."
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        use Reach::{Any, Nothing, Own};
        let expected = |operation| match operation {
            Operation::SessionPut | Operation::TokenPut | Operation::DecisionPut => (Own, Nothing),
            Operation::TokenCheck
            | Operation::TokenRevoke
            | Operation::TokenList
            | Operation::TokenLabel
            | Operation::PasswordCheck
            | Operation::DecisionGet
            | Operation::ConfigGet
            | Operation::ConfigPut
            | Operation::FleetGet => (Any, Any),
            Operation::SessionPurge
            | Operation::TryCount
            | Operation::TryForgive
            | Operation::OidcBegin
            | Operation::OidcExchange => (Any, Nothing),
            Operation::SessionStart
            | Operation::SessionAct
            | Operation::AccountGet
            | Operation::JoinAsk => (Nothing, Nothing),
        };
        for operation in Operation::ALL {
            let found = (
                reach(Member::Node, operation),
                reach(Member::Manager, operation),
            );
            assert_eq!(found, expected(operation), "{operation:?}");
            assert_eq!(reach(Member::Joiner, operation), Nothing, "{operation:?}");
        }
    }

    #[test]
    fn a_node_owns_what_bears_its_name() {
        let (a, b) = ("a".parse().unwrap(), "b".parse().unwrap());
        let caller: CallerId = "a".parse().unwrap();
        assert!(own(&caller, Operation::SessionPut, &a).is_ok());
        assert!(own(&caller, Operation::SessionPut, &b).is_err());
        assert!(own(&caller, Operation::TokenRevoke, &b).is_ok());
    }
}

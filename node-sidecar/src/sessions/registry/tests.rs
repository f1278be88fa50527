//! What the registry believes, and what it does not.

use super::*;
use serde_json::json;

const UID: u32 = 1000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn id(digit: char) -> SessionId {
    digit.to_string().repeat(16).parse().unwrap()
}

fn link(digit: char, login: &str, state: &str) -> LinkSession {
    serde_json::from_value(json!({
        "id": id(digit), "login": login, "name": "n", "command": "xterm", "geometry": "640x480",
        "state": state, "display": ":1", "started": "1970-01-01T00:00:00Z", "changed": "1970-01-01T00:00:00Z"
    }))
    .unwrap()
}

fn own(digit: char, login: &str) -> OwnSession {
    let mut own = adopt(
        &"me".parse().unwrap(),
        UID,
        &link(digit, login, "starting"),
        at(0),
    );
    own.request = "r1".into();
    own
}

fn registry() -> Registry {
    Registry::restore("me".parse().unwrap(), vec![], at(0))
}

fn anybody(_: &SessionId, _: &LoginName) -> bool {
    true
}

fn nobody(_: &SessionId, _: &LoginName) -> bool {
    false
}

#[test]
fn a_repetition_is_known_and_another_request_conflicts() {
    let mut registry = registry();
    assert_eq!(registry.begin(own('a', "ada")), Begun::New);
    assert!(matches!(registry.begin(own('a', "ada")), Begun::Known(_)));
    assert_eq!(registry.begin(own('a', "bob")), Begun::Conflict);
    let mut other = own('a', "ada");
    other.request = "r2".into();
    assert_eq!(registry.begin(other), Begun::Conflict);
}

#[test]
fn a_report_changes_the_state_but_not_the_owner() {
    let mut registry = registry();
    registry.begin(own('a', "ada"));
    let changed = registry
        .report(UID, &link('a', "mallory", "running"), nobody, at(5))
        .unwrap();
    assert_eq!(changed.login.as_str(), "ada");
    assert_eq!(
        (changed.state, changed.changed),
        (SessionState::Running, at(5))
    );
    assert_eq!(changed.version, 5000);
    let again = registry.report(UID, &link('a', "ada", "running"), nobody, at(6));
    assert_eq!(again, None, "the same report is no news");
    let foreign = registry.report(UID + 1, &link('a', "ada", "ended"), anybody, at(7));
    assert_eq!(foreign, None, "another user's link cannot end it");
}

#[test]
fn a_start_that_was_given_up_and_runs_after_all_has_not_failed() {
    let mut registry = registry();
    registry.begin(own('a', "ada"));
    registry.edit(&id('a'), at(1), |own| {
        own.record.state = SessionState::Ended;
        own.record.end_reason = "It could not be started.".into();
        own.failure = Some(Problem::unavailable("link-silent", "Too slow."));
    });
    registry.report(UID, &link('a', "ada", "starting"), nobody, at(2));
    let Begun::Known(known) = registry.begin(own('a', "ada")) else {
        panic!("it is known");
    };
    assert!(known.failure.is_some(), "nothing is certain yet");
    registry.report(UID, &link('a', "ada", "running"), nobody, at(3));
    let Begun::Known(known) = registry.begin(own('a', "ada")) else {
        panic!("it is known");
    };
    assert_eq!(known.failure, None);
    assert_eq!(known.record.state, SessionState::Running);
    assert_eq!(known.record.end_reason, "");
}

#[test]
fn a_session_that_was_given_up_appears_again_when_it_runs() {
    let mut registry = registry();
    registry.begin(own('a', "ada"));
    registry.report(UID, &link('a', "ada", "running"), nobody, at(1));
    assert!(!registry.purge(&id('a')), "it is not over");
    registry.edit(&id('a'), at(2), |own| {
        own.record.state = SessionState::Ended;
    });
    assert!(registry.purge(&id('a')));
    let ended = registry.report(UID, &link('a', "ada", "ended"), anybody, at(3));
    assert_eq!(ended, None);
    let running = registry.report(UID, &link('a', "ada", "running"), anybody, at(4));
    assert_eq!(running.unwrap().state, SessionState::Running);
}

#[test]
fn an_unknown_session_is_adopted_only_for_logins_of_the_node() {
    let mut registry = registry();
    assert_eq!(
        registry.report(UID, &link('a', "eve", "running"), nobody, at(1)),
        None
    );
    let adopted = registry
        .report(UID, &link('a', "ada", "running"), anybody, at(1))
        .unwrap();
    assert_eq!(adopted.server_id.as_str(), "me");
}

#[test]
fn what_a_snapshot_lacks_is_over_except_what_is_just_starting() {
    let mut registry = registry();
    registry.begin(own('a', "ada"));
    registry.begin(own('b', "ada"));
    registry.begin(own('c', "ada"));
    registry.set_in_flight(&id('b'), true);
    registry.report(UID, &link('a', "ada", "running"), nobody, at(1));
    let changed = registry.snapshot(UID, &[], nobody, at(2));
    let ended: Vec<_> = changed.iter().map(|s| (s.id.clone(), s.state)).collect();
    let over = SessionState::Ended;
    assert_eq!(
        ended,
        [(id('a'), over), (id('c'), over)],
        "a start that nobody waits for is lost"
    );
    assert!(changed[0].end_reason.contains("restarted"));
    assert_eq!(
        registry.get(&id('b')).unwrap().record.state,
        SessionState::Starting
    );
    assert!(
        registry.snapshot(UID + 1, &[], nobody, at(3)).is_empty(),
        "not that link's"
    );
}

#[test]
fn versions_grow_over_a_loss_of_memory() {
    let mut first = registry();
    let before = first
        .report(UID, &link('a', "ada", "running"), anybody, at(10))
        .unwrap();
    let mut second = registry();
    let after = second
        .report(UID, &link('a', "ada", "running"), anybody, at(20))
        .unwrap();
    assert!(after.version > before.version);
    let twice = second
        .edit(&id('a'), at(5), |s| s.record.viewers = 1)
        .unwrap();
    assert_eq!(
        twice.version,
        after.version + 1,
        "also when the clock was set back"
    );
}

#[test]
fn old_ended_sessions_are_forgotten_and_their_number_is_bounded() {
    let mut registry = registry();
    registry.report(UID, &link('a', "ada", "running"), anybody, at(0));
    registry.report(UID, &link('a', "ada", "ended"), anybody, at(1));
    assert!(registry.forget_old(at(3601)).is_empty());
    assert_eq!(registry.forget_old(at(3602)), [id('a')]);
    for n in 0..=LIMIT {
        let mut session = link('a', "ada", "running");
        session.start.id = SessionId::from_random((n as u64).to_be_bytes());
        registry.report(UID, &session, anybody, at(1));
    }
    assert_eq!(registry.iter().count(), LIMIT);
    assert_eq!(registry.begin(own('b', "ada")), Begun::Full);
}

#[test]
fn who_was_there_when_the_process_died_has_left_now() {
    let mut seen = own('a', "ada");
    seen.record.state = SessionState::Running;
    seen.record.last_disconnect = Some(at(5));
    let unseen = own('b', "ada");
    seen.record.viewers = 2;
    let kept = vec![seen, unseen];
    let registry = Registry::restore("me".parse().unwrap(), kept, at(1000));
    let left = |digit| registry.get(&id(digit)).unwrap().record.last_disconnect;
    assert_eq!(left('a'), Some(at(1000)), "its limit begins here");
    assert_eq!(left('b'), None);
    assert_eq!(registry.get(&id('a')).unwrap().record.viewers, 0);
}

#[test]
fn a_purged_session_does_not_come_back_as_an_ended_one() {
    let mut registry = registry();
    assert_eq!(registry.begin(own('a', "ada")), Begun::New);
    assert!(!registry.purge(&id('a')), "it is not over");
    registry.report(UID, &link('a', "ada", "ended"), anybody, at(1));
    assert!(registry.purge(&id('a')));
    assert!(registry.get(&id('a')).is_none());
    let told = registry.snapshot(UID, &[link('a', "ada", "ended")], anybody, at(2));
    assert!(told.is_empty() && registry.get(&id('a')).is_none());
    let alive = registry.report(UID, &link('a', "ada", "running"), anybody, at(3));
    assert!(alive.is_some(), "what runs is never hidden");
}

/// A session of user `uid`, over since second `number`.
fn over(number: usize, uid: u32) -> OwnSession {
    let mut over = own('a', "ada");
    over.uid = uid;
    over.record.id = format!("{number:016x}").parse().unwrap();
    over.record.state = SessionState::Ended;
    over.record.changed = at(i64::try_from(number).unwrap());
    over
}

#[test]
fn ended_sessions_are_bounded_and_the_oldest_go_first() {
    let mut registry = registry();
    for number in 0..ENDED_EACH + 10 {
        registry.begin(over(number, UID));
    }
    let gone = registry.forget_old(at(100));
    let oldest: Vec<SessionId> = (0..10).map(|n| over(n, UID).record.id).collect();
    assert_eq!(
        gone.into_iter().collect::<BTreeSet<_>>(),
        oldest.into_iter().collect()
    );
    for number in 0..ENDED {
        let uid = UID + 1 + u32::try_from(number / ENDED_EACH).unwrap();
        registry.begin(over(1000 + number, uid));
    }
    registry.forget_old(at(1600));
    assert_eq!(registry.iter().count(), ENDED);
    assert!(
        registry.iter().all(|s| s.uid != UID),
        "these are the oldest"
    );
}

#[test]
fn ended_sessions_never_keep_out_one_that_runs() {
    let mut registry = registry();
    for number in 0..LIMIT {
        registry.begin(over(number, UID));
    }
    let ended = registry.report(UID, &link('e', "ada", "ended"), anybody, at(1));
    assert_eq!(ended, None, "there are enough of those");
    let adopted = registry.report(UID, &link('f', "ada", "running"), anybody, at(1));
    assert!(adopted.is_some());
}

#[test]
fn a_link_brings_no_larger_parameters_than_anybody_may_ask_for() {
    let mut registry = registry();
    let mut large = link('a', "ada", "running");
    large.start.params = (0..9).map(|n| (n.to_string(), "x".repeat(1000))).collect();
    let adopted = registry.report(UID, &large, anybody, at(1)).unwrap();
    assert!(adopted.params.is_empty());
    let mut small = link('a', "ada", "running");
    small.start.params = [("a".to_owned(), "b".to_owned())].into();
    registry.report(UID, &small, anybody, at(2));
    registry.report(UID, &large, anybody, at(3));
    assert_eq!(
        registry.get(&id('a')).unwrap().record.params,
        small.start.params
    );
}

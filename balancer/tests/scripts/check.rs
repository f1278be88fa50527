//! Checking a script before it is used: compile errors with their place, and its own tests.

use crate::support::{LIMITS, command};
use fastx_balancer::{ScriptTest, check_with};
use serde_json::{Value, json};

fn test(input: Value, expect: Value) -> ScriptTest {
    ScriptTest {
        name: "t".to_owned(),
        input,
        expect,
    }
}

#[tokio::test]
async fn compile_errors_have_a_place() {
    let report = check_with(command(), "function(input) {\n  retrun 5; }", LIMITS, &[]).await;
    let error = report.compiled.unwrap_err();
    assert_eq!(error.at.unwrap().line, 2);
    assert!(!error.message.is_empty());
    assert!(report.tests.is_empty());
}

#[tokio::test]
async fn tests_pass_or_say_what_came() {
    let source = "function(input) {
        if (input.user.login === 'eve') throw new Error('not for you, ' + input.user.login);
        if (input.user.login === 'bug') return input.nope.x;
        console.log(input.local.serverId, input.local.sessions);
        const gpu = input.servers.filter(s => s.gpu);
        if (input.data.all) return gpu;
        return gpu.length ? gpu[0].serverId : null;
    }";
    let rows =
        json!([{"serverId": "x"}, {"serverId": "y", "sessions": 4, "staticData": {"gpu": 1}}]);
    let cases = [
        (
            json!({"servers": rows, "local": {"serverId": "y"}}),
            json!("y"),
            "",
        ),
        (json!({}), json!(null), ""),
        (Value::Null, json!(null), ""),
        (
            json!({"servers": rows, "data": {"all": 1}}),
            json!(["y"]),
            "",
        ),
        (
            json!({"user": {"login": "eve"}}),
            json!({"error": "not for you"}),
            "",
        ),
        (
            json!({"user": {"login": "bug"}}),
            json!({"throws": "cannot read property"}),
            "",
        ),
        (
            json!({"servers": rows}),
            json!("x"),
            "expected: it chooses `x`; got: it chooses `y`",
        ),
        (
            json!({"user": {"login": "eve"}}),
            json!("x"),
            "expected: it chooses `x`; got: it throws `not for you, eve`",
        ),
        (
            json!({}),
            json!({"throws": "x"}),
            "expected: it throws `x`; got: it passes",
        ),
        (
            json!({}),
            json!(5),
            "the test is not valid: 5 cannot be expected",
        ),
        (
            json!({"servers": 5}),
            json!("x"),
            "the test is not valid: `servers` must be an array",
        ),
        (
            json!({"servers": [{}]}),
            json!("x"),
            "the test is not valid: a server needs a `serverId`",
        ),
    ];
    let tests: Vec<ScriptTest> = cases
        .iter()
        .map(|c| test(c.0.clone(), c.1.clone()))
        .collect();
    let report = check_with(command(), source, LIMITS, &tests).await;
    assert_eq!(report.compiled, Ok(()));
    let details: Vec<&str> = report.tests.iter().map(|t| t.detail.as_str()).collect();
    assert_eq!(details, cases.each_ref().map(|case| case.2));
    assert!(report.tests.iter().all(|t| t.passed == t.detail.is_empty()));
    assert_eq!(report.tests[0].console, ["y 4"]);
    assert!(!report.is_good());
}

#[tokio::test]
async fn a_test_that_never_ends_ends() {
    let limits = fastx_core::wire::config::ScriptLimits {
        time_ms: 200,
        ..LIMITS
    };
    let source = "i => { if (i.data.loop) for (;;); return 'a' }";
    let tests = [
        test(json!({"data": {"loop": 1}}), json!("a")),
        test(json!({}), json!("a")),
    ];
    let report = check_with(command(), source, limits, &tests).await;
    assert_eq!(
        report.tests[0].detail,
        "expected: it chooses `a`; got: it did not answer within 200 ms"
    );
    assert!(report.tests[1].passed);
}

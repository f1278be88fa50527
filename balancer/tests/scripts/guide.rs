//! What administrators were told: the input object, the results, the built-ins, and the trace.

use crate::support::{balancer, builtin, choice, cluster, decide, script, server, summary};
use fastx_balancer::{Balancer, Choice};
use serde_json::{Value, json};

#[tokio::test]
async fn every_kind_of_result() {
    let missing = "but the cluster has no such server";
    for (source, expect) in [
        (
            "function(input) {\n  return input.local.serverId;\n}",
            "b".to_owned(),
        ),
        ("function pick(input) { return 'c' }", "c".to_owned()),
        ("input => input.servers[0].serverId", "a".to_owned()),
        (
            "const LAST = 2;\ninput => input.servers[LAST].serverId",
            "c".to_owned(),
        ),
        (
            "input => 'nowhere'",
            format!("script-failed: script `s` chose `nowhere`, {missing}"),
        ),
        (
            "input => 'off'",
            "script-failed: script `s` chose `off`, which may not be chosen: \
            offline: last heard of at 1970-01-01T00:00:00Z"
                .to_owned(),
        ),
        (
            "input => [{serverId: 'nowhere'}]",
            format!("script-failed: script `s` returned a list with `nowhere`, {missing}"),
        ),
        (
            "() => { throw new Error('All GPU servers are in use') }",
            "script-refused: All GPU servers are in use".to_owned(),
        ),
        (
            "() => { throw 'plain text' }",
            "script-refused: plain text".to_owned(),
        ),
        (
            "() => { throw {message: 'of an object'} }",
            "script-refused: of an object".to_owned(),
        ),
        (
            "() => { const e = new Error('own'); e.name = 'QuotaError'; throw e }",
            "script-refused: own".to_owned(),
        ),
        (
            "() => { throw undefined }",
            "script-refused: script `s` refused without saying why".to_owned(),
        ),
        (
            "function(input) {\n  return input.nope.x }",
            "script-failed: script `s` failed: TypeError: cannot read property 'x' of undefined \
            (line 2, column 10)"
                .to_owned(),
        ),
        (
            "() => 5",
            "script-failed: script `s` returned the number 5; it may return a `serverId`, \
            an array of servers, or nothing"
                .to_owned(),
        ),
        (
            "() => [1]",
            "script-failed: script `s` returned an array whose entry 0 is the number 1; \
            it may return a `serverId`, an array of servers, or nothing"
                .to_owned(),
        ),
        (
            "i => i.servers[0]",
            "script-failed: script `s` returned a server object, but it must \
            return its `serverId` or an array; it may return a `serverId`, an array of servers, \
            or nothing"
                .to_owned(),
        ),
    ] {
        let (decision, result) = decide(&[script("s", 1, source)]).await;
        assert_eq!(summary(&result), expect, "{source}");
        assert_eq!(decision.chosen, result.ok());
        assert_eq!(
            decision.servers.len(),
            5,
            "every server has a verdict: {source}"
        );
    }
}

#[tokio::test]
async fn falsy_results_pass_and_arrays_become_the_next_list() {
    let all = "a,b,c";
    for (first, then) in [
        ("() => undefined", all),
        ("() => null", all),
        ("() => 0", all),
        ("() => ''", all),
        ("() => false", all),
        ("() => NaN", all),
        ("function(input) { input.servers.length = 0; }", all),
        ("input => input.servers.filter(s => s.sessions < 5)", "a,b"),
        (
            "input => input.servers.sort((x, y) => x.sessions - y.sessions)",
            "b,a,c",
        ),
        ("input => ['c', input.servers[0]]", "c,a"),
        (
            "input => input.servers.map(s => ({...s, score: 1})).reverse()",
            "c,b,a",
        ),
    ] {
        let second = "input => { throw input.servers.map(s => s.serverId).join() }";
        let (_, result) = decide(&[script("second", 2, second), script("first", 1, first)]).await;
        assert_eq!(
            summary(&result),
            format!("script-refused: {then}"),
            "{first}"
        );
    }
}

#[tokio::test]
async fn the_input_object_is_the_one_of_the_guide() {
    let source = "input => { throw JSON.stringify(input) }";
    let (_, result) = decide(&[script("s", 1, source)]).await;
    let input: Value = serde_json::from_str(&result.unwrap_err().detail).unwrap();
    let mut names: Vec<&String> = input.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "action",
            "data",
            "isAdmin",
            "isManager",
            "local",
            "servers",
            "user",
            "userGroups"
        ]
    );
    assert_eq!(input["action"], "session/start");
    assert_eq!(
        input["user"],
        json!({"login": "ada", "serverId": "", "sessions": [], "fastx/daemon": true})
    );
    assert_eq!(input["userGroups"], json!(["staff"]));
    assert_eq!(
        (&input["isManager"], &input["isAdmin"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(input["data"], json!({"geometry": "800x600"}));
    assert_eq!(input["local"], input["servers"][1]);
    let b = &input["servers"][1];
    assert_eq!(b["serverId"], "b");
    assert_eq!(b["gpu"], json!(true));
    assert_eq!(b["sessions"], json!(1), "built-in names win");
    assert_eq!(b["staticData"]["sessions"], json!(77));
    assert_eq!(input["servers"][2]["temperature"], "40");
    assert_eq!(input["servers"][0]["loadavg"], json!([3, 2, 1]));
}

#[tokio::test]
async fn the_local_server_is_known_even_when_it_does_not_fit() {
    let servers = cluster();
    let balancer = balancer(&[script("s", 1, "i => { throw JSON.stringify(i.local) }")]).await;
    let from = |id: &str| Choice {
        local: id.parse().unwrap(),
        ..choice(&servers)
    };
    let (_, result) = balancer.choose(from("closed")).await;
    let local: Value = serde_json::from_str(&result.unwrap_err().detail).unwrap();
    assert_eq!(
        (&local["serverId"], &local["sessions"]),
        (&json!("closed"), &json!(0))
    );
    let (_, result) = balancer.choose(from("unheard")).await;
    assert_eq!(
        summary(&result),
        "script-refused: {\"serverId\":\"unheard\"}"
    );
}

#[tokio::test]
async fn built_ins_follow_the_same_rules() {
    for (name, expect) in [
        ("fewestSessions", "b"),
        ("mostAvailableMemory", "b"),
        ("roundRobin", "a"),
        ("whereIAmConnected", "b"),
    ] {
        let (decision, result) = decide(&[builtin(name, 1)]).await;
        assert_eq!(summary(&result), expect, "{name}");
        assert_eq!(decision.steps[0].outcome, "chose");
    }
    let without_b = script("no-b", 1, "i => i.servers.filter(s => s.serverId !== 'b')");
    let (decision, result) = decide(&[without_b.clone(), builtin("whereIAmConnected", 2)]).await;
    assert_eq!(result.unwrap_err().kind, "no-server-fits");
    assert_eq!(decision.steps[1].outcome, "passed");
    let (_, result) = decide(&[without_b, builtin("fewestSessions", 2)]).await;
    assert_eq!(summary(&result), "a");
    let (decision, result) = decide(&[]).await;
    assert_eq!(summary(&result), "b");
    assert_eq!(decision.steps[0].script, "fewestSessions");
}

#[tokio::test]
async fn round_robin_goes_round() {
    let servers = cluster();
    let balancer = balancer(&[builtin("roundRobin", 1)]).await;
    let mut chosen = String::new();
    for _ in 0..4 {
        let previous = balancer.last_chosen("session/start");
        let request = Choice {
            previous,
            ..choice(&servers)
        };
        chosen += &summary(&balancer.choose(request).await.1);
    }
    assert_eq!(chosen, "abca");
}

#[tokio::test]
async fn the_trace_says_what_became_of_every_server() {
    let (decision, result) = decide(&[
        script("small", 1, "i => { console.log('seen', i.servers.length, {x: 1}); return i.servers.filter(s => s.sessions < 5) }"),
        script("nothing", 2, "() => 0"),
        script("pick", 3, "() => 'b'"),
        script("never", 4, "() => 'a'"),
    ])
    .await;
    assert_eq!(summary(&result), "b");
    let verdicts: Vec<String> = decision
        .servers
        .iter()
        .map(|v| format!("{} {} [{}] {}", v.server_id, v.chosen, v.by, v.reason))
        .collect();
    assert_eq!(
        verdicts,
        [
            "a false [pick] not chosen: script `pick` chose `b`",
            "b true [] ",
            "c false [small] filtered out by script `small`",
            "closed false [cluster] starting sessions is switched off on it",
            "off false [cluster] offline: last heard of at 1970-01-01T00:00:00Z",
        ]
    );
    let steps: Vec<String> = decision
        .steps
        .iter()
        .map(|s| format!("{} {} {}", s.script, s.outcome, s.detail))
        .collect();
    assert_eq!(
        steps,
        [
            "small filtered a, b\nconsole: seen 3 {\"x\":1}",
            "nothing passed ",
            "pick chose b",
        ]
    );
    assert!(decision.steps[0].micros > 0);
}

#[tokio::test]
async fn a_refusal_says_for_every_server_why() {
    for (source, reason) in [
        ("() => []", "filtered out by script `s`"),
        ("() => 0", "no script chose it"),
    ] {
        let (decision, result) = decide(&[script("s", 1, source)]).await;
        let problem = result.unwrap_err();
        assert_eq!(
            (problem.kind.as_str(), problem.status),
            ("no-server-fits", 503)
        );
        assert_eq!(problem.servers, decision.servers);
        let reasons: Vec<&str> = problem.servers.iter().map(|v| v.reason.as_str()).collect();
        assert_eq!(reasons[..3], [reason; 3]);
        assert!(reasons[4].starts_with("offline"));
        assert!(decision.chosen.is_none());
    }
    let nobody = balancer(&[script("s", 1, "() => 'a'")]).await;
    let servers = &cluster()[3..];
    let (decision, result) = nobody.choose(choice(servers)).await;
    assert_eq!(
        summary(&result),
        "no-server-fits: The rules of the cluster left out all servers (2)."
    );
    assert!(decision.steps.is_empty());
    let (_, result) = nobody.choose(choice(&[])).await;
    assert_eq!(
        summary(&result),
        "no-server-fits: The cluster has no servers."
    );
}

#[tokio::test]
async fn a_login_has_its_own_scripts_and_its_own_servers() {
    let mut servers = cluster();
    servers[0].server.logins = false;
    let mut login = script(
        "for-login",
        1,
        "i => { throw i.action + i.servers.map(s => s.serverId) }",
    );
    login.actions = vec!["user/login".to_owned()];
    let balancer = balancer(&[login, script("for-start", 1, "() => 'c'")]).await;
    let request = Choice {
        action: "user/login",
        ..choice(&servers)
    };
    let (decision, result) = balancer.choose(request).await;
    assert_eq!(summary(&result), "script-refused: user/loginb,c,closed");
    assert_eq!(
        decision.servers[0].reason,
        "signing in is switched off on it"
    );
    assert_eq!(summary(&balancer.choose(choice(&servers)).await.1), "c");
}

#[tokio::test]
async fn changes_of_servers_reach_the_scripts() {
    let source =
        "i => { throw i.servers.map(s => `${s.serverId}${s.sessions}${s.gpu ?? '-'}`).join() }";
    let balancer = balancer(&[script("s", 1, source)]).await;
    let mut servers = cluster();
    let seen = async |servers: &[_]| {
        let result = balancer.choose(choice(servers)).await.1;
        result.unwrap_err().detail
    };
    assert_eq!(seen(&servers).await, "a2-,b1true,c5-");
    servers[0].server.sessions = 9;
    servers[1].server.static_data.clear();
    assert_eq!(seen(&servers).await, "a9-,b1-,c5-");
    servers.remove(0);
    servers.push(server(&json!({"serverId": "d", "staticData": {"gpu": 1}})));
    assert_eq!(seen(&servers).await, "b1-,c5-,d01");
    servers.push(server(&json!({"serverId": "a", "sessions": 4})));
    assert_eq!(seen(&servers).await, "a4-,b1-,c5-,d01");
}

#[tokio::test]
async fn a_script_that_cannot_run_is_named_and_stops_its_chain() {
    let both = fastx_core::wire::config::Script {
        builtin: "roundRobin".to_owned(),
        ..script("both", 5, "() => 'a'")
    };
    let scripts = [
        script("fine", 9, "() => 'a'"),
        script("bad", 1, "function(input) {\n  return input..x }"),
        script("number", 2, "42"),
        script("helper", 3, "null.x;\n() => 'a'"),
        script("empty", 4, "  "),
        both,
        builtin("eval", 6),
    ];
    let balancer = Balancer::spawn(crate::support::command());
    let report: Vec<String> = balancer
        .configure(&scripts, crate::support::LIMITS)
        .await
        .into_iter()
        .map(|(name, result)| {
            let text = result.map_or_else(|error| error.to_string(), |()| "ok".to_owned());
            format!("{name}: {text}")
        })
        .collect();
    assert_eq!(
        report,
        [
            "bad: line 2, column 16: expecting field name",
            "number: a script must be one function, such as `function(input) { … }`, but this is the number 42",
            "helper: line 1, column 1: cannot read property 'x' of null",
            "empty: it has neither a source nor a built-in",
            "both: it has both a source and a built-in",
            "my-eval: there is no built-in `eval`, only fewestSessions, mostAvailableMemory, roundRobin, whereIAmConnected",
            "fine: ok",
        ]
    );
    let servers = cluster();
    let (_, result) = balancer.choose(choice(&servers)).await;
    assert_eq!(
        summary(&result),
        "script-failed: script `bad` could not be run: line 2, column 16: expecting field name"
    );
    let fine = balancer
        .configure(&scripts[..1], crate::support::LIMITS)
        .await;
    assert_eq!(fine, [("fine".to_owned(), Ok(()))]);
    assert_eq!(summary(&balancer.choose(choice(&servers)).await.1), "a");
}

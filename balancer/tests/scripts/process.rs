//! The script process as a process: what it may do, and what happens when it dies or many ask at once.

use std::time::Duration;

use crate::support::{LIMITS, balancer, choice, cluster, command, script, server, summary};
use fastx_balancer::{Balancer, Choice, CompileError, WorkerCommand};
use fastx_core::wire::config::ScriptLimits;
use fastx_core::wire::server::ServerRecord;
use proptest::prelude::*;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_is_replaced() {
    let servers = cluster();
    let balancer = balancer(&[script("s", 1, "i => i.servers[2].serverId")]).await;
    for _ in 0..3 {
        let pid = balancer.worker_pid().unwrap();
        let raw = i32::try_from(pid).unwrap();
        kill_process(Pid::from_raw(raw).unwrap(), Signal::KILL).unwrap();
        assert_eq!(summary(&balancer.choose(choice(&servers)).await.1), "c");
        assert_ne!(balancer.worker_pid(), Some(pid));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_stopped_from_outside_is_replaced() {
    let servers = cluster();
    let short = ScriptLimits {
        time_ms: 300,
        ..LIMITS
    };
    let balancer = Balancer::spawn(command());
    let scripts = [script("s", 1, "i => i.servers[2].serverId")];
    balancer.configure(&scripts, short).await;
    balancer.choose(choice(&servers)).await.1.unwrap();
    let raw = i32::try_from(balancer.worker_pid().unwrap()).unwrap();
    kill_process(Pid::from_raw(raw).unwrap(), Signal::STOP).unwrap();
    eventually("it is stopped", || {
        let status = std::fs::read_to_string(format!("/proc/{raw}/task/{raw}/status")).unwrap();
        status.contains("State:\tT")
    })
    .await;
    let (_, result) = balancer.choose(choice(&servers)).await;
    assert_eq!(
        summary(&result),
        "script-timeout: script `s` did not answer within 300 ms"
    );
    assert_eq!(summary(&balancer.choose(choice(&servers)).await.1), "c");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_has_nothing() {
    let balancer = balancer(&[script("s", 1, "() => 'a'")]).await;
    let proc = format!("/proc/{}", balancer.worker_pid().unwrap());
    let status = std::fs::read_to_string(format!("{proc}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2", "a filter is in force");
    let limits = std::fs::read_to_string(format!("{proc}/limits")).unwrap();
    for name in [
        "Max open files",
        "Max processes",
        "Max file size",
        "Max core file size",
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let soft = line[name.len()..].split_whitespace().next();
        assert_eq!(soft, Some("0"), "{line}");
    }
    // Readable for root only, because it is not dumpable.
    if let Ok(environment) = std::fs::read(format!("{proc}/environ")) {
        assert_eq!(environment, b"");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_ends_with_the_balancer() {
    let balancer = balancer(&[script("s", 1, "() => 'a'")]).await;
    let raw = i32::try_from(balancer.worker_pid().unwrap()).unwrap();
    let pid = Pid::from_raw(raw).unwrap();
    drop(balancer);
    eventually("the process is gone", || {
        rustix::process::test_kill_process(pid).is_err()
    })
    .await;
}

#[tokio::test]
async fn without_a_process_the_answer_says_so() {
    let balancer = Balancer::spawn(WorkerCommand::new("/nonexistent/binary"));
    let report = balancer
        .configure(&[script("s", 1, "() => 'a'")], LIMITS)
        .await;
    let Err(CompileError { message, .. }) = &report[0].1 else {
        unreachable!("there is no such binary");
    };
    assert!(
        message.starts_with("the script process did not start"),
        "{message}"
    );
    let servers = cluster();
    let (_, result) = balancer.choose(choice(&servers)).await;
    let seen = summary(&result);
    assert!(
        seen.starts_with("script-failed: script `s` could not be run: the script process"),
        "{seen}"
    );
    // A binary that is no script process is noticed, too.
    let balancer = Balancer::spawn(WorkerCommand::new("/bin/true"));
    let report = balancer
        .configure(&[script("s", 1, "() => 'a'")], LIMITS)
        .await;
    assert!(report[0].1.is_err());
}

#[tokio::test]
async fn helper_code_that_hangs_is_refused_and_others_load() {
    let short = ScriptLimits {
        time_ms: 200,
        ..LIMITS
    };
    let scripts = [
        script("loops", 1, "for (;;);\n() => 'a'"),
        script(
            "stuck",
            2,
            "Array.prototype.reverse.call({ length: 2 ** 50 });\n() => 'a'",
        ),
        script("fine", 3, "() => 'a'"),
    ];
    let balancer = Balancer::spawn(command());
    let report: Vec<String> = balancer
        .configure(&scripts, short)
        .await
        .into_iter()
        .map(|(_, result)| result.map_or_else(|error| error.to_string(), |()| "ok".to_owned()))
        .collect();
    assert_eq!(
        report,
        [
            "its helper code did not end within 200 ms",
            "it could not be loaded: no answer in time",
            "ok"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_and_some_that_give_up() {
    let servers = cluster();
    let source = "i => { const end = i.data.n; return i.servers[end % 3].serverId }";
    let balancer = balancer(&[script("s", 1, source)]).await;
    let requests = (0..40).map(|n| {
        let balancer = balancer.clone();
        let servers = servers.clone();
        tokio::spawn(async move {
            let request = Choice {
                data: json!({ "n": n }),
                ..choice(&servers)
            };
            let choosing = balancer.choose(request);
            if n % 4 == 3 {
                // The caller goes away; the others must not notice.
                let _ = tokio::time::timeout(Duration::from_micros(50), choosing).await;
                return true;
            }
            summary(&choosing.await.1) == ["a", "b", "c"][n % 3]
        })
    });
    for request in requests.collect::<Vec<_>>() {
        assert!(request.await.unwrap());
    }
}

#[tokio::test]
async fn the_same_request_gives_the_same_answer() {
    let servers = cluster();
    let dice = "i => { throw [Math.random(), Math.random(), Date.now()].join() }";
    let once = balancer(&[script("s", 1, dice)]).await;
    let twice = balancer(&[script("s", 1, dice)]).await;
    let with_seed = |seed| Choice {
        seed,
        ..choice(&servers)
    };
    let first = summary(&once.choose(with_seed(1)).await.1);
    assert_eq!(first, summary(&once.choose(with_seed(1)).await.1));
    assert_eq!(first, summary(&twice.choose(with_seed(1)).await.1));
    assert_ne!(first, summary(&once.choose(with_seed(2)).await.1));
    let pick = "i => i.servers[Math.floor(Math.random() * i.servers.length)].serverId";
    let spread = balancer(&[script("s", 1, pick)]).await;
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..30 {
        seen.insert(summary(&spread.choose(with_seed(seed)).await.1));
    }
    assert_eq!(seen.len(), 3, "chance reaches every server: {seen:?}");
}

#[test]
fn the_order_of_servers_does_not_matter() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let score = "i => i.servers.map(s => ({...s, w: s.sessions * 3 - s.freemem}))\
        .sort((x, y) => x.w - y.w).slice(0, 4)";
    let balancer = runtime.block_on(balancer(&[
        script("score", 1, score),
        script(
            "dice",
            2,
            "i => Math.random() < 0.5 ? i.servers[0].serverId : 0",
        ),
        crate::support::builtin("fewestSessions", 3),
    ]));
    let ids = "abcdefgh";
    let any = proptest::collection::vec((0..4_u32, 0..4_u64, any::<bool>()), 1..8)
        .prop_map(move |rows| {
            let servers = ids.chars().zip(rows).map(|(id, (sessions, freemem, online))| {
                let fields = json!({"serverId": id.to_string(), "sessions": sessions, "freemem": freemem});
                ServerRecord {
                    online,
                    ..server(&fields)
                }
            });
            servers.collect::<Vec<_>>()
        })
        .prop_flat_map(|servers| (Just(servers.clone()), Just(servers).prop_shuffle(), any::<u64>()));
    proptest!(ProptestConfig::with_cases(100), |((sorted, shuffled, seed) in any)| {
        let ask = |servers: &[ServerRecord]| {
            let request = Choice { seed, ..choice(servers) };
            let (mut decision, result) = runtime.block_on(balancer.choose(request));
            for step in &mut decision.steps {
                step.micros = 0;
            }
            (decision, result)
        };
        prop_assert_eq!(ask(&sorted), ask(&shuffled));
    });
}

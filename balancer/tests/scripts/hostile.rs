//! Scripts that attack or break: the user learns why, nothing else happens, and the next request works.

use crate::support::{choice, cluster, command, script, summary};
use fastx_balancer::Balancer;
use fastx_core::wire::config::ScriptLimits;

/// Short, because each endless script takes all of it.
const SHORT: ScriptLimits = ScriptLimits {
    time_ms: 200,
    memory_bytes: 16 * 1024 * 1024,
};

/// Runs a hostile script, then a tame one in the same balancer; gives what the user sees of the first.
async fn attack(source: &str, limits: ScriptLimits) -> String {
    let balancer = Balancer::spawn(command());
    let mut tame = script("tame", 1, "i => i.servers[2].serverId");
    tame.actions = vec!["tame".to_owned()];
    tame.limits = Some(crate::support::LIMITS);
    let scripts = [script("evil", 1, source), tame];
    for (name, result) in balancer.configure(&scripts, limits).await {
        assert!(result.is_ok(), "{name}: {result:?}\n{source}");
    }
    let servers = cluster();
    let (decision, result) = balancer.choose(choice(&servers)).await;
    assert_eq!(decision.servers.len(), 5, "{source}");
    let next = fastx_balancer::Choice {
        action: "tame",
        ..choice(&servers)
    };
    assert_eq!(
        summary(&balancer.choose(next).await.1),
        "c",
        "after {source}"
    );
    summary(&result)
}

#[tokio::test]
async fn endless_scripts_are_stopped() {
    for source in [
        "() => { for (;;); }",
        "() => { try { for (;;); } catch { return 'a' } finally { return 'a' } }",
        "() => { const f = function* () { for (;;) yield 1 }; for (const x of f()); }",
        "i => i.servers.sort(() => { for (;;); })",
        "() => /^(a+)+$/.test('a'.repeat(40) + 'b')",
        "() => [new Proxy({}, { get() { for (;;); } })]",
        "() => new Proxy([], { get() { for (;;); } })",
        "() => ({ get serverId() { for (;;); } })",
        "() => { throw { get message() { for (;;); } } }",
        "() => { throw { toString() { for (;;); } } }",
        "() => { console.log({ toJSON() { for (;;); } }) }",
        "() => 'x'.replace(/x/, () => { for (;;); })",
        // Native code that no handler interrupts: the parent kills the process.
        "() => Array.prototype.reverse.call({ length: 2 ** 50 })",
        "() => new Array(1000000000) + ''",
    ] {
        let seen = attack(source, SHORT).await;
        let expect = "script-timeout: script `evil` did not answer within 200 ms";
        // What throws is looked at within the limit too, but not when it has no message to look at.
        let harmless = "script-refused: script `evil` refused without saying why";
        let may = source.contains("toString") && seen == harmless;
        assert!(seen == expect || may, "{seen}\n{source}");
    }
}

#[tokio::test]
async fn greedy_scripts_are_stopped() {
    let memory = "script-failed: script `evil` needed more than 16 MiB of memory";
    let depth = "script-failed: script `evil` failed: RangeError: Maximum call stack size exceeded";
    for (source, expect) in [
        (
            "() => { const a = []; for (;;) a.push(new Array(1000).fill('x')) }",
            memory,
        ),
        (
            "() => { let s = 'x'; for (;;) s += s + 'y' + Math.random() }",
            "script-failed",
        ),
        (
            "() => { const a = []; for (;;) a.push(new Uint8Array(1 << 20)) }",
            memory,
        ),
        ("() => new ArrayBuffer(1e9)", memory),
        ("() => 'x'.repeat(1e9)", "script-failed"),
        ("() => 2n ** (2n ** 40n)", "script-failed"),
        ("() => { const f = () => f() + 1; f() }", depth),
        (
            "() => { let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return JSON.stringify(a) }",
            depth,
        ),
    ] {
        let limits = ScriptLimits {
            time_ms: 10_000,
            ..SHORT
        };
        let seen = attack(source, limits).await;
        let either = expect == memory && seen.contains("needed more than 16 MiB of memory");
        assert!(either || seen.starts_with(expect), "{seen}\n{source}");
    }
}

const ODD: &[(&str, &str)] = &[
    (
        "() => 'x'.repeat(1e6)",
        "script-failed: script `evil` chose `xxxxx",
    ),
    (
        "async () => 'a'",
        "script-failed: script `evil` returned a promise, but scripts cannot wait",
    ),
    (
        "() => Promise.resolve('a')",
        "script-failed: script `evil` returned a promise",
    ),
    (
        "function* (input) { yield 'a' }",
        "script-failed: script `evil` returned an object",
    ),
    (
        "() => new String('a')",
        "script-failed: script `evil` returned an object",
    ),
    (
        "() => Symbol('a')",
        "script-failed: script `evil` returned a symbol",
    ),
    (
        "() => () => 'a'",
        "script-failed: script `evil` returned a function",
    ),
    (
        "() => 5n",
        "script-failed: script `evil` returned the bigint 5",
    ),
    (
        "() => true",
        "script-failed: script `evil` returned the boolean true",
    ),
    (
        "() => ({ toString: () => 'a', valueOf: () => 'a' })",
        "script-failed: script `evil` returned an object",
    ),
    (
        "() => [{ get serverId() { throw new Error('from a getter') } }]",
        "script-refused: from a getter",
    ),
    (
        "() => [{ serverId: { toString: () => 'a' } }]",
        "script-failed: script `evil` returned an array whose entry 0",
    ),
    ("() => new Proxy(['a'], {})", "no-server-fits"),
    (
        "() => new Proxy({}, {})",
        "script-failed: script `evil` returned an object",
    ),
    (
        "() => new Proxy([], { get: (t, k) => k === 'length' ? 1e9 : 'a' })",
        "script-failed: script `evil` returned an array that is too long",
    ),
    (
        "() => new Array(1e9)",
        "script-failed: script `evil` returned an array that is too long",
    ),
    (
        "() => ['a', , 'b']",
        "script-failed: script `evil` returned an array whose entry 1 is undefined",
    ),
    (
        "() => ['\\ud800']",
        "script-failed: script `evil` returned a list with",
    ),
    ("() => '\\0'", "script-failed: script `evil` chose"),
    (
        "() => { throw { get message() { throw 1 } } }",
        "script-refused: script `evil` refused without",
    ),
    (
        "() => { throw { message: { toString: () => 'x' } } }",
        "script-refused: script `evil` refused without",
    ),
    (
        "() => { throw Object.create(null) }",
        "script-refused: script `evil` refused without",
    ),
    ("() => { throw Symbol('s') }", "script-refused: Symbol(s)"),
    (
        "() => { throw null }",
        "script-failed: script `evil` threw null",
    ),
    (
        "() => { const e = new Error('m'); e.message = 'z'.repeat(1e5); throw e }",
        "script-refused: zzz",
    ),
    (
        "() => { const e = new Error('m'); Object.defineProperty(e, 'stack', { get() { throw 2 } }); throw e }",
        "script-refused: m",
    ),
];

#[tokio::test]
async fn odd_answers_are_refused_in_words() {
    for (source, expect) in ODD {
        let seen = attack(source, crate::support::LIMITS).await;
        assert!(seen.starts_with(expect), "{seen}\n{source}");
        assert!(seen.len() < 3000, "too long: {source}");
    }
}

#[tokio::test]
async fn there_is_no_way_out() {
    let absent = "i => { throw ['std', 'os', 'scriptArgs', 'print', 'require', 'process', 'fetch', \
        'setTimeout', 'WeakRef', 'FinalizationRegistry', 'Atomics', 'SharedArrayBuffer', 'eval', \
        'performance', 'queueMicrotask', 'bjson', 'load', 'Worker', 'Deno', 'navigator'] \
        .filter(name => name in globalThis).join() || 'none' }";
    assert_eq!(
        attack(absent, crate::support::LIMITS).await,
        "script-refused: none"
    );
    for source in [
        "() => import('std')",
        "() => import('/etc/passwd')",
        "() => { throw String(this && this.std) }",
        "() => Function('return std')()",
        "() => (0, (() => {}).constructor)('return os')()",
    ] {
        let seen = attack(source, crate::support::LIMITS).await;
        assert!(seen.starts_with("script-"), "{seen}\n{source}");
    }
}

/// Runs a spoiler, then a witness that says what it finds; the spoiler's attempts may throw.
async fn spoiled(spoiler: &str, witness: &str) -> String {
    let spoiler = format!("(input) => {{ try {{ {spoiler} }} catch (e) {{ console.log(e) }} }}");
    let witness = format!("(input) => {{ throw String({witness}) }}");
    let both = [
        script("spoiler", 1, &spoiler),
        script("witness", 2, &witness),
    ];
    let balancer = crate::support::balancer(&both).await;
    let servers = cluster();
    let first = summary(&balancer.choose(choice(&servers)).await.1);
    let again = summary(&balancer.choose(choice(&servers)).await.1);
    assert_eq!(first, again, "{spoiler}");
    // The same script meets its own traces, if there are any.
    let own = format!(
        "(input) => {{ const seen = String({}); try {{ {spoiler}; (0, (input) => 0)(input) }} catch {{}} throw seen }}",
        &witness["(input) => { throw String(".len()..witness.len() - ") }".len()]
    );
    let own = crate::support::balancer(&[script("own", 1, &own)]).await;
    for _ in 0..2 {
        assert_eq!(
            summary(&own.choose(choice(&servers)).await.1),
            first,
            "{spoiler}"
        );
    }
    first
}

const SPOILERS: &[(&str, &str, &str)] = &[
    (
        "input.servers[0].sessions = 99",
        "input.servers[0].sessions",
        "2",
    ),
    (
        "delete input.servers[0].sessions",
        "input.servers[0].sessions",
        "2",
    ),
    (
        "Object.getPrototypeOf(input.servers[0]).evil = 1",
        "input.servers[0].evil",
        "undefined",
    ),
    (
        "input.servers[1].staticData.gpu = false",
        "input.servers[1].staticData.gpu",
        "true",
    ),
    (
        "input.servers[1].tags.push('y')",
        "input.servers[1].tags",
        "x",
    ),
    (
        "input.servers[0].loadavg[0] = 0",
        "input.servers[0].loadavg[0]",
        "3",
    ),
    ("input.local.serverId = 'a'", "input.local.serverId", "b"),
    (
        "input.user.login = 'root'; input.isAdmin = 7",
        "input.user.login + input.isAdmin",
        "adatrue",
    ),
    (
        "input.data.geometry = '1x1'",
        "input.data.geometry",
        "800x600",
    ),
    ("Object.prototype.evil = 1", "({}).evil", "undefined"),
    ("({}).__proto__.evil = 1", "({}).evil", "undefined"),
    (
        "({}).constructor.prototype.evil = 1",
        "({}).evil",
        "undefined",
    ),
    (
        "Array.prototype.filter = () => ['a']",
        "[1].filter(x => 0).length",
        "0",
    ),
    ("Array.prototype.push = null", "typeof [].push", "function"),
    (
        "Map.prototype.get = () => ({serverId: 'a', sessions: -1})",
        "input.servers[2].sessions",
        "5",
    ),
    (
        "JSON.parse = () => ({}); JSON.stringify = () => '{}'",
        "JSON.stringify({a: 1})",
        "{\"a\":1}",
    ),
    ("String.prototype.slice = () => 'a'", "'bcd'.slice(1)", "cd"),
    (
        "Math.random = () => 0; Date.now = () => 0",
        "Date.now()",
        "1770091506000",
    ),
    (
        "Date = null; Math = null",
        "typeof Date + typeof Math",
        "functionobject",
    ),
    (
        "globalThis.evil = 1; evil2 = 2",
        "typeof evil + typeof evil2",
        "undefinedundefined",
    ),
    ("this.evil = 1", "typeof evil", "undefined"),
    (
        "Function('return this')().evil = 1",
        "typeof evil",
        "undefined",
    ),
    (
        "Object.defineProperty(globalThis, 'evil', {value: 1})",
        "typeof evil",
        "undefined",
    ),
    (
        "Object.setPrototypeOf(globalThis, {evil: 1})",
        "typeof evil",
        "undefined",
    ),
    ("Object.preventExtensions(globalThis)", "(ok = 1, ok)", "1"),
    (
        "Object.setPrototypeOf(Object.prototype, {evil: 1})",
        "({}).evil",
        "undefined",
    ),
    (
        "Error.prepareStackTrace = (e, s) => { globalThis.sites = s }; new Error().stack",
        "typeof Error.prepareStackTrace",
        "undefined",
    ),
    (
        "(function* () {}).constructor.prototype.evil = 1",
        "(function* () {}).evil",
        "undefined",
    ),
    (
        "Object.getPrototypeOf([].values()).next = null",
        "[...[1]].length",
        "1",
    ),
    (
        "Object.getPrototypeOf(Promise.prototype).then = 1",
        "({}).then",
        "undefined",
    ),
    (
        "RegExp.prototype.exec = () => ['a']",
        "/x/.test('y')",
        "false",
    ),
    ("console.log = null", "typeof console.log", "function"),
    (
        "Promise.resolve().then(() => { globalThis.evil = 1 })",
        "typeof evil",
        "undefined",
    ),
    ("input.servers.__proto__.evil = 1", "[].evil", "undefined"),
    (
        "Symbol.for('x').description; Symbol.iterator = 1",
        "typeof Symbol.iterator",
        "symbol",
    ),
];

#[tokio::test]
async fn scripts_cannot_spoil_servers_or_each_other() {
    for (spoiler, witness, expect) in SPOILERS {
        let seen = spoiled(spoiler, witness).await;
        assert_eq!(seen, format!("script-refused: {expect}"), "{spoiler}");
    }
}

#[tokio::test]
async fn a_script_remembers_nothing() {
    for source in [
        "let n = 0;\n() => { n += 1; throw String(n) }",
        "function f() { f.n = (f.n || 0) + 1; throw String(f.n) }",
        "() => { globalThis.n = (globalThis.n || 0) + 1; throw String(n) }",
        "() => { const s = tag`x`; function tag(t) { return t }; try { s.n = (s.n || 0) + 1 } catch {} throw String(s.n || 1) }",
        "() => { const r = /x/g; r.test('xx'); throw String(r.lastIndex) }",
        "() => { for (n = 0; n < 1; n++); throw String(n) }",
    ] {
        let balancer = crate::support::balancer(&[script("s", 1, source)]).await;
        let servers = cluster();
        for _ in 0..3 {
            let seen = summary(&balancer.choose(choice(&servers)).await.1);
            assert_eq!(seen, "script-refused: 1", "{source}");
        }
    }
}

#[tokio::test]
async fn ordinary_code_works_in_spite_of_it_all() {
    for (source, expect) in [
        (
            "() => { const e = new Error('x'); e.name = 'Busy'; throw e.name + e }",
            "BusyBusy: x",
        ),
        (
            "() => { const o = {}; o.toString = () => 'mine'; o['constructor'] = 1; throw o + o.constructor }",
            "mine1",
        ),
        (
            "i => { const c = {}; for (const k of ['valueOf', 'a', 'a']) c[k] = (typeof c[k] === 'number' ? c[k] : 0) + 1; throw JSON.stringify(c) }",
            "{\"valueOf\":1,\"a\":2}",
        ),
        (
            "() => { class S { constructor() { this.x = 1 } toString() { return 'S' + this.x } } throw String(new S()) }",
            "S1",
        ),
        (
            "i => { throw Object.keys(i.servers[0]).includes('sessions') + String('gpu' in i.servers[1]) }",
            "truetrue",
        ),
        (
            "() => { throw new Date().toISOString() + Date.now() + new Date(0).getTime() + new Date(2020, 0, 1).getFullYear() }",
            "2026-02-03T04:05:06.000Z177009150600002020",
        ),
        (
            "() => { throw Date().slice(0, 15) + (new Date() instanceof Date) + (new Date().constructor === Date) }",
            "Tue Feb 03 2026truetrue",
        ),
        (
            "() => { const {a, ...rest} = {a: 1, b: 2}; throw [a, rest.b, [3, 1, 2].toSorted().join(''), new Map([[1, 2]]).get(1)].join() }",
            "1,2,123,2",
        ),
        (
            "() => { const m = 'gpu-7'.match(/(\\d+)/); throw m[1] + 'x'.padStart(3, '-') + (10).toFixed(1) }",
            "7--x10.0",
        ),
    ] {
        let seen = attack(source, crate::support::LIMITS).await;
        assert_eq!(seen, format!("script-refused: {expect}"), "{source}");
    }
}

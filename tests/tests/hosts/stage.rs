//! Runs scenarios on hosts that are booted once: some with all hosts for themselves, the others a host each, side by side.

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use fastx_tests::Failure;
use fastx_tests::hosts::people::PEOPLE;
use fastx_tests::hosts::{Bench, Host};
use futures::FutureExt as _;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

/// No scenario takes longer.
const LIMIT: Duration = Duration::from_mins(4);

/// What a scenario comes to.
type Outcome<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// Something that must hold.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: for<'a> fn(&'a Bench, &'a Host) -> Outcome<'a>,
}

/// Functions as scenarios.
macro_rules! scenarios {
    ($($module:ident::$name:ident),* $(,)?) => {
        vec![$(stage::Scenario {
            name: concat!(stringify!($module), "::", stringify!($name)),
            run: |bench, host| Box::pin($module::$name(bench, host)),
        }),*]
    };
}
pub(crate) use scenarios;

/// Which scenarios there are.
pub(crate) struct Plan<const N: usize> {
    /// Hosts to boot.
    pub(crate) hosts: &'static [&'static str; N],
    /// Need all hosts for themselves; they are given the first one.
    pub(crate) together: Vec<Scenario>,
    /// Of each host, beside those of the others.
    pub(crate) apart: [Vec<Scenario>; N],
}

impl<const N: usize> Plan<N> {
    /// Leaves out what was not asked for.
    fn only(&mut self, wanted: &[String]) {
        let fits = |s: &Scenario| wanted.is_empty() || wanted.iter().any(|w| s.name.contains(w));
        self.together.retain(fits);
        self.apart.iter_mut().for_each(|list| list.retain(fits));
    }
}

/// Runs what the arguments name, or everything.
pub(crate) fn run<const N: usize>(mut plan: Plan<N>) -> ExitCode {
    let words = std::env::args().skip(1);
    plan.only(
        &words
            .filter(|word| !word.starts_with('-'))
            .collect::<Vec<_>>(),
    );
    if plan.together.is_empty() && plan.apart.iter().all(Vec::is_empty) {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = runtime
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(all(&plan)));
    match outcome {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            say(&format!("{failed} failed"));
            ExitCode::FAILURE
        }
        Err(error) => {
            say(&format!("the hosts: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// How many failed.
async fn all<const N: usize>(plan: &Plan<N>) -> Result<usize, Failure> {
    let begun = Instant::now();
    let bench = Bench::up(plan.hosts).await?;
    say(&format!("{N} hosts are up, {:.1?}", begun.elapsed()));
    let mut failed = on(&bench, &bench.hosts()[0], &plan.together).await;
    // A thread each: commands on a host are waited for in place.
    let here = Handle::current();
    failed += std::thread::scope(|scope| {
        let lanes = plan.apart.iter().zip(bench.hosts());
        let lanes: Vec<_> = lanes
            .map(|(scenarios, host)| {
                let (bench, here) = (&bench, here.clone());
                scope.spawn(move || here.block_on(on(bench, host, scenarios)))
            })
            .collect();
        let counts = lanes.into_iter().map(|lane| lane.join().unwrap_or(1));
        counts.sum::<usize>()
    });
    Ok(failed)
}

/// One after the other; how many failed.
async fn on(bench: &Bench, host: &Host, scenarios: &[Scenario]) -> usize {
    let mut failed = 0;
    for scenario in scenarios {
        let begun = Instant::now();
        let running = AssertUnwindSafe((scenario.run)(bench, host)).catch_unwind();
        let outcome = match timeout(LIMIT, running).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err("an assertion failed, see above".into()),
            Err(_) => Err("it took too long".into()),
        };
        let (took, on) = (begun.elapsed(), host.name());
        match &outcome {
            Ok(()) => say(&format!("{} ({on}) ... ok, {took:.1?}", scenario.name)),
            Err(error) => {
                failed += 1;
                say(&format!(
                    "{} ({on}) ... FAILED, {took:.1?}: {error}",
                    scenario.name
                ));
                say(&logs(host));
            }
        }
        if let Err(error) = clean(bench, scenario, host).await {
            say(&format!("{on} is not as it was: {error}"));
            return failed + 1;
        }
    }
    failed
}

/// Makes the hosts as they were: no process of anybody, no change of a scenario.
async fn clean(bench: &Bench, scenario: &Scenario, host: &Host) -> Result<(), Failure> {
    let shared = ["cluster::", "keys::", "strangers::", "plain::"];
    let shared = shared
        .iter()
        .any(|module| scenario.name.starts_with(module));
    let hosts = if shared {
        bench.hosts()
    } else {
        std::slice::from_ref(host)
    };
    for host in hosts {
        let uids = PEOPLE.map(|p| p.uid.to_string()).join(",");
        host.root(&format!(
            "systemctl stop 'fastx-link@*' 'user@*' 2>/dev/null; pkill -KILL -u {uids}; rm -rf /tmp/fastx-* /tmp/.X11-unix/*; true"
        ))?;
        host.root("systemctl restart fastx-node")?;
    }
    for host in hosts {
        bench.joined(host).await?;
    }
    Ok(())
}

fn logs(host: &Host) -> String {
    host.root("journalctl -u fastx-node -n 40 --no-pager -o cat")
        .unwrap_or_else(|error| error.to_string())
}

fn say(text: &str) {
    let _gone = writeln!(std::io::stdout().lock(), "{text}");
}

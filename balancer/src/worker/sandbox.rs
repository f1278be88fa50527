//! One script in an engine of its own: its memory, its server objects, its limits.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rquickjs::context::{EvalOptions, intrinsic};
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Function, Object, Persistent, Runtime};
use serde::Deserialize;

use super::source::{self, Compiled, SourceMap};
use crate::wire::{Answer, Call, Called, CompileError, ScriptSource, Update};

/// Everything but what tells the time, waits, or shows the work of the garbage collector.
type Intrinsics = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::Proxy,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
    intrinsic::Promise,
);

const PRELUDE: &str = include_str!("prelude.js");
/// Depth of a script's calls, bytes of stack.
const STACK_BYTES: usize = 1024 * 1024;
/// What the engine itself takes, bytes.
const ENGINE_BYTES: u64 = 1024 * 1024;
/// Calls after which a fresh process takes over, in case something leaks.
const MAX_CALLS: u32 = 10_000;

/// An engine with one script.
pub(super) struct Sandbox {
    // Field order is drop order: values, then their context, then the engine.
    factory: Persistent<Function<'static>>,
    call: Persistent<Function<'static>>,
    update: Persistent<Function<'static>>,
    context: Context,
    runtime: Runtime,
    alarm: Rc<Alarm>,
    map: SourceMap,
    time: Duration,
    memory: u64,
    calls: u32,
}

/// Stops the script that runs once its time is over.
#[derive(Default)]
struct Alarm {
    at: Cell<Option<Instant>>,
    rang: Cell<bool>,
}

impl Alarm {
    fn set(&self, after: Duration) {
        self.rang.set(false);
        self.at.set(Some(now() + after));
    }

    fn off(&self) {
        self.at.set(None);
    }

    fn is_due(&self) -> bool {
        let due = self.at.get().is_some_and(|at| now() >= at);
        self.rang.set(self.rang.get() || due);
        due
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the edge: the script process measures the time that a script takes"
)]
fn now() -> Instant {
    Instant::now()
}

/// What the prelude's `call` gives.
#[derive(Deserialize)]
struct Outcome {
    answer: Answer,
    lines: Vec<String>,
    clean: bool,
}

impl Sandbox {
    /// Compiles a script, and runs its helper code once to see that it makes a function.
    pub(super) fn load(script: &ScriptSource) -> Result<Self, CompileError> {
        let alarm = Rc::new(Alarm::default());
        let (runtime, context) = engine(&alarm, script.memory_bytes).map_err(internal)?;
        let time = Duration::from_millis(script.time_ms);
        let loaded = context.with(|ctx| {
            let prelude = evaluate_prelude(&ctx).map_err(internal)?;
            let Compiled { factory, map } = source::compile(&ctx, &script.source)?;
            alarm.set(time);
            let checked = inspect(&ctx, &prelude, &factory, map);
            alarm.off();
            if alarm.rang.get() {
                let ms = script.time_ms;
                return Err(plain(format!("its helper code did not end within {ms} ms")));
            }
            checked?;
            let function = |name: &str| -> rquickjs::Result<_> {
                let function: Function<'_> = prelude.get(name)?;
                Ok(Persistent::save(&ctx, function))
            };
            let call = function("call").map_err(internal)?;
            let update = function("update").map_err(internal)?;
            Ok((Persistent::save(&ctx, factory), call, update, map))
        });
        let (factory, call, update, map) = loaded?;
        Ok(Self {
            factory,
            call,
            update,
            context,
            runtime,
            alarm,
            map,
            time,
            memory: script.memory_bytes,
            calls: 0,
        })
    }

    /// Brings the server objects up to date; they do not count against the script's memory.
    pub(super) fn update(&mut self, update: &Update) -> Result<(), String> {
        self.runtime.set_memory_limit(0);
        let text = serde_json::to_string(update).map_err(|error| error.to_string())?;
        self.context.with(|ctx| {
            let function = self.update.clone().restore(&ctx).map_err(internal);
            let function = function.map_err(|error| error.message)?;
            let done: rquickjs::CaughtResult<'_, ()> = function.call((text,)).catch(&ctx);
            done.map_err(|error| error.to_string())
        })?;
        self.limit_memory();
        Ok(())
    }

    fn limit_memory(&self) {
        let used = u64::try_from(self.runtime.memory_usage().malloc_size).unwrap_or(0);
        let limit = usize::try_from(used.saturating_add(self.memory)).unwrap_or(usize::MAX);
        self.runtime.set_memory_limit(limit);
    }

    /// Calls the script.
    pub(super) fn call(&mut self, call: &Call) -> Called {
        self.calls += 1;
        let started = now();
        let outcome = self.outcome(call);
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (answer, lines, clean) = match outcome {
            Ok(outcome) => (outcome.answer, outcome.lines, outcome.clean),
            Err(answer) => (answer, Vec::new(), false),
        };
        let answer = self.located(answer);
        // Jobs that a promise left behind would run in a later call.
        let spent = !clean
            || matches!(answer, Answer::OutOfMemory | Answer::ThrewNull)
            || self.runtime.is_job_pending()
            || self.calls >= MAX_CALLS;
        Called {
            answer,
            lines,
            micros,
            spent,
        }
    }

    fn outcome(&self, call: &Call) -> Result<Outcome, Answer> {
        let text = serde_json::to_string(call).map_err(|error| fail(error.to_string()))?;
        let made = self.context.with(|ctx| {
            let function = self.call.clone().restore(&ctx);
            let function = function.map_err(|error| fail(error.to_string()))?;
            let factory = self.factory.clone().restore(&ctx);
            let factory = factory.map_err(|error| fail(error.to_string()))?;
            self.alarm.set(self.time);
            let made: rquickjs::CaughtResult<'_, String> =
                function.call((factory, text)).catch(&ctx);
            self.alarm.off();
            if self.alarm.rang.get() {
                return Err(Answer::TimedOut);
            }
            made.map_err(|error| match error {
                CaughtError::Exception(e) if e.message().as_deref() == Some("out of memory") => {
                    Answer::OutOfMemory
                }
                other => fail(other.to_string()),
            })
        })?;
        serde_json::from_str(&made).map_err(|error| fail(error.to_string()))
    }

    /// Fills in where an exception came from, and tells running out of memory from the others.
    fn located(&self, answer: Answer) -> Answer {
        match answer {
            Answer::Threw { name, message, .. }
                if name == "InternalError" && message == "out of memory" =>
            {
                Answer::OutOfMemory
            }
            Answer::Threw {
                name,
                message,
                stack,
                ..
            } => Answer::Threw {
                name,
                message,
                at: self.map.first_position(&stack),
                stack: String::new(),
            },
            other => other,
        }
    }

    /// Frees what only cycles keep.
    pub(super) fn collect_garbage(&self) {
        self.runtime.run_gc();
    }
}

fn engine(alarm: &Rc<Alarm>, memory: u64) -> rquickjs::Result<(Runtime, Context)> {
    let runtime = Runtime::new()?;
    runtime.set_max_stack_size(STACK_BYTES);
    let limit = memory.saturating_add(ENGINE_BYTES);
    runtime.set_memory_limit(usize::try_from(limit).unwrap_or(usize::MAX));
    let handler = Rc::clone(alarm);
    runtime.set_interrupt_handler(Some(Box::new(move || handler.is_due())));
    let context = Context::custom::<Intrinsics>(&runtime)?;
    Ok((runtime, context))
}

fn evaluate_prelude<'js>(ctx: &Ctx<'js>) -> rquickjs::Result<Object<'js>> {
    let mut options = EvalOptions::default();
    options.filename = Some("prelude".to_owned());
    ctx.eval_with_options(PRELUDE, options)
}

fn inspect<'js>(
    ctx: &Ctx<'js>,
    prelude: &Object<'js>,
    factory: &Function<'js>,
    map: SourceMap,
) -> Result<(), CompileError> {
    let inspect: Function<'_> = prelude.get("inspect").map_err(internal)?;
    let made: rquickjs::CaughtResult<'_, String> = inspect.call((factory.clone(),)).catch(ctx);
    match made {
        Ok(made) if made == "function" => Ok(()),
        Ok(made) => Err(plain(format!(
            "a script must be one function, such as `function(input) {{ … }}`, but this is {made}"
        ))),
        Err(CaughtError::Exception(exception)) => Err(CompileError {
            message: exception.message().unwrap_or_default(),
            at: map.first_position(&exception.stack().unwrap_or_default()),
        }),
        Err(_) => Err(plain("its helper code threw".to_owned())),
    }
}

fn fail(why: String) -> Answer {
    Answer::Failed { why }
}

/// The answer to a call that could not be made.
pub(super) fn failed(why: &str) -> Called {
    Called {
        answer: fail(why.to_owned()),
        lines: Vec::new(),
        micros: 0,
        spent: true,
    }
}

fn plain(message: String) -> CompileError {
    CompileError { message, at: None }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "takes its argument as map_err gives it"
)]
fn internal(error: rquickjs::Error) -> CompileError {
    plain(format!("the script engine failed: {error}"))
}

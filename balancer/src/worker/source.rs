//! Finds the function in a script's source, whatever stands around it, and keeps positions right.
//!
//! A source is one function expression, or helper code followed by one.
//! It is wrapped so that each evaluation makes a fresh function:
//! neither variables of the helper code nor properties of the function survive a call.

use rquickjs::context::EvalOptions;
use rquickjs::{CatchResultExt, CaughtError, Ctx, Function};

use crate::wire::{CompileError, Position};

/// Longest source, bytes.
const MAX_SOURCE: usize = 64 * 1024;
/// How many places are tried for the start of the function.
const MAX_STARTS: usize = 100;
/// The name of a script's source in stack traces.
const FILE: &str = "script";

/// A compiled source: a function that makes the script's function.
pub(super) struct Compiled<'js> {
    pub(super) factory: Function<'js>,
    pub(super) map: SourceMap,
}

/// Turns positions in the wrapped source into positions in the script's own.
#[derive(Debug, Clone, Copy)]
pub(super) struct SourceMap {
    /// Lines before the one where the function begins.
    helper_lines: u32,
    /// Lines in all.
    lines: u32,
}

impl SourceMap {
    /// The first position inside the script that a stack trace names.
    pub(super) fn first_position(self, stack: &str) -> Option<Position> {
        stack.match_indices(FILE).find_map(|(start, _)| {
            let rest = stack[start + FILE.len()..].strip_prefix(':')?;
            let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
            let line: u32 = numbers.next()?.parse().ok()?;
            let column: u32 = numbers.next()?.parse().ok()?;
            Some(self.position(line, column))
        })
    }

    fn position(self, line: u32, column: u32) -> Position {
        // One line of wrapping before the helper code, another before the function.
        let wrapping = if line > self.helper_lines + 1 { 2 } else { 1 };
        let line = line.saturating_sub(wrapping).clamp(1, self.lines.max(1));
        Position { line, column }
    }
}

/// Compiles a source without running any of it.
pub(super) fn compile<'js>(ctx: &Ctx<'js>, source: &str) -> Result<Compiled<'js>, CompileError> {
    let refused = |message: String| CompileError { message, at: None };
    if source.len() > MAX_SOURCE {
        let kib = MAX_SOURCE / 1024;
        return Err(refused(format!("the script is longer than {kib} KiB")));
    }
    if source.contains('\0') {
        return Err(refused("the script contains a NUL character".to_owned()));
    }
    let source = without_tail(source);
    if source.trim().is_empty() {
        return Err(refused("the script is empty".to_owned()));
    }
    let mut best: Option<CompileError> = None;
    for start in starts(source) {
        let (helpers, function) = source.split_at(start);
        match try_compile(ctx, helpers, function) {
            Ok(compiled) => return Ok(compiled),
            Err(error) => best = Some(better(best, error, line_count(helpers))),
        }
    }
    Err(best.unwrap_or_else(|| refused("the script contains no function".to_owned())))
}

/// Of two errors, the one that the reader can use: the one furthest on, unless it is in front of
/// the place that was tried, because then that try only split a statement.
fn better(best: Option<CompileError>, new: CompileError, helper_lines: u32) -> CompileError {
    match best {
        None => new,
        Some(best) if new.at.is_some_and(|at| at.line > helper_lines) && new.at > best.at => new,
        Some(best) => best,
    }
}

fn try_compile<'js>(
    ctx: &Ctx<'js>,
    helpers: &str,
    function: &str,
) -> Result<Compiled<'js>, CompileError> {
    let map = SourceMap {
        helper_lines: line_count(helpers),
        lines: line_count(helpers) + line_count(function),
    };
    let wrapped = format!("(function(){{\n{helpers}return (\n{function}\n)}})");
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(FILE.to_owned());
    ctx.eval_with_options(wrapped, options)
        .catch(ctx)
        .map(|factory| Compiled { factory, map })
        .map_err(|error| match error {
            CaughtError::Exception(exception) => CompileError {
                message: exception.message().unwrap_or_default(),
                at: map.first_position(&exception.stack().unwrap_or_default()),
            },
            other => CompileError {
                message: other.to_string(),
                at: None,
            },
        })
}

fn line_count(text: &str) -> u32 {
    u32::try_from(text.lines().count()).unwrap_or(u32::MAX)
}

/// Where the function may begin: the whole source first, then each line that is not indented.
fn starts(source: &str) -> impl Iterator<Item = usize> {
    let lines = source
        .match_indices('\n')
        .map(|(at, _)| at + 1)
        .filter(|&at| {
            source[at..]
                .chars()
                .next()
                .is_some_and(|c| !c.is_whitespace() && !"})]*/".contains(c))
        });
    std::iter::once(0).chain(lines).take(MAX_STARTS)
}

/// The source without semicolons and comments after its end, which would end the expression too early.
fn without_tail(source: &str) -> &str {
    let mut end = source.len();
    for (at, _) in source.rmatch_indices(';').take(50) {
        if is_blank(&source[at..]) {
            end = at;
        }
    }
    &source[..end]
}

fn is_blank(mut rest: &str) -> bool {
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        if rest.is_empty() {
            return true;
        }
        let after = if let Some(comment) = rest.strip_prefix("//") {
            comment.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some((_, after)) = rest.strip_prefix("/*").and_then(|c| c.split_once("*/")) {
            after
        } else {
            return false;
        };
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rquickjs::{Context, Runtime};

    /// What the function of `source` gives for 20, or where its error is.
    fn check(source: &str) -> String {
        let runtime = Runtime::new().unwrap();
        let context = Context::full(&runtime).unwrap();
        context.with(|ctx| match compile(&ctx, source) {
            Ok(compiled) => {
                let main: Function<'_> = compiled.factory.call(()).unwrap();
                main.call::<_, i32>((20,)).unwrap().to_string()
            }
            Err(error) => error.to_string(),
        })
    }

    #[test]
    fn every_way_to_write_one_function() {
        for source in [
            "function(input) { return input + 1 }",
            "function(input) { return input + 1; };",
            "function(input) { return input + 1 }; // the end; really\n",
            "function(input) { return input + 1 } // the end",
            "// about\nfunction(input) { return input + 1 }",
            "function pick(input) { return input + 1 }",
            "(input) => input + 1",
            "input => input + 1;\n\n",
            "(function (input) { return input + 1 })",
            "const ONE = 1;\nfunction(input) { return input + ONE }",
            "function one() { return 1 }\nfunction pick(input) { return input + one() }",
            "function one() {\n  return 1;\n}\n\n// picks\n(input) => input + one();",
            "let n = 1;\nfunction one() {\nreturn n;\n}\nfunction(input) {\nconst r = input + one();\nreturn r;\n}; /* done */",
            "\r\nfunction(input) {\r\n  return input + 1;\r\n}\r\n",
        ] {
            assert_eq!(check(source), "21", "{source}");
        }
    }

    #[test]
    fn errors_say_where() {
        for (source, expect) in [
            ("", "the script is empty"),
            (" ;; // x", "the script is empty"),
            (
                "function(input) {\n  return input..x;\n}",
                "line 2, column 16: expecting field name",
            ),
            (
                "const A = 1;\nfunction(input) {\n  return input..x;\n}",
                "line 3, column 16: expecting field name",
            ),
            (
                "function pick(input) {\nconst a = 1;\nreturn input..x;\n}",
                "line 3, column 14: expecting field name",
            ),
            ("a\0b", "the script contains a NUL character"),
        ] {
            assert_eq!(check(source), expect, "{source}");
        }
        let open = check("function(input) {\n  return 1;\n");
        assert!(open.starts_with("line 2, column "), "{open}");
    }
}

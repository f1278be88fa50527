//! Scripts of the settings, compiled before they are stored: in a process of their own, as when they run.

use fastx_balancer::{CompileError, WorkerCommand, check_with};
use fastx_core::wire::config::{ClusterPart, Script, ScriptLimits};
use fastx_core::wire::problem::Problem;

/// Longest script, bytes.
pub const MAX_SCRIPT: usize = 64 * 1024;

/// Compiles one script.
pub async fn compile(source: &str, limits: ScriptLimits) -> Result<(), CompileError> {
    let refused = |message: String| CompileError { message, at: None };
    if source.len() > MAX_SCRIPT {
        return Err(refused(format!("it has more than {MAX_SCRIPT} bytes")));
    }
    let command = WorkerCommand::current_exe()
        .map_err(|error| refused(format!("it cannot be compiled here: {error}")))?;
    check_with(command, source, limits, &[]).await.compiled
}

/// Compiles those scripts that are not stored already; the first that does not compile is named.
pub async fn compile_new(part: &ClusterPart, stored: &[Script]) -> Result<(), Problem> {
    let fresh = |script: &&Script| {
        !script.source.is_empty() && stored.iter().all(|known| known.source != script.source)
    };
    for script in part.scripts.iter().filter(fresh) {
        let limits = script.limits.unwrap_or(part.script_limits);
        if let Err(error) = compile(&script.source, limits).await {
            return Err(does_not_compile(&script.name, &error));
        }
    }
    Ok(())
}

fn does_not_compile(name: &str, error: &CompileError) -> Problem {
    Problem::new(422, "script-invalid", "A script does not compile")
        .detail(format!("The script `{name}` does not compile: {error}."))
        .action("Mend the script; nothing was stored.")
}

//! What the script process gives up before it sees the first script: files, processes, system calls.

use std::collections::BTreeMap;

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// Address space besides the scripts' own memory: the binary, stacks, allocator arenas, server objects.
const BASE_BYTES: u64 = 1024 * 1024 * 1024;
/// Processor time of a process's whole life; after that a new one takes over.
const CPU_SECONDS: u64 = 600;

/// Gives up everything; says in words what the kernel did not let it give up.
///
/// Those are no reason to stop: each protection stands on its own, and the engine has no I/O anyway.
pub(super) fn give_up_rights(memory_bytes: u64) -> Vec<String> {
    let mut missing = Vec::new();
    let limits = [
        (Resource::As, BASE_BYTES.saturating_add(memory_bytes)),
        (Resource::Cpu, CPU_SECONDS),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Memlock, 0),
        (Resource::Nofile, 0),
        (Resource::Nproc, 0),
    ];
    for (resource, most) in limits {
        // A limit that is already lower cannot be raised, and need not be.
        let most = getrlimit(resource)
            .maximum
            .map_or(most, |max| max.min(most));
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        if let Err(error) = setrlimit(resource, limit) {
            missing.push(format!("limit {resource:?}: {error}"));
        }
    }
    if let Err(error) = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        missing.push(format!("memory dumps: {error}"));
    }
    if let Err(error) = filter_system_calls() {
        missing.push(format!("system call filter: {error}"));
    }
    missing
}

fn filter_system_calls() -> Result<(), seccompiler::Error> {
    let filter = SeccompFilter::new(
        allowed()?,
        // An error and not death: a library that asks for something new gets a refusal it can handle.
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?;
    let program: BpfProgram = filter.try_into()?;
    // All threads: the one that waits for this one shares its memory.
    seccompiler::apply_filter_all_threads(&program)
}

/// What an engine needs: its pipes, memory, waiting for a thread, time, random numbers, and to end.
fn allowed() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = [
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_clock_gettime,
        libc::SYS_gettimeofday,
        libc::SYS_getrandom,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ]
    .into_iter()
    .map(|call| (call, Vec::new()))
    .collect();
    // Its own two pipes; whatever else it may have inherited is out of reach.
    let input = argument(0, SeccompCmpOp::Eq, 0)?;
    rules.insert(libc::SYS_read, vec![input]);
    let output = argument(0, SeccompCmpOp::Le, 2)?;
    rules.insert(libc::SYS_write, vec![output]);
    // Memory, but none that can be executed.
    let no_exec = u64::from(libc::PROT_EXEC.unsigned_abs());
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        let writable = argument(2, SeccompCmpOp::MaskedEq(no_exec), 0)?;
        rules.insert(call, vec![writable]);
    }
    // How a process aborts itself; signals to others are not allowed.
    let own = argument(0, SeccompCmpOp::Eq, u64::from(std::process::id()))?;
    rules.insert(libc::SYS_tgkill, vec![own]);
    Ok(rules)
}

fn argument(index: u8, is: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::Error> {
    let condition = SeccompCondition::new(index, SeccompCmpArgLen::Dword, is, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

//! The script process: reads requests from its standard input, answers on its standard output.
//!
//! It is the same binary as the node, started with a hidden argument and without an environment.
//! It holds no secrets, and before the first script is compiled it gives up every right it has
//! (see [`lockdown`]). It never decides anything: it says what a script answered.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use crate::wire::{CompileError, MAX_REQUEST_BYTES, Request, Response};

mod lockdown;
mod sandbox;
mod source;

use sandbox::Sandbox;

/// Stack of the thread that runs scripts; the engine itself stops far earlier.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Runs the script process until its standard input ends.
pub fn main() -> ExitCode {
    // An engine stays on the thread that made it, and a thread's stack size is ours to choose.
    let scripts = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(|| serve(&mut io::stdin().lock(), &mut io::stdout().lock()));
    match scripts.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn serve(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let mut process = Process::default();
    while let Some(request) = receive(input)? {
        let response = process.answer(request);
        send(output, &response)?;
        // After the answer is on its way, so that nobody waits for it.
        process.collect_garbage();
    }
    Ok(())
}

#[derive(Default)]
struct Process {
    /// By slot; none for a script that did not compile.
    sandboxes: Vec<Option<Sandbox>>,
    /// Slot of the last call.
    last: Option<usize>,
}

impl Process {
    fn answer(&mut self, request: Request) -> Response {
        match request {
            Request::Begin { memory_bytes } => Response::Begun {
                missing: lockdown::give_up_rights(memory_bytes),
            },
            Request::Load { slot, script } => {
                let loaded = if slot == self.sandboxes.len() {
                    Sandbox::load(&script)
                } else {
                    Err(CompileError {
                        message: format!("slot {slot} is not the next one"),
                        at: None,
                    })
                };
                let (sandbox, error) = match loaded {
                    Ok(sandbox) => (Some(sandbox), None),
                    Err(error) => (None, Some(error)),
                };
                self.sandboxes.push(sandbox);
                Response::Loaded { error }
            }
            Request::Update(update) => Response::Updated {
                error: self
                    .sandboxes
                    .iter_mut()
                    .flatten()
                    .try_for_each(|sandbox| sandbox.update(&update))
                    .err(),
            },
            Request::Call { slot, call } => {
                self.last = Some(slot);
                match self.sandboxes.get_mut(slot) {
                    Some(Some(sandbox)) => Response::Called(sandbox.call(&call)),
                    _ => Response::Called(sandbox::failed("it is not loaded")),
                }
            }
        }
    }

    fn collect_garbage(&mut self) {
        let last = self.last.take();
        if let Some(Some(sandbox)) = last.and_then(|slot| self.sandboxes.get(slot)) {
            sandbox.collect_garbage();
        }
    }
}

fn receive(input: &mut impl Read) -> io::Result<Option<Request>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_REQUEST_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok(Some(serde_json::from_slice(&body)?))
}

fn send(output: &mut impl Write, response: &Response) -> io::Result<()> {
    let body = serde_json::to_vec(response)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    output.write_all(&length.to_le_bytes())?;
    output.write_all(&body)?;
    output.flush()
}

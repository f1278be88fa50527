//! One line a message on standard error, which is where a container's log comes from.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};

use crate::clock;

fn line(level: &str, message: &dyn Display) {
    // Whoever read the log may be gone; that must not stop a session.
    let _ = writeln!(stderr(), "{} {level} fastx-link: {message}", clock::now());
}

/// Something that happened as it should.
pub(crate) fn info(message: impl Display) {
    line("INFO", &message);
}

/// Something that was wrong and was dealt with.
pub(crate) fn warn(message: impl Display) {
    line("WARN", &message);
}

/// Something that could not be done.
pub(crate) fn error(message: impl Display) {
    line("ERROR", &message);
}

/// The answer to a question on the command line.
pub(crate) fn answer(text: impl Display) {
    let _ = writeln!(stdout(), "{text}");
}

//! What a session's programs print: straight into files, so that no reader's death can stop them, and bounded.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A log above this is cut; the older half is dropped.
const LIMIT: u64 = 1024 * 1024;

/// Output of the session's program.
pub(crate) const PROGRAM: &str = "program.log";
/// Output of the X server.
pub(crate) const XSERVER: &str = "xvnc.log";
/// What the supervisor has to say.
pub(crate) const SUPERVISOR: &str = "supervisor.log";

/// Output of the scripts that run at its events.
pub(crate) const EVENTS: &str = "events.log";

/// Opens a log to be appended to.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

fn older(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

/// Keeps the log at its limit: the last half moves to `.log.1`, and the file starts anew.
///
/// Who writes goes on with the same descriptor, and since it appends, at the new end.
pub(crate) fn bound(path: &Path) -> io::Result<()> {
    let length = match fs::metadata(path) {
        Ok(found) => found.len(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    if length <= LIMIT {
        return Ok(());
    }
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut kept = vec![0; usize::try_from(LIMIT / 2).unwrap_or(0)];
    file.read_exact_at(&mut kept, length - LIMIT / 2)?;
    let _ = fs::remove_file(older(path));
    io::Write::write_all(&mut open(&older(path))?, &kept)?;
    file.set_len(0)
}

/// The last bytes of a log, over both of its files, from the start of a line where possible.
pub(crate) fn tail(path: &Path, bytes: u64) -> String {
    let now = end_of(path, bytes);
    let missing = bytes.saturating_sub(now.len() as u64);
    let mut all = end_of(&older(path), missing);
    all.extend(now);
    let text = String::from_utf8_lossy(&all).into_owned();
    if (all.len() as u64) < bytes {
        return text;
    }
    // Cut somewhere in the middle of a line: leave out the torn one.
    match text.split_once('\n') {
        Some((_, rest)) if !rest.is_empty() => rest.to_owned(),
        _ => text,
    }
}

fn end_of(path: &Path, bytes: u64) -> Vec<u8> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
        let mut content = Vec::new();
        file.take(bytes).read_to_end(&mut content)?;
        Ok(content)
    };
    // A log that is not there has no end to show.
    if bytes == 0 {
        Vec::new()
    } else {
        read().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_log_is_cut_and_its_writer_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(PROGRAM);
        let mut writer = open(&path).unwrap();
        let line = format!("{}\n", "x".repeat(1023));
        for _ in 0..1025 {
            writer.write_all(line.as_bytes()).unwrap();
        }
        bound(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        writer.write_all(b"the end\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "the end\n");
        assert_eq!(fs::metadata(older(&path)).unwrap().len(), LIMIT / 2);
        let shown = tail(&path, 1100);
        assert!(shown.starts_with("xxx") && shown.ends_with("\nthe end\n"));
        assert_eq!(tail(&path, 8), "the end\n");
    }

    #[test]
    fn a_missing_log_is_empty() {
        assert_eq!(tail(Path::new("/nowhere/x.log"), 100), "");
        bound(Path::new("/nowhere/x.log")).unwrap();
    }
}

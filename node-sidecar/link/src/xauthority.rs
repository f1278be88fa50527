//! The file that lets the session's programs, and nobody else, onto its X display.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::rand::{GetRandomFlags, getrandom};

/// Name of the only method in use.
pub(crate) const METHOD: &str = "MIT-MAGIC-COOKIE-1";

/// Matches any host and, with an empty display number, any display: the file exists before the number is known.
const FAMILY_WILD: u16 = 0xffff;

/// Makes the file with a new cookie, which it returns.
pub(crate) fn make(path: &Path) -> io::Result<[u8; 16]> {
    let mut cookie = [0_u8; 16];
    if getrandom(&mut cookie, GetRandomFlags::empty())? != cookie.len() {
        return Err(io::Error::other("the kernel gave too little randomness"));
    }
    let _ = fs::remove_file(path);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(&encode(&cookie))?;
    Ok(cookie)
}

/// The cookie of a file that [`make`] wrote.
pub(crate) fn cookie(path: &Path) -> Option<[u8; 16]> {
    let bytes = fs::read(path).ok()?;
    bytes.get(bytes.len().checked_sub(16)?..)?.try_into().ok()
}

fn encode(cookie: &[u8]) -> Vec<u8> {
    let mut bytes = FAMILY_WILD.to_be_bytes().to_vec();
    for field in [b"".as_slice(), b"", METHOD.as_bytes(), cookie] {
        let length = u16::try_from(field.len()).expect("fields are a few bytes long");
        bytes.extend(length.to_be_bytes());
        bytes.extend(field);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_one_entry_for_any_display() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("Xauthority");
        let first = make(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(&bytes[..6], [0xff, 0xff, 0, 0, 0, 0]);
        assert_eq!(&bytes[6..8], [0, 18]);
        assert_eq!(&bytes[8..26], METHOD.as_bytes());
        assert_eq!(&bytes[26..28], [0, 16]);
        assert_eq!(cookie(&path).unwrap(), first);
        assert_ne!(make(&path).unwrap(), first);
    }
}

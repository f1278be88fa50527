//! Counts a display's windows with the few requests of the X protocol that this takes.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::xauthority::METHOD;

/// How long the X server may take for an answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// More windows than this are not looked at: there are some, and that is the question.
const ENOUGH: usize = 200;
/// How deep a window manager may wrap a program's window.
const DEPTH: u8 = 3;

/// How many windows people can see, or have put away as icons.
pub(crate) fn count(display: &str, cookie: &[u8; 16]) -> io::Result<usize> {
    let number = display.strip_prefix(':').unwrap_or(display);
    let stream = UnixStream::connect(format!("/tmp/.X11-unix/X{number}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut client = Client { stream };
    let root = client.set_up(cookie)?;
    let wm_state = client.atom("WM_STATE")?;
    let mut windows = 0;
    for window in client.children(root)?.into_iter().take(ENOUGH) {
        if client.is_window(window, wm_state, DEPTH)? {
            windows += 1;
        }
    }
    Ok(windows)
}

struct Client {
    stream: UnixStream,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([byte(bytes, at), byte(bytes, at + 1)])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut all = bytes.to_vec();
    all.resize(bytes.len().next_multiple_of(4), 0);
    all
}

fn length(bytes: usize) -> io::Result<[u8; 2]> {
    let length = u16::try_from(bytes).map_err(io::Error::other)?;
    Ok(length.to_le_bytes())
}

impl Client {
    /// Says hello; returns the root window.
    fn set_up(&mut self, cookie: &[u8; 16]) -> io::Result<u32> {
        let mut hello = vec![b'l', 0, 11, 0, 0, 0];
        hello.extend(length(METHOD.len())?);
        hello.extend(length(cookie.len())?);
        hello.extend([0, 0]);
        hello.extend(padded(METHOD.as_bytes()));
        hello.extend(padded(cookie));
        self.stream.write_all(&hello)?;
        let mut head = [0; 8];
        self.stream.read_exact(&mut head)?;
        let mut rest = vec![0; usize::from(u16_at(&head, 6)) * 4];
        self.stream.read_exact(&mut rest)?;
        if head[0] != 1 {
            return Err(io::Error::other("the X server refuses the cookie"));
        }
        let vendor = usize::from(u16_at(&rest, 16)).next_multiple_of(4);
        let formats = usize::from(byte(&rest, 21)) * 8;
        Ok(u32_at(&rest, 32 + vendor + formats))
    }

    /// Sends a request; returns its reply, or nothing when the X server refuses it, as it does for a window that is gone.
    fn ask(&mut self, request: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.stream.write_all(request)?;
        loop {
            let mut reply = vec![0; 32];
            self.stream.read_exact(&mut reply)?;
            match reply[0] {
                0 => return Ok(None),
                1 => {
                    let more = usize::try_from(u32_at(&reply, 4)).unwrap_or(0) * 4;
                    if more > 1024 * 1024 {
                        return Err(io::Error::other("an answer of the X server is too long"));
                    }
                    reply.resize(32 + more, 0);
                    self.stream.read_exact(&mut reply[32..])?;
                    return Ok(Some(reply));
                }
                // An event that every client gets, such as a new keyboard map.
                _ => {}
            }
        }
    }

    fn atom(&mut self, name: &str) -> io::Result<u32> {
        let mut request = vec![16, 1];
        request.extend(length(2 + name.len().div_ceil(4))?);
        request.extend(length(name.len())?);
        request.extend([0, 0]);
        request.extend(padded(name.as_bytes()));
        // No such name yet: no window manager has ever set it.
        Ok(self.ask(&request)?.map_or(0, |reply| u32_at(&reply, 8)))
    }

    fn children(&mut self, window: u32) -> io::Result<Vec<u32>> {
        let mut request = vec![15, 0, 2, 0];
        request.extend(window.to_le_bytes());
        let Some(reply) = self.ask(&request)? else {
            return Ok(Vec::new());
        };
        let count = usize::from(u16_at(&reply, 16));
        Ok((0..count).map(|n| u32_at(&reply, 32 + 4 * n)).collect())
    }

    /// A window manager marks what it manages; without one, what is shown and asks to be managed counts.
    fn is_window(&mut self, window: u32, wm_state: u32, depth: u8) -> io::Result<bool> {
        if self.managed(window, wm_state)? {
            return Ok(true);
        }
        let mut request = vec![3, 0, 2, 0];
        request.extend(window.to_le_bytes());
        let Some(reply) = self.ask(&request)? else {
            return Ok(false);
        };
        let draws = u16_at(&reply, 12) == 1;
        let (viewable, unmanaged) = (byte(&reply, 26) == 2, byte(&reply, 27) != 0);
        if depth == DEPTH && draws && viewable && !unmanaged {
            return Ok(true);
        }
        if depth == 0 || !draws || !(unmanaged || depth < DEPTH) {
            return Ok(false);
        }
        // Possibly the frame that a window manager has put around a window.
        for child in self.children(window)?.into_iter().take(8) {
            if self.is_window(child, wm_state, depth - 1)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn managed(&mut self, window: u32, wm_state: u32) -> io::Result<bool> {
        if wm_state == 0 {
            return Ok(false);
        }
        let mut request = vec![20, 0, 6, 0];
        for word in [window, wm_state, 0, 0, 1] {
            request.extend(word.to_le_bytes());
        }
        let reply = self.ask(&request)?.unwrap_or_default();
        // Format 32 and a state other than withdrawn.
        Ok(byte(&reply, 1) == 32 && u32_at(&reply, 32) != 0)
    }
}

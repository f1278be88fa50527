//! Reads the client's side of RFB: what a viewer may not send is left out, and when a person did something is noted.
//!
//! Only this side is parsed: its messages are few and small. Every session runs with security type None
//! (its socket is reachable for its user and this node alone), so the handshake has a fixed form.
//!
//! Text out of the session is kept back from this side, too. To a viewer that knows the extended clipboard and
//! wants to be notified of changes, the display sends no text before it is asked for it. So a viewer that may not
//! have it is made one of these before its first own message and stays one, and its requests for text are left out.

use fastx_core::wire::ticket::Mode;

/// Longest clipboard text that is let through, bytes.
const MAX_CLIPBOARD: u32 = 4 * 1024 * 1024;
/// Extension under which pointer messages may have one byte more.
const EXTENDED_POINTER: i32 = -316;
/// Extension under which clipboards are announced before they are sent.
const EXTENDED_CLIPBOARD: i32 = 0xC0A1_E5CE_u32.cast_signed();

/// Bits of a message of the extended clipboard: what it does, and which formats it is about.
mod action {
    pub(super) const CAPS: u32 = 1 << 24;
    pub(super) const REQUEST: u32 = 1 << 25;
    pub(super) const PEEK: u32 = 1 << 26;
    pub(super) const NOTIFY: u32 = 1 << 27;
    pub(super) const PROVIDE: u32 = 1 << 28;
    pub(super) const ALL: u32 = 0xff00_0000;
    pub(super) const TEXT: u32 = 1;
}

/// What a viewer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// Keys, pointer and resizing.
    pub control: bool,
    /// Text into the session's clipboard.
    pub clipboard_in: bool,
    /// Text out of the session's clipboard.
    pub clipboard_out: bool,
}

impl Rules {
    /// The rules of a viewer under a profile's clipboard rule (`off`, `in`, `out`, `both`; empty means `both`).
    /// Whoever only looks sees the screen and nothing else.
    pub(super) fn new(mode: Mode, clipboard: &str) -> Self {
        let control = mode == Mode::Control;
        Self {
            control,
            clipboard_in: control && matches!(clipboard, "" | "in" | "both"),
            clipboard_out: control && matches!(clipboard, "" | "out" | "both"),
        }
    }
}

/// What the bytes that went through contained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// A key or pointer event: a person is there.
    pub input: bool,
}

/// The client breaks the protocol, or speaks a part of it that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the viewer sent {0}")]
pub(super) struct Broken(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Version,
    Security,
    Init,
    Messages,
}

/// Follows one viewer's bytes.
#[derive(Debug)]
pub(super) struct Filter {
    rules: Rules,
    stage: Stage,
    /// Beginning of a message, until its length is known.
    head: Vec<u8>,
    /// Bytes of the present message that are still to come, and whether they go through.
    rest: u64,
    pass: bool,
    /// Encodings of the present list that are still to come.
    encodings: Option<u64>,
    extended_pointer: bool,
    /// Whether the present list of encodings has the extended clipboard.
    extended_clipboard: bool,
}

impl Filter {
    /// At the beginning of a connection.
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            stage: Stage::Version,
            head: Vec::with_capacity(16),
            rest: 0,
            pass: true,
            encodings: None,
            extended_pointer: false,
            extended_clipboard: false,
        }
    }

    /// Takes bytes of the viewer and appends to `out` what goes on to the display.
    pub(super) fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<Seen, Broken> {
        let mut seen = Seen::default();
        while !input.is_empty() {
            if self.rest > 0 {
                let take = usize::try_from(self.rest)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                let (now, later) = input.split_at(take);
                if self.pass {
                    out.extend_from_slice(now);
                }
                self.rest -= now.len() as u64;
                input = later;
                continue;
            }
            self.head.push(input[0]);
            input = &input[1..];
            let complete = match self.encodings {
                Some(left) => self.encoding(left)?,
                None => self.step(&mut seen)?,
            };
            if complete {
                if self.pass {
                    out.append(&mut self.head);
                }
                self.head.clear();
            }
        }
        Ok(seen)
    }

    /// One byte more of a list of encodings; true when an encoding is complete.
    fn encoding(&mut self, left: u64) -> Result<bool, Broken> {
        let Ok(bytes) = <[u8; 4]>::try_from(self.head.as_slice()) else {
            return Ok(false);
        };
        let encoding = i32::from_be_bytes(bytes);
        self.extended_pointer |= encoding == EXTENDED_POINTER;
        self.extended_clipboard |= encoding == EXTENDED_CLIPBOARD;
        self.encodings = (left > 1).then(|| left - 1);
        self.pass = true;
        if self.encodings.is_none() {
            self.end_of_encodings()?;
        }
        Ok(true)
    }

    /// A viewer that does not know the extended clipboard would misread what the display sends because of it.
    fn end_of_encodings(&mut self) -> Result<(), Broken> {
        let known = std::mem::take(&mut self.extended_clipboard);
        if known || self.rules.clipboard_out {
            return Ok(());
        }
        Err(Broken(
            "encodings without the extended clipboard, which this session's clipboard rule needs"
                .to_owned(),
        ))
    }

    /// Looks at the head; true when its rest is known.
    fn step(&mut self, seen: &mut Seen) -> Result<bool, Broken> {
        self.pass = true;
        match self.stage {
            Stage::Version => {
                if self.head.len() < 12 {
                    return Ok(false);
                }
                if !matches!(&self.head[..], b"RFB 003.007\n" | b"RFB 003.008\n") {
                    return Err(Broken("a version of RFB other than 3.7 and 3.8".to_owned()));
                }
                self.stage = Stage::Security;
            }
            Stage::Security => {
                if self.head != [1] {
                    return Err(Broken("a security type that was not offered".to_owned()));
                }
                self.stage = Stage::Init;
            }
            Stage::Init => {
                // Always shared: whoever comes must not throw out others.
                self.head[0] = 1;
                self.stage = Stage::Messages;
                if !self.rules.clipboard_out {
                    // Before anything else of this viewer: from here on the display asks before it sends text.
                    self.head.extend([2, 0, 0, 2]);
                    self.head.extend(0_i32.to_be_bytes());
                    self.head.extend(EXTENDED_CLIPBOARD.to_be_bytes());
                    self.head.extend(self.capabilities());
                }
            }
            Stage::Messages => return self.message(seen),
        }
        Ok(true)
    }

    fn message(&mut self, seen: &mut Seen) -> Result<bool, Broken> {
        let Some(length) = self.length()? else {
            return Ok(false);
        };
        let kind = self.head[0];
        if kind == 6 && self.head.len() > 8 {
            self.clipboard(length);
            return Ok(true);
        }
        let is_input = matches!(kind, 4 | 5) || kind == 255;
        self.pass = match kind {
            4 | 5 | 250 | 251 | 255 => self.rules.control,
            6 => self.rules.clipboard_in,
            _ => true,
        };
        seen.input |= is_input && self.pass;
        self.rest = length - self.head.len() as u64;
        if kind == 2 {
            // Read one by one, to learn which extensions the viewer knows.
            self.encodings = (self.rest > 0).then_some(self.rest / 4);
            self.rest = 0;
            self.extended_clipboard = false;
            if !self.rules.clipboard_out {
                self.keep_extended_clipboard()?;
            }
        }
        Ok(true)
    }

    /// The list of encodings that begins gets one more, whatever else is in it.
    fn keep_extended_clipboard(&mut self) -> Result<(), Broken> {
        let count = u16::from_be_bytes([self.head[2], self.head[3]]);
        let Some(more) = count.checked_add(1).filter(|_| count > 0) else {
            return Err(Broken(format!("a list of {count} encodings")));
        };
        self.head[2..4].copy_from_slice(&more.to_be_bytes());
        self.head.extend(EXTENDED_CLIPBOARD.to_be_bytes());
        Ok(())
    }

    /// What the display is told of a viewer that may not have text: it is to announce it, and no size comes unasked.
    fn capabilities(&self) -> Vec<u8> {
        let request = if self.rules.clipboard_in {
            action::REQUEST
        } else {
            0
        };
        let flags = action::CAPS | action::NOTIFY | request | action::TEXT;
        let mut message = vec![6, 0, 0, 0];
        message.extend((-8_i32).to_be_bytes());
        message.extend(flags.to_be_bytes());
        message.extend(0_u32.to_be_bytes());
        message
    }

    /// A message of the extended clipboard whose bits are in the head.
    fn clipboard(&mut self, length: u64) {
        let head = &self.head;
        let flags = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
        self.rest = length - head.len() as u64;
        // One action at a time, as the display takes them; whatever combines several is left out.
        self.pass = match flags & action::ALL {
            // Capabilities of a viewer that may not have text: the display was told others in their place.
            does if does & action::CAPS != 0 => self.rules.clipboard_out,
            action::REQUEST => self.rules.clipboard_out,
            action::PEEK => true,
            action::NOTIFY | action::PROVIDE => self.rules.clipboard_in,
            _ => false,
        };
    }

    /// Length of the message as soon as the head shows it.
    fn length(&self) -> Result<Option<u64>, Broken> {
        let head = &self.head;
        let u16_at = |at: usize| u64::from(u16::from_be_bytes([head[at], head[at + 1]]));
        let need = |n: usize| head.len() >= n;
        Ok(match head[0] {
            0 => Some(20),
            2 if need(4) => Some(4 + 4 * u16_at(2)),
            3 | 150 => Some(10),
            4 => Some(8),
            5 if need(2) => Some(if self.extended_pointer && head[1] & 0x80 != 0 {
                7
            } else {
                6
            }),
            6 if need(8) => {
                let signed = i32::from_be_bytes([head[4], head[5], head[6], head[7]]);
                let length = signed.unsigned_abs();
                if signed < 0 && length < 4 {
                    return Err(Broken("a clipboard message without its bits".to_owned()));
                }
                if signed < 0 && !need(12) {
                    return Ok(None);
                }
                if length > MAX_CLIPBOARD {
                    return Err(Broken(format!(
                        "a clipboard of {length} bytes, {MAX_CLIPBOARD} are allowed"
                    )));
                }
                Some(8 + u64::from(length))
            }
            248 if need(9) => Some(9 + u64::from(head[8])),
            250 => Some(4),
            251 if need(8) => Some(8 + 16 * u64::from(head[6])),
            255 if need(2) => match head[1] {
                0 => Some(12),
                _ => return Err(Broken("an extension that is not known".to_owned())),
            },
            2 | 5 | 6 | 248 | 251 | 255 => None,
            kind => return Err(Broken(format!("a message of the unknown kind {kind}"))),
        })
    }
}

#[cfg(test)]
mod tests;

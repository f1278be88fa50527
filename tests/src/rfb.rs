//! Just enough of RFB 3.8 to see that a display lives and to time its pictures, over any kind of connection.

use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::Failure;

/// No single step takes longer on a busy machine.
pub const STEP_LIMIT: Duration = Duration::from_secs(10);

/// How much is read from a plain connection at once.
const CHUNK: usize = 256 * 1024;

/// A connection that carries RFB.
pub trait Wire: Send {
    /// Sends all of it.
    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Appends what comes next; an error when nothing comes any more.
    fn receive(&mut self, into: &mut Vec<u8>) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// A socket or pipe without anything around it.
#[derive(Debug)]
pub struct Plain<S>(pub S);

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for Plain<S> {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.write_all(bytes).await?;
        Ok(self.0.flush().await?)
    }

    async fn receive(&mut self, into: &mut Vec<u8>) -> Result<(), Failure> {
        into.reserve(CHUNK);
        match self.0.read_buf(into).await? {
            0 => Err("the connection ended".into()),
            _ => Ok(()),
        }
    }
}

/// A part of the screen.
#[derive(Debug, Clone, Copy)]
pub struct Area {
    /// Width.
    pub width: u16,
    /// Height.
    pub height: u16,
}

/// An open display.
#[derive(Debug)]
pub struct Display<W> {
    wire: W,
    buffer: Vec<u8>,
    /// How much of the buffer is used up.
    read: usize,
    /// Width and height of the screen.
    pub size: (u16, u16),
    pixel: usize,
}

impl<W: Wire> Display<W> {
    /// Without authentication, up to the size of the screen; pictures will come as plain pixels.
    pub async fn open(wire: W) -> Result<Self, Failure> {
        let mut display = Self {
            wire,
            buffer: Vec::new(),
            read: 0,
            size: (0, 0),
            pixel: 4,
        };
        let version = display.take(12).await?;
        if !version.starts_with(b"RFB 003.") {
            return Err(format!("not an RFB server: {version:?}").into());
        }
        display.send(b"RFB 003.008\n").await?;
        let kinds = display.take(1).await?[0];
        display.take(usize::from(kinds)).await?;
        display.send(&[1]).await?;
        if display.take(4).await? != [0; 4] {
            return Err("the display refused the viewer".into());
        }
        display.send(&[1]).await?;
        let init = display.take(24).await?;
        display.size = (word(&init[0..]), word(&init[2..]));
        display.pixel = usize::from(init[4]) / 8;
        let name = u32::from_be_bytes([init[20], init[21], init[22], init[23]]);
        display.take(usize::try_from(name)?).await?;
        // Type 2, one encoding, 0.
        display.send(&[2, 0, 0, 1, 0, 0, 0, 0]).await?;
        Ok(display)
    }

    /// Asks for the whole screen and waits until all of it is there; gives the number of bytes.
    pub async fn frame(&mut self) -> Result<u64, Failure> {
        let (width, height) = self.size;
        self.part(Area { width, height }).await
    }

    /// Asks for a part at the upper left and waits until all of it is there; gives the number of bytes.
    pub async fn part(&mut self, area: Area) -> Result<u64, Failure> {
        let ([w1, w2], [h1, h2]) = (area.width.to_be_bytes(), area.height.to_be_bytes());
        self.send(&[3, 0, 0, 0, 0, 0, w1, w2, h1, h2]).await?;
        let mut left = u64::from(area.width) * u64::from(area.height);
        let mut bytes = 0;
        while left > 0 {
            match self.take(1).await?[0] {
                0 => {
                    let head = self.take(3).await?;
                    bytes += 4;
                    for _ in 0..word(&head[1..]) {
                        let (pixels, length) = self.rectangle().await?;
                        left = left.saturating_sub(pixels);
                        bytes += length;
                    }
                }
                1 => {
                    let head = self.take(5).await?;
                    self.skip(usize::from(word(&head[3..])) * 6).await?;
                }
                2 => {}
                3 => {
                    let head = self.take(7).await?;
                    let length = i32::from_be_bytes([head[3], head[4], head[5], head[6]]);
                    self.skip(usize::try_from(length.unsigned_abs())?).await?;
                }
                kind => return Err(format!("expected a picture, got message {kind}").into()),
            }
        }
        Ok(bytes)
    }

    /// Pixels and bytes of the next rectangle.
    async fn rectangle(&mut self) -> Result<(u64, u64), Failure> {
        let head = self.take(12).await?;
        if head[8..] != [0; 4] {
            return Err(format!("plain pixels were asked for, not {:?}", &head[8..]).into());
        }
        let pixels = usize::from(word(&head[4..])) * usize::from(word(&head[6..]));
        self.skip(pixels * self.pixel).await?;
        let length = head.len() + pixels * self.pixel;
        Ok((u64::try_from(pixels)?, u64::try_from(length)?))
    }

    /// The connection below.
    pub fn into_wire(self) -> W {
        self.wire
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        tokio::time::timeout(STEP_LIMIT, self.wire.send(bytes)).await?
    }

    async fn more(&mut self) -> Result<(), Failure> {
        tokio::time::timeout(STEP_LIMIT, self.wire.receive(&mut self.buffer)).await?
    }

    async fn take(&mut self, count: usize) -> Result<Vec<u8>, Failure> {
        while self.buffer.len() - self.read < count {
            self.more().await?;
        }
        let taken = self.buffer[self.read..self.read + count].to_vec();
        self.read += count;
        self.tidy();
        Ok(taken)
    }

    async fn skip(&mut self, mut count: usize) -> Result<(), Failure> {
        loop {
            let there = (self.buffer.len() - self.read).min(count);
            self.read += there;
            count -= there;
            self.tidy();
            if count == 0 {
                return Ok(());
            }
            self.more().await?;
        }
    }

    fn tidy(&mut self) {
        if self.read == self.buffer.len() {
            self.buffer.clear();
            self.read = 0;
        }
    }
}

fn word(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A screen of 2 × 1 pixels: says what a server says, whatever is asked.
    #[tokio::test]
    async fn a_picture_counts_when_all_of_it_is_there() {
        let (near, mut far) = tokio::io::duplex(1024);
        let server = tokio::spawn(async move {
            let mut said = b"RFB 003.008\n\x01\x01\0\0\0\0".to_vec();
            said.extend([
                0, 2, 0, 1, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0,
            ]);
            said.extend([0, 0, 0, 1, b'x']);
            // A bell, then two updates with half of the screen each.
            said.push(2);
            for x in 0..2 {
                said.extend([0, 0, 0, 1, 0, x, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 9, 9, 9, 9]);
            }
            far.write_all(&said).await.unwrap();
            let mut asked = vec![0; 12 + 1 + 1 + 8 + 10];
            far.read_exact(&mut asked).await.unwrap();
            asked
        });
        let mut display = Display::open(Plain(near)).await.unwrap();
        assert_eq!(display.size, (2, 1));
        assert_eq!(display.frame().await.unwrap(), 40);
        let asked = server.await.unwrap();
        assert_eq!(asked[22..], [3, 0, 0, 0, 0, 0, 0, 2, 0, 1]);
    }
}

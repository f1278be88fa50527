//! A display for tests: the RFB 3.8 handshake without authentication, then raw updates of one colour.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// 32 bits a pixel, depth 24, little-endian true colour.
const FORMAT: [u8; 16] = [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0];
/// Raw colour of every pixel.
pub(super) const COLOUR: [u8; 4] = [0x80, 0x60, 0x30, 0];

/// Serves one viewer until it hangs up; counts keys and pointer messages in `inputs`.
pub(super) async fn serve(
    mut stream: UnixStream,
    geometry: &str,
    name: &str,
    inputs: &AtomicU64,
) -> io::Result<()> {
    let (width, height) = size(geometry);
    handshake(&mut stream, width, height, name).await?;
    let mut bytes_per_pixel = 4;
    loop {
        match stream.read_u8().await? {
            0 => {
                let mut rest = [0; 19];
                stream.read_exact(&mut rest).await?;
                bytes_per_pixel = usize::from(rest[3] / 8).clamp(1, 4);
            }
            2 => {
                stream.read_u8().await?;
                let count = stream.read_u16().await?;
                skip(&mut stream, usize::from(count) * 4).await?;
            }
            3 => {
                let incremental = stream.read_u8().await? != 0;
                skip(&mut stream, 8).await?;
                if !incremental {
                    update(&mut stream, width, height, bytes_per_pixel).await?;
                }
            }
            kind => other(&mut stream, kind, inputs).await?,
        }
    }
}

/// Messages that a viewer sends and this display does not act upon.
async fn other(stream: &mut UnixStream, kind: u8, inputs: &AtomicU64) -> io::Result<()> {
    match kind {
        4 => input(stream, 7, inputs).await,
        5 => input(stream, 5, inputs).await,
        6 => {
            skip(stream, 3).await?;
            // Negative in the extended clipboard: its absolute value is the length.
            let length = stream.read_i32().await?.unsigned_abs();
            skip(stream, usize::try_from(length).unwrap_or(0)).await
        }
        150 => skip(stream, 9).await,
        248 => {
            skip(stream, 7).await?;
            let length = stream.read_u8().await?;
            skip(stream, usize::from(length)).await
        }
        251 => {
            skip(stream, 5).await?;
            let screens = stream.read_u8().await?;
            skip(stream, 1 + usize::from(screens) * 16).await
        }
        255 => input(stream, 11, inputs).await,
        unknown => Err(io::Error::other(format!("message {unknown} is not known"))),
    }
}

async fn input(stream: &mut UnixStream, rest: usize, inputs: &AtomicU64) -> io::Result<()> {
    skip(stream, rest).await?;
    inputs.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

async fn handshake(stream: &mut UnixStream, w: u16, h: u16, name: &str) -> io::Result<()> {
    stream.write_all(b"RFB 003.008\n").await?;
    skip(stream, 12).await?;
    stream.write_all(&[1, 1]).await?;
    if stream.read_u8().await? != 1 {
        return Err(io::Error::other("the viewer wants authentication"));
    }
    stream.write_u32(0).await?;
    skip(stream, 1).await?;
    stream.write_u16(w).await?;
    stream.write_u16(h).await?;
    stream.write_all(&FORMAT).await?;
    stream
        .write_u32(u32::try_from(name.len()).unwrap_or(0))
        .await?;
    stream.write_all(name.as_bytes()).await
}

async fn update(stream: &mut UnixStream, w: u16, h: u16, bytes_per_pixel: usize) -> io::Result<()> {
    // Type, padding, one rectangle at 0,0 of the whole size, raw encoding.
    stream.write_all(&[0, 0, 0, 1, 0, 0, 0, 0]).await?;
    stream.write_u16(w).await?;
    stream.write_u16(h).await?;
    stream.write_i32(0).await?;
    let line = COLOUR[..bytes_per_pixel].repeat(usize::from(w));
    for _ in 0..h {
        stream.write_all(&line).await?;
    }
    Ok(())
}

async fn skip(stream: &mut UnixStream, bytes: usize) -> io::Result<()> {
    let mut chunk = [0; 512];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(chunk.len());
        left -= stream.read_exact(&mut chunk[..now]).await?;
    }
    Ok(())
}

fn size(geometry: &str) -> (u16, u16) {
    geometry
        .split_once('x')
        .and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)))
        .unwrap_or((320, 200))
}

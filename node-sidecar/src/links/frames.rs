//! Frames of the link protocol over a Unix socket, with the file descriptor that one may bring.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use fastx_core::wire::link::MAX_FRAME;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// How long the rest of a frame may take once its first byte is there.
const REST_OF_FRAME: Duration = Duration::from_secs(30);

/// One frame as it came in.
#[derive(Debug)]
pub(super) struct Frame {
    /// The JSON in it.
    pub(super) body: Vec<u8>,
    /// What came with it; at most one.
    pub(super) descriptor: Option<OwnedFd>,
}

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// The other side hung up between two frames.
    #[error("closed by the other side")]
    Closed,
    /// A frame announces more than is allowed.
    #[error("a frame of {0} bytes is above the limit of {MAX_FRAME}")]
    TooLarge(usize),
    /// More than one descriptor with a frame.
    #[error("more than one file descriptor with one frame")]
    Descriptors,
    /// A frame was begun and not finished.
    #[error("a frame stayed unfinished")]
    Stalled,
    /// The socket failed.
    #[error("the socket failed")]
    Io(#[from] std::io::Error),
}

/// Reads one frame. Reads never cross the end of a frame, so a descriptor belongs to the frame it is read with.
pub(super) async fn read(stream: &UnixStream) -> Result<Frame, FrameError> {
    let mut header = [0_u8; 4];
    let mut descriptor = None;
    let first = receive(stream, &mut header, &mut descriptor).await?;
    if first == 0 {
        return Err(FrameError::Closed);
    }
    let rest = async {
        fill(stream, &mut header[first..], &mut descriptor).await?;
        let length = usize::try_from(u32::from_be_bytes(header)).unwrap_or(usize::MAX);
        if length > MAX_FRAME {
            return Err(FrameError::TooLarge(length));
        }
        let mut body = vec![0; length];
        fill(stream, &mut body, &mut descriptor).await?;
        Ok(body)
    };
    let body = tokio::time::timeout(REST_OF_FRAME, rest)
        .await
        .map_err(|_| FrameError::Stalled)??;
    Ok(Frame { body, descriptor })
}

async fn fill(
    stream: &UnixStream,
    mut buffer: &mut [u8],
    descriptor: &mut Option<OwnedFd>,
) -> Result<(), FrameError> {
    while !buffer.is_empty() {
        let n = receive(stream, buffer, descriptor).await?;
        if n == 0 {
            return Err(FrameError::Stalled);
        }
        buffer = &mut buffer[n..];
    }
    Ok(())
}

async fn receive(
    stream: &UnixStream,
    buffer: &mut [u8],
    descriptor: &mut Option<OwnedFd>,
) -> Result<usize, FrameError> {
    let mut taken = Vec::new();
    let (bytes, truncated) = stream
        .async_io(Interest::READABLE, || {
            // Room for two: one is allowed, a second one is a fault, the kernel closes the others.
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let got = rustix::net::recvmsg(
                stream.as_fd(),
                &mut [IoSliceMut::new(buffer)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
            )?;
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    taken.extend(descriptors);
                }
            }
            Ok((got.bytes, got.flags.contains(ReturnFlags::CTRUNC)))
        })
        .await?;
    for one in taken {
        if descriptor.replace(one).is_some() {
            return Err(FrameError::Descriptors);
        }
    }
    if truncated {
        return Err(FrameError::Descriptors);
    }
    Ok(bytes)
}

/// Writes one frame, with a descriptor if there is one.
pub(super) async fn write(
    stream: &UnixStream,
    body: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> Result<(), FrameError> {
    let length = u32::try_from(body.len())
        .ok()
        .filter(|_| body.len() <= MAX_FRAME)
        .ok_or(FrameError::TooLarge(body.len()))?;
    let header = length.to_be_bytes();
    let mut sent = 0;
    while sent < header.len() + body.len() {
        let split = sent.min(header.len());
        let parts = [
            IoSlice::new(&header[split..]),
            IoSlice::new(&body[sent - split..]),
        ];
        let with = descriptor.filter(|_| sent == 0);
        sent += stream
            .async_io(Interest::WRITABLE, || send(stream, &parts, with))
            .await?;
    }
    Ok(())
}

fn send(
    stream: &UnixStream,
    parts: &[IoSlice<'_>],
    descriptor: Option<BorrowedFd<'_>>,
) -> std::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let rights: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
    if !rights.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&rights));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    Ok(rustix::net::sendmsg(
        stream.as_fd(),
        parts,
        &mut control,
        flags,
    )?)
}

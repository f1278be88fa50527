//! Frames of the link protocol over a blocking Unix socket.

use std::io::{self, IoSlice, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use fastx_core::wire::link::MAX_FRAME;
use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

/// Reads one frame; nothing when the other side hung up between two.
pub fn read(mut stream: &UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut header = [0; 4];
    let n = loop {
        match stream.read(&mut header) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => break result?,
        }
    };
    if n == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut header[n..])?;
    body(stream, header).map(Some)
}

fn body(mut stream: &UnixStream, header: [u8; 4]) -> io::Result<Vec<u8>> {
    let length = usize::try_from(u32::from_be_bytes(header)).unwrap_or(usize::MAX);
    if length > MAX_FRAME {
        return Err(io::Error::other(format!("a frame of {length} bytes")));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// Reads one frame with the descriptor that came with its first byte, if one did.
pub fn read_with_descriptor(mut stream: &UnixStream) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut header = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut header)];
    let got = retry_on_intr(|| {
        rustix::net::recvmsg(stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    if got.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut descriptor = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            descriptor = descriptors.last();
        }
    }
    stream.read_exact(&mut header[got.bytes..])?;
    Ok((body(stream, header)?, descriptor))
}

/// Writes one frame, with a descriptor on its first byte if there is one.
pub fn write(
    stream: &UnixStream,
    body: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let length = u32::try_from(body.len())
        .ok()
        .filter(|_| body.len() <= MAX_FRAME)
        .ok_or_else(|| io::Error::other(format!("a frame of {} bytes", body.len())))?;
    let header = length.to_be_bytes();
    let mut sent = 0;
    while sent < header.len() + body.len() {
        let split = sent.min(header.len());
        let parts = [
            IoSlice::new(&header[split..]),
            IoSlice::new(&body[sent - split..]),
        ];
        let with: Vec<BorrowedFd<'_>> = descriptor.filter(|_| sent == 0).into_iter().collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !with.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&with));
        }
        let flags = SendFlags::NOSIGNAL;
        sent +=
            retry_on_intr(|| rustix::net::sendmsg(stream.as_fd(), &parts, &mut control, flags))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_travels_with_its_frame() {
        let (near, far) = UnixStream::pair().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        write(&near, b"one", None).unwrap();
        write(&near, b"two", Some(theirs.as_fd())).unwrap();
        assert_eq!(read(&far).unwrap().unwrap(), b"one");
        let (body, descriptor) = read_with_descriptor(&far).unwrap();
        assert_eq!(body, b"two");
        write(&UnixStream::from(descriptor.unwrap()), b"hi", None).unwrap();
        assert_eq!(read(&ours).unwrap().unwrap(), b"hi");
        drop(near);
        assert!(read(&far).unwrap().is_none());
    }

    #[test]
    fn a_frame_above_the_limit_is_refused() {
        let (near, far) = UnixStream::pair().unwrap();
        assert!(write(&near, &vec![0; MAX_FRAME + 1], None).is_err());
        std::io::Write::write_all(&mut (&near), &u32::MAX.to_be_bytes()).unwrap();
        assert!(read(&far).is_err());
    }
}

//! Messages between loop and guardian: JSON behind its length, over a socket pair. What they say is not known here.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::instant;

use super::wait;

/// Nothing that the kernel would start is longer; a longer message is refused before a byte of it is sent or kept.
const FRAME_BYTES_MAX: usize = 16 << 20;

/// How long the other side may leave its socket full before it counts as dead.
const SEND_PATIENCE: Duration = Duration::from_secs(10);

const HEADER: usize = size_of::<u32>();

/// One end of the socket.
#[derive(Debug)]
pub(super) struct Line {
    stream: UnixStream,
    /// The message that has come in part. Never more is read than the rest of it, so that whatever else has come keeps
    /// the socket readable.
    partial: Vec<u8>,
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<M> {
    Message(M),
    /// Nothing (more) yet.
    Nothing,
    /// The other side is gone.
    Closed,
}

impl Line {
    /// An end for this process; the socket is made non-blocking.
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, partial: Vec::new() })
    }

    /// Closes both directions, whoever else may hold a copy.
    pub(super) fn close(&self) {
        // An error means that it is closed already.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    /// Sends one message. After an error other than `InvalidInput` the line is of no further use.
    pub(super) fn send<M: Serialize>(&mut self, message: &M) -> io::Result<()> {
        let mut frame = vec![0; HEADER];
        serde_json::to_writer(&mut frame, message).map_err(io::Error::from)?;
        let length = frame.len() - HEADER;
        let header = u32::try_from(length).ok().filter(|_| length <= FRAME_BYTES_MAX);
        let header = header.ok_or_else(|| {
            let error = format!("send {length} bytes in one message, of which {FRAME_BYTES_MAX} are allowed");
            io::Error::new(io::ErrorKind::InvalidInput, error)
        })?;
        frame[..HEADER].copy_from_slice(&header.to_le_bytes());
        let until = instant() + SEND_PATIENCE;
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(sent) => rest = &rest[sent..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !wait::writable(self.stream.as_fd(), until)? {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes the next message if the whole of it is there. Never waits.
    ///
    /// # Errors
    /// What came is not a message (`InvalidData`), or the socket fails: the line is of no further use.
    pub(super) fn receive<M: DeserializeOwned>(&mut self) -> io::Result<Heard<M>> {
        loop {
            let whole = match self.partial.first_chunk::<HEADER>() {
                None => HEADER,
                Some(header) => HEADER + u32::from_le_bytes(*header) as usize,
            };
            if whole > HEADER + FRAME_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let have = self.partial.len();
            if have >= HEADER && have == whole {
                let message =
                    serde_json::from_slice(&self.partial[HEADER..]).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error));
                self.partial.clear();
                return message.map(Heard::Message);
            }
            self.partial.resize(whole, 0);
            let read = self.stream.read(&mut self.partial[have..]);
            self.partial.truncate(have + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(0) => return Ok(Heard::Closed),
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return Ok(Heard::Nothing),
                    // The other side died with something of ours unread.
                    io::ErrorKind::ConnectionReset => return Ok(Heard::Closed),
                    _ => return Err(error),
                },
            }
        }
    }

    /// As `receive`, but waits until `until`, for ever without it.
    pub(super) fn receive_until<M: DeserializeOwned>(&mut self, until: Option<Instant>) -> io::Result<Heard<M>> {
        loop {
            match self.receive()? {
                Heard::Nothing if until.is_none_or(|until| instant() < until) => {
                    wait::readable([Some(self.stream.as_fd())], until)?;
                }
                heard => return Ok(heard),
            }
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn lines() -> (Line, Line) {
        let (a, b) = UnixStream::pair().unwrap();
        (Line::new(a).unwrap(), Line::new(b).unwrap())
    }

    #[test]
    fn messages_arrive_one_by_one_and_an_unread_one_keeps_the_socket_readable() {
        let (mut a, mut b) = lines();
        a.send(&"one").unwrap();
        a.send(&"two").unwrap();
        assert_eq!(b.receive::<String>().unwrap(), Heard::Message("one".into()));
        let soon = Some(instant());
        assert_eq!(wait::readable([Some(b.as_fd())], soon).unwrap(), [true]);
        assert_eq!(b.receive::<String>().unwrap(), Heard::Message("two".into()));
        assert_eq!(b.receive::<String>().unwrap(), Heard::Nothing);
        drop(a);
        assert_eq!(b.receive::<String>().unwrap(), Heard::Closed);
    }

    #[test]
    fn a_message_in_pieces_is_put_together() {
        let (mut a, mut b) = lines();
        let frame = [&5u32.to_le_bytes()[..], b"\"abc\""].concat();
        for byte in &frame[..frame.len() - 1] {
            a.stream.write_all(&[*byte]).unwrap();
            assert_eq!(b.receive::<String>().unwrap(), Heard::Nothing);
        }
        a.stream.write_all(&frame[frame.len() - 1..]).unwrap();
        assert_eq!(b.receive::<String>().unwrap(), Heard::Message("abc".into()));
    }

    #[test]
    fn a_message_larger_than_the_socket_holds_arrives() {
        let (mut a, mut b) = lines();
        let long = "x".repeat(4 << 20);
        std::thread::scope(|scope| {
            scope.spawn(|| a.send(&long).unwrap());
            let until = Some(instant() + Duration::from_secs(10));
            assert_eq!(b.receive_until::<String>(until).unwrap(), Heard::Message(long.clone()));
        });
    }

    #[test]
    fn what_is_too_long_or_no_message_is_refused() {
        let (mut a, mut b) = lines();
        let error = a.send(&"x".repeat(FRAME_BYTES_MAX)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        a.stream.write_all(&u32::MAX.to_le_bytes()).unwrap();
        assert_eq!(b.receive::<String>().unwrap_err().kind(), io::ErrorKind::InvalidData);
        let (mut a, mut b) = lines();
        a.stream.write_all(&[2, 0, 0, 0, b'{', b'{']).unwrap();
        assert_eq!(b.receive::<String>().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}

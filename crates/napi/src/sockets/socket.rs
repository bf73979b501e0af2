//! One socket that is driven here: what it is doing, and what its descriptor is watched for.

use std::ffi::c_int;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};

use smallvec::SmallVec;
use socket2::SockRef;

use super::framed::{Framed, Written};
use super::uv::{Poll, READABLE, WRITABLE};

/// Where a socket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Bytes go both ways.
    Open,
    /// The peer has said all it had to say. What it is still owed goes out, then the socket is closed.
    PeerEnded,
    /// A WebSocket that is being closed: frames are read for the peer's close frame.
    Closing,
    /// We have said all. Closing a socket with unread bytes makes the kernel send RST, which can overtake our last
    /// packet at the peer: what comes is read and thrown away until the peer has ended too, or time is up.
    Lingering,
}

/// What came of a read.
pub(crate) enum Came {
    Bytes(usize),
    Nothing,
    /// The end, in order or not.
    End,
    Fault,
}

pub(crate) struct Socket {
    /// Told apart from earlier and later ones of the same connection number.
    pub(crate) serial: u64,
    pub(crate) phase: Phase,
    /// A hook decides about the next packet: nothing is read meanwhile.
    pub(crate) is_held: bool,
    /// The kernel's buffer is full.
    pub(crate) is_full: bool,
    /// Of a WebSocket.
    pub(crate) framed: Option<Box<Framed>>,
    watched: c_int,
    // Dropped in this order: libuv lets go of the descriptor before it is closed.
    poll: Poll,
    stream: TcpStream,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, poll: Poll, framed: Option<Box<Framed>>, serial: u64) -> Self {
        let phase = Phase::Open;
        let (is_held, is_full) = (false, false);
        let mut socket = Self { serial, phase, is_held, is_full, framed, watched: 0, poll, stream };
        socket.watch();
        socket
    }

    /// Watches for what this state can use.
    pub(crate) fn watch(&mut self) {
        let reads = match self.phase {
            Phase::Open => !self.is_held,
            Phase::PeerEnded => false,
            Phase::Closing | Phase::Lingering => true,
        };
        let wanted = if reads { READABLE } else { 0 } | if self.is_full { WRITABLE } else { 0 };
        if std::mem::replace(&mut self.watched, wanted) != wanted {
            self.poll.watch(wanted);
        }
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Came {
        match self.stream.read(buffer) {
            Ok(0) => Came::End,
            Ok(count) => Came::Bytes(count),
            Err(error) if is_transient(&error) => Came::Nothing,
            Err(_) => Came::Fault,
        }
    }

    /// Writes as much as the kernel takes at once, and watches for its having room where that is not all.
    pub(crate) fn write(&mut self, pieces: &[&[u8]]) -> io::Result<usize> {
        let stream = &mut self.stream;
        let written = match &mut self.framed {
            Some(framed) => framed.write(pieces, |slices| write(stream, slices))?,
            None => {
                let count = write(stream, pieces)?;
                Written { count, is_full: count < pieces.iter().map(|piece| piece.len()).sum() }
            }
        };
        if written.is_full {
            self.is_full = true;
            self.watch();
        }
        Ok(written.count)
    }

    /// Ends our half. False where the peer is gone already.
    pub(crate) fn end(&mut self) -> bool {
        self.stream.shutdown(Shutdown::Write).is_ok()
    }
}

/// How much the kernel takes at once: 0 where it is full.
fn write(stream: &mut TcpStream, pieces: &[&[u8]]) -> io::Result<usize> {
    loop {
        let outcome = match pieces {
            [] => return Ok(0),
            [bytes] => stream.write(bytes),
            _ => {
                let slices: SmallVec<[IoSlice<'_>; 16]> =
                    pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                SockRef::from(&*stream).send_vectored_with_flags(&slices, NO_SIGNAL)
            }
        };
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            outcome => return outcome,
        }
    }
}

/// A peer that has gone is an error of the call, never a signal. macOS has no such flag; Node ignores the signal there.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const NO_SIGNAL: c_int = libc::MSG_NOSIGNAL;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
const NO_SIGNAL: c_int = 0;

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

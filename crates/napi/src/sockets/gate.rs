//! Listening sockets, and who has come through them without having said yet what it speaks.
//!
//! The first byte tells: 0x10 begins a CONNECT, and the connection stays here. Everything else is a stranger, whom
//! JavaScript gets together with what it has said (`src/listeners/port.ts` goes on from there).

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use slab::Slab;
use socket2::{SockRef, TcpKeepalive};

use super::uv::{EventLoop, Poll, READABLE, Watched};
use crate::shared::Shared;

/// CONNECT and its flags, which are zero.
const CONNECT: u8 = 0x10;
/// Connections that one turn takes from one listening socket; the others wait in the kernel's queue.
const ACCEPTED_A_TURN: usize = 128;
/// A peer whose machine vanished is noticed even if it asked for no MQTT keep alive.
const TCP_KEEP_ALIVE_DELAY: Duration = Duration::from_secs(60);

/// What listening is bound by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GateLimits {
    /// How long a newcomer may say nothing.
    pub(crate) timeout_ms: u64,
    /// Newcomers at a time; more are dropped.
    pub(crate) newcomers: usize,
    /// Sockets in all; more are dropped.
    pub(crate) sockets: usize,
}

struct Listening {
    // Dropped in this order: libuv lets go of the descriptor before it is closed.
    _poll: Poll,
    listener: TcpListener,
    limits: GateLimits,
}

struct Newcomer {
    poll: Poll,
    stream: TcpStream,
    peer: SocketAddr,
    listener: u32,
    serial: u64,
}

/// Who does not speak MQTT.
pub(crate) struct Stranger {
    /// Through which listening socket.
    pub(crate) listener: u32,
    pub(crate) stream: OwnedFd,
    /// What it has said.
    pub(crate) head: Vec<u8>,
}

/// What a newcomer turned out to be.
pub(crate) enum Spoken {
    /// The first `count` bytes of the buffer begin a CONNECT.
    Mqtt {
        stream: TcpStream,
        poll: Poll,
        peer: SocketAddr,
        count: usize,
    },
    Stranger(Stranger),
    /// It has not said anything yet, or it is gone.
    Nothing,
}

pub(crate) struct Gate {
    event_loop: EventLoop,
    shared: *const Shared,
    listeners: Slab<Listening>,
    newcomers: Slab<Newcomer>,
    /// By when newcomers must have said something, with their places and serial numbers.
    waiting: VecDeque<(u64, usize, u64)>,
    last_serial: u64,
    /// A descriptor to give up when there are no others, so that whoever knocks can be turned away.
    reserve: Option<File>,
}

impl Gate {
    /// `shared` owns this.
    pub(crate) fn new(event_loop: EventLoop, shared: *const Shared) -> Self {
        Self {
            event_loop,
            shared,
            listeners: Slab::new(),
            newcomers: Slab::new(),
            waiting: VecDeque::new(),
            last_serial: 0,
            reserve: None,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.listeners.is_empty()
    }

    /// Takes what comes to a listening socket from now on. None where the event loop refuses it.
    pub(crate) fn listen(&mut self, listener: TcpListener, limits: GateLimits) -> Option<u32> {
        listener.set_nonblocking(true).ok()?;
        // Those who are accepted inherit these.
        let socket = SockRef::from(&listener);
        socket.set_tcp_nodelay(true).ok()?;
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEP_ALIVE_DELAY)).ok()?;
        self.reserve = self.reserve.take().or_else(|| File::open("/dev/null").ok());
        let place = self.listeners.vacant_entry();
        let id = u32::try_from(place.key()).ok()?;
        // SAFETY: `shared` owns this gate, and this gate its handles.
        let poll =
            unsafe { Poll::new(self.event_loop, listener.as_fd(), self.shared, Watched::Listener(id)) }?;
        poll.watch(READABLE);
        place.insert(Listening { _poll: poll, listener, limits });
        Some(id)
    }

    /// Stops listening, and drops those who have come through it and said nothing.
    pub(crate) fn stop(&mut self, id: u32) {
        if self.listeners.try_remove(id as usize).is_some() {
            self.newcomers.retain(|_, newcomer| newcomer.listener != id);
        }
    }

    /// Somebody is at a listening socket. `open_count` sockets are open besides newcomers.
    ///
    /// # Errors
    /// What kept somebody from being let in, for want of descriptors mostly.
    pub(crate) fn accept(&mut self, id: u32, open_count: usize, now_ms: u64) -> io::Result<()> {
        for _ in 0..ACCEPTED_A_TURN {
            let Some(Listening { listener, limits, .. }) = self.listeners.get(id as usize) else { break };
            let (limits, accepted) = (*limits, listener.accept());
            match accepted {
                Ok((stream, peer)) => {
                    let newcomers = self.newcomers.len();
                    if newcomers < limits.newcomers && open_count + newcomers < limits.sockets {
                        self.greet(id, stream, peer, now_ms.saturating_add(limits.timeout_ms));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // They have gone while they waited.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => {
                    self.turn_away(id);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Without a descriptor for whoever waits they would be announced for ever: one is let in and closed.
    fn turn_away(&mut self, id: u32) {
        self.reserve = None;
        if let Some(Listening { listener, .. }) = self.listeners.get(id as usize) {
            drop(listener.accept());
        }
        self.reserve = File::open("/dev/null").ok();
    }

    fn greet(&mut self, listener: u32, stream: TcpStream, peer: SocketAddr, deadline_ms: u64) {
        let place = self.newcomers.vacant_entry();
        let index = place.key();
        let Ok(number) = u32::try_from(index) else { return };
        // SAFETY: `shared` owns this gate, and this gate its handles. libuv makes the socket non-blocking.
        let poll =
            unsafe { Poll::new(self.event_loop, stream.as_fd(), self.shared, Watched::Newcomer(number)) };
        let Some(poll) = poll else { return };
        poll.watch(READABLE);
        self.last_serial += 1;
        let serial = self.last_serial;
        place.insert(Newcomer { poll, stream, peer, listener, serial });
        self.waiting.push_back((deadline_ms, index, serial));
    }

    /// A newcomer has said something, or has gone.
    pub(crate) fn hear(&mut self, number: u32, buffer: &mut [u8]) -> Spoken {
        let index = number as usize;
        let Some(newcomer) = self.newcomers.get_mut(index) else { return Spoken::Nothing };
        let count = match newcomer.stream.read(buffer) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Spoken::Nothing;
            }
            Ok(count) => count,
            Err(_) => 0,
        };
        // Dropped from the last to the first: libuv lets go of the descriptor before it is closed.
        let Newcomer { stream, poll, peer, listener, .. } = self.newcomers.remove(index);
        match buffer.first() {
            _ if count == 0 => Spoken::Nothing,
            Some(&CONNECT) => Spoken::Mqtt { stream, poll, peer, count },
            _ => {
                drop(poll);
                let head = buffer.get(..count).unwrap_or_default().to_vec();
                Spoken::Stranger(Stranger { listener, stream: stream.into(), head })
            }
        }
    }

    /// By when the oldest newcomer must have said something.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.waiting.front().map(|(deadline_ms, ..)| *deadline_ms)
    }

    /// Drops the next newcomer that has said nothing in time, and says who it was.
    pub(crate) fn poll_silent(&mut self, now_ms: u64) -> Option<SocketAddr> {
        while let Some(&(deadline_ms, index, serial)) = self.waiting.front() {
            if deadline_ms > now_ms {
                break;
            }
            self.waiting.pop_front();
            if self.newcomers.get(index).is_some_and(|newcomer| newcomer.serial == serial) {
                return Some(self.newcomers.remove(index).peer);
            }
        }
        None
    }
}

/// As `formatPeer` in `src/transports/tcp.ts`: an IPv4 peer on a socket that serves both families is an IPv4 peer.
pub(crate) fn format_peer(peer: SocketAddr) -> String {
    let address = match peer.ip() {
        IpAddr::V6(address) => address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4),
        address @ IpAddr::V4(_) => address,
    };
    SocketAddr::new(address, peer.port()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_written_as_javascript_writes_them() {
        for (peer, expected) in [
            ("127.0.0.1:53312", "127.0.0.1:53312"),
            ("[::1]:4000", "[::1]:4000"),
            ("[::ffff:10.0.0.7]:1", "10.0.0.7:1"),
        ] {
            assert_eq!(format_peer(peer.parse().unwrap()), expected);
        }
    }
}

//! The sockets: many connections to one broker on one epoll, read into one shared buffer.
//!
//! Calling order: [`Fleet::open`], then again and again [`Fleet::wait`] and [`Fleet::read`], with
//! [`Fleet::flush`] after something was appended to a [`Connection::out`]. What the bytes mean is the business
//! of a [`Peer`]: see `dial.rs`, `run.rs` and `idle.rs`. Where connections come and go, [`Fleet::close`] and
//! [`Fleet::reopen`] give the same index to another one.

use crate::{
    Failure,
    scenario::Transport,
    websocket::WebSocket,
    wire::{self, Frame, WireError},
};
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use serde::Serialize;
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr},
    time::Duration,
};

/// Size of the shared read buffer, unless a packet needs a larger one.
const READ_BYTES: usize = 256 << 10;

/// So many connections share one source address: an address has 28 thousand ephemeral ports.
const CONNECTIONS_PER_ADDRESS: usize = 20_000;

/// One connection of the generator.
#[derive(Debug, Default)]
pub struct Connection {
    /// `None` while it is closed.
    stream: Option<TcpStream>,
    web_socket: Option<WebSocket>,
    /// The beginning of a packet whose end has not arrived.
    carry: Vec<u8>,
    /// Packets to be written. Append, then [`Fleet::flush`].
    pub out: Vec<u8>,
    /// Over WebSocket: what was `out`, in frames.
    raw: Vec<u8>,
    /// How much of `out`, or over WebSocket of `raw`, the kernel has taken.
    written: usize,
    writable: bool,
    readable: bool,
    /// The broker has closed its side: reading goes on until the end, which no further event announces.
    ends: bool,
}

impl Connection {
    /// The kernel has not taken all of [`Self::out`].
    #[inline]
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        !self.out.is_empty() || !self.raw.is_empty()
    }

    /// Writes what is due, as far as the kernel takes it.
    #[inline]
    fn flush(&mut self, io: &mut IoCounts) -> io::Result<()> {
        let Self { stream: Some(stream), web_socket, out, raw, written, writable, .. } = self else {
            return Ok(());
        };
        let Some(web_socket) = web_socket else { return write(stream, out, written, writable, io) };
        while *writable {
            if raw.is_empty() && web_socket.is_open() && !out.is_empty() {
                web_socket.put_frames(out, raw);
                out.clear();
            }
            if raw.is_empty() {
                break;
            }
            write(stream, raw, written, writable, io)?;
        }
        Ok(())
    }
}

/// Writes `bytes` from `written` on; both are reset when the kernel has taken everything.
#[inline]
fn write(
    stream: &mut TcpStream,
    bytes: &mut Vec<u8>,
    written: &mut usize,
    writable: &mut bool,
    io: &mut IoCounts,
) -> io::Result<()> {
    while *writable && *written < bytes.len() {
        match stream.write(&bytes[*written..]) {
            Ok(size) => {
                io.writes += 1;
                io.written_bytes += size as u64;
                *written += size;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => *writable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if *written == bytes.len() {
        bytes.clear();
        *written = 0;
    }
    Ok(())
}

/// System calls of the generator and what they moved: the batch sizes it saw.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IoCounts {
    /// Calls that read something.
    pub reads: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Calls that wrote something.
    pub writes: u64,
    /// Bytes written.
    pub written_bytes: u64,
}

/// Whoever understands the packets that arrive.
pub trait Peer {
    /// A read of one connection is about to be taken apart: the time to look at the clock.
    fn chunk(&mut self) {}

    /// The broker has closed a connection.
    ///
    /// # Errors
    /// Unless that was to be expected.
    fn closed(&mut self, connection: usize) -> Result<(), Failure> {
        Err(Failure::Closed { connection })
    }

    /// One whole packet. What is appended to `out` is written after the chunk.
    ///
    /// # Errors
    /// Any [`Failure`]; it ends the run.
    fn frame(&mut self, connection: usize, frame: Frame<'_>, out: &mut Vec<u8>) -> Result<(), Failure>;
}

/// All connections of a run.
#[derive(Debug)]
pub struct Fleet {
    poll: Poll,
    events: Events,
    transport: Transport,
    packets_per_frame: usize,
    /// By index, as [`Peer::frame`] and [`Fleet::flush`] name them.
    pub connections: Vec<Connection>,
    buffer: Vec<u8>,
    readable: Vec<usize>,
    /// Counted since the beginning.
    pub io: IoCounts,
}

impl Fleet {
    /// A fleet without connections; `packet_bytes` is the largest packet that it will read.
    ///
    /// # Errors
    /// When there is no epoll to be had.
    pub fn new(packet_bytes: usize) -> io::Result<Self> {
        Self::over(Transport::Tcp, 0, packet_bytes)
    }

    /// One whose connections use `transport`; over WebSocket so many packets share a frame, 0 being all that are
    /// written together.
    ///
    /// # Errors
    /// When there is no epoll to be had.
    pub fn over(transport: Transport, packets_per_frame: usize, packet_bytes: usize) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            transport,
            packets_per_frame,
            connections: Vec::new(),
            buffer: vec![0; READ_BYTES.max(4 * packet_bytes)],
            readable: Vec::new(),
            io: IoCounts::default(),
        })
    }

    /// Begins to connect to `address`; gives the connection's index.
    ///
    /// # Errors
    /// Chiefly when the process has no file descriptor left.
    pub fn open(&mut self, address: SocketAddr) -> io::Result<usize> {
        let index = self.connections.len();
        self.connections.push(Connection::default());
        let is_crowded = index >= CONNECTIONS_PER_ADDRESS && address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST);
        let last = 1 + u8::try_from(index / CONNECTIONS_PER_ADDRESS).unwrap_or(u8::MAX - 1);
        self.reopen(index, address, is_crowded.then_some(Ipv4Addr::new(127, 0, 0, last)))?;
        Ok(index)
    }

    /// Begins to connect to `address` once more, `from` an address of this machine where one is given. What the
    /// index had before is closed, and what it had not written is gone.
    ///
    /// # Errors
    /// Chiefly when the process has no file descriptor left.
    pub fn reopen(&mut self, index: usize, address: SocketAddr, from: Option<Ipv4Addr>) -> io::Result<()> {
        self.close(index);
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(from) = from {
            socket.bind(&SocketAddr::from((from, 0)).into())?;
        }
        match socket.connect(&address.into()) {
            Ok(()) => {}
            Err(error) if is_under_way(&error) => {}
            Err(error) => return Err(error),
        }
        let mut stream = TcpStream::from_std(socket.into());
        self.poll.registry().register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        let connection = &mut self.connections[index];
        connection.stream = Some(stream);
        if self.transport == Transport::WebSocket {
            let seed = index as u64 + 1;
            connection.web_socket = Some(WebSocket::open(&mut connection.raw, seed, self.packets_per_frame));
        }
        Ok(())
    }

    /// Closes a connection as if its process had been killed: what has come and was not read is lost. Nothing
    /// happens to one that is closed.
    pub fn close(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        connection.stream = None;
        connection.web_socket = None;
        connection.carry.clear();
        connection.out.clear();
        connection.raw.clear();
        connection.written = 0;
        // `readable` stays: it says that the index is in the list.
        (connection.writable, connection.ends) = (false, false);
    }

    /// Tells the broker that nothing more will come. That it has closed meanwhile is no error.
    pub fn finish(&mut self, index: usize) {
        if let Some(stream) = &self.connections[index].stream {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }

    /// Waits for readiness and writes what was held up.
    ///
    /// # Errors
    /// A refused or broken connection.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = if self.readable.is_empty() { timeout } else { Some(Duration::ZERO) };
        if let Err(error) = self.poll.poll(&mut self.events, timeout) {
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        for event in &self.events {
            let index = event.token().0;
            let connection = &mut self.connections[index];
            if event.is_writable() && !connection.writable {
                connection.writable = true;
                connection.flush(&mut self.io)?;
            }
            connection.ends |= event.is_read_closed();
            if event.is_readable() && !connection.readable {
                connection.readable = true;
                self.readable.push(index);
            }
        }
        Ok(())
    }

    /// Whether a connection had more than one read takes: the next [`read`](Self::read) has work to do.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.readable.is_empty()
    }

    /// Reads each readable connection once and hands its packets to `peer`. One that had more than fits the
    /// buffer stays readable and is read again in the next round, so that no connection starves the others.
    ///
    /// # Errors
    /// What the peer says, a broken or closed connection, or bytes that are no MQTT.
    pub fn read(&mut self, peer: &mut impl Peer) -> Result<(), Failure> {
        let mut kept = 0;
        for at in 0..self.readable.len() {
            let index = self.readable[at];
            if self.read_one(index, peer)? {
                self.readable[kept] = index;
                kept += 1;
            } else {
                self.connections[index].readable = false;
            }
        }
        self.readable.truncate(kept);
        Ok(())
    }

    /// True when there is more to read.
    #[inline]
    fn read_one(&mut self, index: usize, peer: &mut impl Peer) -> Result<bool, Failure> {
        let Self { connections, buffer, io, .. } = self;
        let connection = &mut connections[index];
        let Some(stream) = &mut connection.stream else { return Ok(false) };
        let carried = connection.carry.len();
        buffer[..carried].copy_from_slice(&connection.carry);
        if carried == buffer.len() {
            return Err(WireError::Oversized(carried).into());
        }
        let size = match stream.read(&mut buffer[carried..]) {
            Ok(0) => return peer.closed(index).map(|()| false),
            Ok(size) => size,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return peer.closed(index).map(|()| false);
            }
            Err(error) => return Err(error.into()),
        };
        io.reads += 1;
        io.read_bytes += size as u64;
        peer.chunk();
        let filled = carried + size;
        let end = match &mut connection.web_socket {
            Some(web_socket) => web_socket.receive(&mut buffer[..filled], carried, &mut connection.raw)?,
            None => filled,
        };
        let mut rest = &buffer[..end];
        while let Some(frame) = wire::split(rest)? {
            rest = &rest[frame.len..];
            peer.frame(index, frame, &mut connection.out)?;
        }
        connection.carry.clear();
        connection.carry.extend_from_slice(rest);
        connection.flush(io)?;
        // A read that did not fill the buffer has emptied the socket: epoll will tell of new bytes.
        Ok(filled == buffer.len() || connection.ends)
    }

    /// Writes what was appended to a connection's `out`.
    ///
    /// # Errors
    /// A broken connection.
    #[inline]
    pub fn flush(&mut self, index: usize) -> io::Result<()> {
        self.connections[index].flush(&mut self.io)
    }
}

fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
}

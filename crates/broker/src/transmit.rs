//! What leaves: which connections have something to write, and handing it to the host.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::broker::{Broker, ConnectionKey};
use crate::config::Limits;
use crate::connection::{Closing, Connection, Phase};
use crate::message::Message;
use crate::out_buffer::{OutBuffer, SpareBuffers};

/// One connection's bytes, at the start of the arena that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Whose.
    pub connection: ConnectionKey,
    /// How many bytes of the arena.
    pub length: usize,
    /// Close the transport once they have left.
    pub closing: Option<Closing>,
}

/// Who takes what a connection is sent: see [`Broker::take_directly`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lane {
    /// [`Broker::poll_transmit`], by way of an arena.
    #[default]
    Arena,
    /// [`Broker::transmit_to`], from where it lies.
    Direct,
}

/// A host that writes to transports itself, for [`Broker::transmit_to`].
pub trait Sink {
    /// Writes as much of `pieces`, one behind the other, as the transport takes at once, and says how many bytes that
    /// were. Fewer than all means that it is full, and the connection is [`Broker::blocked`] from now on.
    fn write(&mut self, connection: ConnectionKey, pieces: &[&[u8]]) -> usize;

    /// Everything that the connection was sent has been written, or given up: close the transport.
    fn close(&mut self, connection: ConnectionKey, closing: Closing);
}

/// All out-buffers go through here, so that what they hold is counted and who has something is known.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    dirty: VecDeque<ConnectionKey>,
    /// The same for connections that are written to directly.
    dirty_direct: VecDeque<ConnectionKey>,
    overrun: Vec<ConnectionKey>,
    spare: SpareBuffers,
    buffered_bytes: u64,
}

impl Outlet {
    /// Appends to a connection's out-buffer.
    #[inline]
    pub(crate) fn append<R>(
        &mut self,
        connection: &mut Connection,
        write: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> R {
        let before = connection.out.len();
        let result = connection.out.append(&mut self.spare, write);
        self.buffered_bytes += (connection.out.len() - before) as u64;
        self.mark(connection);
        result
    }

    /// Appends a payload by reference.
    pub(crate) fn append_payload(&mut self, connection: &mut Connection, message: Arc<Message>) {
        self.buffered_bytes += message.payload().len() as u64;
        connection.out.append_payload(message);
        self.mark(connection);
    }

    /// Notes that a connection has something to write, or to be closed.
    #[inline]
    pub(crate) fn mark(&mut self, connection: &mut Connection) {
        if !connection.is_dirty && !connection.is_blocked {
            connection.is_dirty = true;
            self.queue(connection.lane).push_back(connection.key);
        }
    }

    fn queue(&mut self, lane: Lane) -> &mut VecDeque<ConnectionKey> {
        match lane {
            Lane::Arena => &mut self.dirty,
            Lane::Direct => &mut self.dirty_direct,
        }
    }

    /// Notes that a connection has made us write too much that it does not read.
    #[cold]
    pub(crate) fn overrun(&mut self, key: ConnectionKey) {
        self.overrun.push(key);
    }

    pub(crate) fn poll_overrun(&mut self) -> Option<ConnectionKey> {
        self.overrun.pop()
    }

    pub(crate) fn buffered_bytes(&self) -> u64 {
        self.buffered_bytes
    }

    /// A connection is over and its peer does not take what it was owed: the host hears of the end all the same.
    pub(crate) fn give_up(&mut self, connection: &mut Connection) {
        self.buffered_bytes -= connection.out.len() as u64;
        connection.out = OutBuffer::default();
        connection.is_blocked = false;
        if connection.closing.is_some() {
            self.mark(connection);
        }
    }

    /// What a connection still held when it was removed is gone.
    pub(crate) fn forget(&mut self, connection: &Connection) {
        self.buffered_bytes -= connection.out.len() as u64;
    }
}

impl Broker {
    /// The next connection's bytes, written to the start of `arena`: as much as fits, the rest comes with a later
    /// call. None where nothing is left that can be written, or where `arena` is empty.
    #[must_use]
    pub fn poll_transmit(&mut self, arena: &mut [u8], now_ms: u64) -> Option<Transmit> {
        self.end_overrun_connections(now_ms);
        while !arena.is_empty() {
            let key = self.outlet.dirty.pop_front()?;
            let Some(connection) = self.connections.get_mut(key.index()) else { continue };
            if connection.is_blocked {
                connection.is_dirty = false;
                continue;
            }
            let length = self.fill(arena, key, now_ms);
            let Some(connection) = self.connections.get_mut(key.index()) else { continue };
            let mut closing = None;
            if connection.out.is_empty() {
                connection.is_dirty = false;
                connection.answered_bytes = 0;
                connection.out.recycle(&mut self.outlet.spare);
                closing = connection.closing.take();
            } else {
                // Behind the others, so that one long queue does not keep them waiting.
                self.outlet.dirty.push_back(key);
            }
            if length > 0 || closing.is_some() {
                return Some(Transmit { connection: key, length, closing });
            }
        }
        None
    }

    /// Moves a connection's bytes to the start of `arena` until one of the two has no more. What this makes room for
    /// in the out-buffer follows in the same piece, so that a connection has one piece in an arena.
    fn fill(&mut self, arena: &mut [u8], key: ConnectionKey, now_ms: u64) -> usize {
        let mut length = 0;
        while let Some(connection) = self.connections.get_mut(key.index()) {
            let drained = connection.out.drain_into(arena.get_mut(length..).unwrap_or_default());
            length += drained;
            self.outlet.buffered_bytes -= drained as u64;
            if connection.out.len() < Limits::OUT_BUFFER_LOW_BYTES
                && connection.phase == Phase::Open
                && let Some(session) = connection.session
            {
                self.pump(session, now_ms);
            }
            let has_more =
                self.connections.get(key.index()).is_some_and(|connection| !connection.out.is_empty());
            if !has_more || length == arena.len() {
                break;
            }
        }
        self.metrics.bytes_sent += length as u64;
        length
    }

    /// What this connection is sent is for [`Broker::transmit_to`], not for [`Broker::poll_transmit`]. To be called
    /// right after [`Broker::open`].
    pub fn take_directly(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(key.index()) else { return };
        connection.lane = Lane::Direct;
        // A connection too many is over from the start.
        if std::mem::take(&mut connection.is_dirty) {
            self.outlet.mark(connection);
        }
    }

    /// Writes what the connections that are taken directly have, without a copy, until nothing is left or about `budget`
    /// bytes have been written; a connection with much to write takes turns with the others.
    pub fn transmit_to(&mut self, sink: &mut impl Sink, budget: usize, now_ms: u64) {
        self.end_overrun_connections(now_ms);
        let mut written = 0;
        while written < budget {
            let Some(key) = self.outlet.dirty_direct.pop_front() else { break };
            written += self.transmit_one(sink, key, now_ms);
        }
    }

    fn transmit_one(&mut self, sink: &mut impl Sink, key: ConnectionKey, now_ms: u64) -> usize {
        let Some(connection) = self.connections.get_mut(key.index()) else { return 0 };
        if connection.is_blocked {
            connection.is_dirty = false;
            return 0;
        }
        let mut written = 0;
        if !connection.out.is_empty() {
            let has_taken_all;
            (written, has_taken_all) = connection.out.write_to(|pieces| sink.write(key, pieces));
            connection.is_blocked = !has_taken_all;
            self.outlet.buffered_bytes -= written as u64;
            self.metrics.bytes_sent += written as u64;
            if connection.out.len() < Limits::OUT_BUFFER_LOW_BYTES
                && connection.phase == Phase::Open
                && let Some(session) = connection.session
            {
                self.pump(session, now_ms);
            }
        }
        let Some(connection) = self.connections.get_mut(key.index()) else { return written };
        if !connection.out.is_empty() {
            // Behind the others; one whose transport is full comes back with `writable`.
            connection.is_dirty = !connection.is_blocked;
            if connection.is_dirty {
                self.outlet.dirty_direct.push_back(key);
            }
            return written;
        }
        connection.is_dirty = false;
        connection.answered_bytes = 0;
        connection.out.recycle(&mut self.outlet.spare);
        if let Some(closing) = connection.closing.take() {
            sink.close(key, closing);
        }
        written
    }

    /// True where [`Broker::poll_transmit`] has something.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.outlet.dirty.is_empty() || !self.outlet.overrun.is_empty()
    }

    /// True where [`Broker::transmit_to`] has something.
    #[must_use]
    pub fn has_direct_output(&self) -> bool {
        !self.outlet.dirty_direct.is_empty()
    }

    /// The transport is full: nothing is drained for it until [`Broker::writable`]. If the connection ends meanwhile,
    /// its [`Transmit::closing`] comes when it has taken the rest, or five seconds later without the rest.
    pub fn blocked(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connection_mut(key) {
            connection.is_blocked = true;
        }
    }

    /// The transport has room again.
    pub fn writable(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connections.get_mut(key.index()) {
            connection.is_blocked = false;
            if !connection.out.is_empty() || connection.closing.is_some() {
                self.outlet.mark(connection);
            }
        }
    }
}

//! How sockets end: in order, when their peers have, when they have lingered long enough, or at once.

use super::driver::Driver;
use super::gate::format_peer;
use super::socket::Phase;

/// How long an orderly close waits for its peer; `src/transports/transport.ts` has the same.
const LINGER_MS: u64 = 2_000;

/// A socket that waits for its peer to end.
pub(crate) struct Lingering {
    pub(crate) deadline_ms: u64,
    pub(crate) connection: u32,
    /// Of its socket: the number may be another connection's by then.
    pub(crate) serial: u64,
}

impl Driver {
    pub(super) fn peer_has_ended(&mut self, connection: u32) {
        let Some(socket) = self.socket(connection) else { return };
        if socket.phase != Phase::Open {
            return self.finish(connection);
        }
        // What this turn still wants to answer goes out first.
        socket.phase = Phase::PeerEnded;
        socket.watch();
        self.peer_ended.push(connection);
    }

    /// Closes what has lingered long enough, and who has said nothing for too long.
    pub(crate) fn tick(&mut self, now_ms: u64) {
        while let Some(peer) = self.gate.poll_silent(now_ms) {
            self.arrivals.silent.push(format_peer(peer));
        }
        while let Some(&Lingering { deadline_ms, connection, serial }) = self.lingering.front() {
            if deadline_ms > now_ms {
                break;
            }
            self.lingering.pop_front();
            if self.socket(connection).is_some_and(|socket| socket.serial == serial) {
                self.finish(connection);
            }
        }
    }

    pub(super) fn linger(&mut self, connection: u32, now_ms: u64) {
        let deadline_ms = now_ms.saturating_add(LINGER_MS);
        let Some(serial) = self.socket(connection).map(|socket| socket.serial) else { return };
        self.lingering.push_back(Lingering { deadline_ms, connection, serial });
    }

    /// Writes the control frames of a WebSocket, and ends our half of its connection when it is closed.
    pub(super) fn write_control(&mut self, connection: u32) {
        let Some(socket) = self.socket(connection) else { return };
        if !socket.is_full && socket.write(&[]).is_err() {
            return self.finish(connection);
        }
        if socket.phase == Phase::Closing && socket.framed.as_ref().is_some_and(|framed| framed.is_closed()) {
            if socket.end() {
                socket.phase = Phase::Lingering;
            } else {
                self.finish(connection);
            }
        }
    }

    /// Closes a WebSocket in order, in words.
    pub(crate) fn close_web_socket(&mut self, connection: u32, code: u16, reason: &str, now_ms: u64) {
        let Some(socket) = self.socket(connection) else { return };
        let Some(framed) = &mut socket.framed else { return };
        if socket.phase == Phase::Open && framed.close(code, reason) {
            socket.phase = Phase::Closing;
            socket.watch();
            self.linger(connection, now_ms);
            self.write_control(connection);
        } else if socket.phase != Phase::Closing {
            self.finish(connection);
        }
    }

    /// The WebSockets that the core has closed since the last call: of each the connection and the Reason Code.
    pub(crate) fn take_closing(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.to_close)
    }

    /// Closes a socket at once. What has not been sent is lost.
    pub(crate) fn finish(&mut self, connection: u32) {
        let Some(socket) = self.sockets.get_mut(connection as usize).and_then(Option::take) else { return };
        drop(socket);
        self.open_count -= 1;
        self.gone.push(connection);
        self.keep_host();
    }

    /// The connections whose sockets are gone since the last call.
    pub(crate) fn take_gone(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.gone)
    }
}

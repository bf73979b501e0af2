//! All sockets of one broker that are driven here, and one turn of them. How they end is in [`super::ending`].

use std::collections::VecDeque;
use std::ffi::c_int;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use napi::sys;
use topicwire_broker::{Closing, ConnectionKey, Sink};

use super::ending::Lingering;
use super::framed::Framed;
use super::gate::{Gate, GateLimits, Spoken, Stranger, format_peer};
use super::host::{Caller, Host};
use super::socket::{Came, Phase, Socket};
use super::uv::{EventLoop, Poll, READABLE, Turn, WRITABLE, Watched};
use crate::shared::Shared;
use crate::state::{State, status};

/// What one read takes at most.
const READ_BYTES: usize = 256 << 10;
/// How often a socket with more to read is read in one turn.
const READS_A_TURN: usize = 2;
/// What one turn writes at most before the sockets are read again, in bytes.
const WRITTEN_A_TURN: usize = 4 << 20;
/// A problem of accepting lasts, and comes with whoever knocks: it is told so often.
const PROBLEM_EVERY_MS: u64 = 10_000;

/// Who has come to the listening sockets since JavaScript last looked.
#[derive(Default)]
pub(crate) struct Arrivals {
    /// Connections that were opened, and where their peers are.
    pub(crate) connections: Vec<(u32, String)>,
    pub(crate) strangers: Vec<Stranger>,
    /// Peers that said nothing and were dropped.
    pub(crate) silent: Vec<String>,
    /// Why somebody could not be let in.
    pub(crate) problem: Option<String>,
}

impl Arrivals {
    fn is_empty(&self) -> bool {
        self.connections.is_empty()
            && self.strangers.is_empty()
            && self.silent.is_empty()
            && self.problem.is_none()
    }
}

/// See the module.
pub(crate) struct Driver {
    event_loop: EventLoop,
    shared: *const Shared,
    pub(super) gate: Gate,
    /// For JavaScript to hear of.
    pub(super) arrivals: Arrivals,
    /// When the next problem of accepting is told.
    next_problem_ms: u64,
    /// By connection number.
    pub(super) sockets: Vec<Option<Box<Socket>>>,
    pub(super) open_count: usize,
    buffer: Box<[u8]>,
    /// Their peers have ended in this turn.
    pub(super) peer_ended: Vec<u32>,
    /// WebSockets with control frames to write.
    with_control: Vec<u32>,
    /// WebSockets that the core closes, with its Reason Code: JavaScript knows the words.
    pub(super) to_close: Vec<u32>,
    /// Connections whose sockets are gone, for JavaScript to hear of.
    pub(super) gone: Vec<u32>,
    /// Sockets that wait for their peers to end, with the time by which that must be. All wait equally long.
    pub(super) lingering: VecDeque<Lingering>,
    last_serial: u64,
    /// Something has come from the loop since the last turn, so it is ours to see what it has led to.
    was_ready: bool,
    /// When JavaScript's timer will call, at the latest.
    armed_ms: u64,
    /// Of the output that is being written.
    now_ms: u64,
    turn: Turn,
    host: Host,
}

impl Driver {
    /// None where this process does not let its sockets be driven.
    ///
    /// # Safety
    /// `env` and `on_turn` (a function) are valid now, on this thread, and `shared` owns what is returned.
    pub(crate) unsafe fn new(
        env: sys::napi_env,
        on_turn: sys::napi_value,
        shared: *const Shared,
    ) -> Option<Self> {
        let mut pointer = std::ptr::null_mut();
        // SAFETY: `env` is valid.
        if unsafe { sys::napi_get_uv_event_loop(env, &mut pointer) } != sys::Status::napi_ok {
            return None;
        }
        // SAFETY: the loop is this thread's, and is not closed before the environment's cleanup hooks have run, one
        // of which drops this.
        let event_loop = unsafe { EventLoop::new(pointer.cast()) }?;
        // SAFETY: the caller's promises.
        let (host, turn) = unsafe { (Host::new(env, on_turn, shared)?, Turn::new(event_loop, shared)) };
        Some(Self {
            event_loop,
            shared,
            gate: Gate::new(event_loop, shared),
            arrivals: Arrivals::default(),
            next_problem_ms: 0,
            sockets: Vec::new(),
            open_count: 0,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            peer_ended: Vec::new(),
            with_control: Vec::new(),
            to_close: Vec::new(),
            gone: Vec::new(),
            lingering: VecDeque::new(),
            last_serial: 0,
            was_ready: false,
            armed_ms: 0,
            now_ms: 0,
            turn,
            host,
        })
    }

    /// A descriptor of our own for the connection of `descriptor`, which may be closed afterwards.
    pub(crate) fn duplicate(descriptor: BorrowedFd<'_>) -> Option<TcpStream> {
        let stream = TcpStream::from(descriptor.try_clone_to_owned().ok()?);
        stream.set_nonblocking(true).ok()?;
        Some(stream)
    }

    /// Drives a socket from now on, as the connection of this number. False, and the socket is closed, where the event
    /// loop refuses it.
    pub(crate) fn adopt(&mut self, connection: u32, stream: TcpStream, framed: Option<Framed>) -> bool {
        // SAFETY: `shared` owns this driver, and this driver all its sockets.
        let poll =
            unsafe { Poll::new(self.event_loop, stream.as_fd(), self.shared, Watched::Socket(connection)) };
        let Some(poll) = poll else { return false };
        self.place(connection, stream, poll, 0, framed);
        true
    }

    fn place(
        &mut self,
        connection: u32,
        stream: TcpStream,
        poll: Poll,
        watched: c_int,
        framed: Option<Framed>,
    ) {
        let index = connection as usize;
        if self.sockets.len() <= index {
            self.sockets.resize_with(index + 1, || None);
        }
        if let Some(place) = self.sockets.get_mut(index) {
            self.last_serial += 1;
            let socket = Socket::new(stream, poll, watched, framed.map(Box::new), self.last_serial);
            *place = Some(Box::new(socket));
            self.open_count += 1;
        }
        self.keep_host();
    }

    /// Sockets keep the way to JavaScript open.
    pub(super) fn keep_host(&mut self) {
        self.host.keep(self.open_count > 0 || self.gate.is_open());
    }

    /// Takes what comes to this listening socket from now on; see [`Gate::listen`].
    pub(crate) fn listen(&mut self, listener: TcpListener, limits: GateLimits) -> Option<u32> {
        let id = self.gate.listen(listener, limits);
        self.keep_host();
        id
    }

    /// Closes a listening socket.
    pub(crate) fn stop_listening(&mut self, id: u32) {
        self.gate.stop(id);
        self.keep_host();
    }

    /// Who has come since the last call.
    pub(crate) fn take_arrivals(&mut self) -> Arrivals {
        std::mem::take(&mut self.arrivals)
    }

    pub(super) fn socket(&mut self, connection: u32) -> Option<&mut Socket> {
        self.sockets.get_mut(connection as usize)?.as_deref_mut()
    }

    /// The event loop has something for a descriptor.
    pub(crate) fn is_ready(&mut self, state: &mut State, watched: Watched, events: c_int) {
        self.was_ready = true;
        match watched {
            Watched::Socket(connection) => self.socket_is_ready(state, connection, events),
            Watched::Newcomer(number) => self.newcomer_is_ready(state, number),
            Watched::Listener(id) => {
                let now_ms = state.now();
                let accepted = self.gate.accept(id, self.open_count, now_ms);
                if let Err(error) = accepted
                    && now_ms >= self.next_problem_ms
                {
                    self.next_problem_ms = now_ms.saturating_add(PROBLEM_EVERY_MS);
                    self.arrivals.problem = Some(error.to_string());
                }
            }
        }
    }

    fn newcomer_is_ready(&mut self, state: &mut State, number: u32) {
        match self.gate.hear(number, &mut self.buffer) {
            Spoken::Mqtt { stream, mut poll, peer, count } => {
                let opened = state.run_now(|core, now_ms| {
                    let connection = core.open(now_ms);
                    core.take_directly(connection);
                    connection.0
                });
                let Some(connection) = opened else { return };
                poll.assign(Watched::Socket(connection));
                self.place(connection, stream, poll, READABLE, None);
                self.arrivals.connections.push((connection, format_peer(peer)));
                self.take_in(state, connection, count);
            }
            Spoken::Stranger(stranger) => self.arrivals.strangers.push(stranger),
            Spoken::Nothing => {}
        }
    }

    fn socket_is_ready(&mut self, state: &mut State, connection: u32, events: c_int) {
        if events & WRITABLE != 0
            && let Some(socket) = self.socket(connection)
            && socket.is_full
        {
            socket.is_full = false;
            socket.watch();
            if socket.phase == Phase::PeerEnded {
                self.peer_ended.push(connection);
            }
            let Some(socket) = self.socket(connection) else { return };
            if socket.framed.as_ref().is_some_and(|framed| framed.has_control()) {
                self.with_control.push(connection);
            }
            state.run_now(|core, _| core.writable(ConnectionKey(connection)));
        }
        // Whatever else it is, a read tells: bytes, the end or an error.
        if events != WRITABLE {
            self.read(state, connection);
        }
    }

    fn read(&mut self, state: &mut State, connection: u32) {
        for _ in 0..READS_A_TURN {
            let Self { sockets, buffer, .. } = self;
            let Some(socket) = sockets.get_mut(connection as usize).and_then(Option::as_deref_mut) else {
                return;
            };
            if socket.is_held && socket.phase == Phase::Open {
                return;
            }
            match socket.read(buffer) {
                Came::Bytes(count) => {
                    self.take_in(state, connection, count);
                    if count < READ_BYTES {
                        return;
                    }
                }
                Came::Nothing => return,
                Came::End => return self.peer_has_ended(connection),
                Came::Fault => return self.finish(connection),
            }
        }
    }

    /// Bytes that JavaScript read before it handed the socket over.
    pub(crate) fn take_head(&mut self, state: &mut State, connection: u32, head: &[u8]) {
        self.was_ready = true;
        for part in head.chunks(READ_BYTES) {
            if let Some(room) = self.buffer.get_mut(..part.len()) {
                room.copy_from_slice(part);
            }
            self.take_in(state, connection, part.len());
        }
    }

    /// The first `count` bytes of the buffer have come for a connection.
    fn take_in(&mut self, state: &mut State, connection: u32, count: usize) {
        let Self { sockets, buffer, .. } = self;
        let Some(socket) = sockets.get_mut(connection as usize).and_then(Option::as_deref_mut) else {
            return;
        };
        let bytes = buffer.get_mut(..count).unwrap_or_default();
        let is_open = socket.phase == Phase::Open;
        let mut has_ended = false;
        let payload = match &mut socket.framed {
            Some(framed) if is_open || socket.phase == Phase::Closing => {
                let received = framed.receive(bytes);
                if received.end.is_some() && is_open {
                    socket.phase = Phase::Closing;
                    has_ended = true;
                }
                if framed.has_control() || received.end.is_some() {
                    self.with_control.push(connection);
                }
                received.payload
            }
            _ => bytes,
        };
        if is_open && !payload.is_empty() {
            let input =
                state.run_now(|core, now_ms| core.receive(ConnectionKey(connection), payload, now_ms));
            self.set_held(connection, input.is_some_and(|input| input.is_held));
        }
        if has_ended {
            self.linger(connection, state.now());
        }
    }

    /// A hook decides about a connection's next packet, or does not any more.
    pub(crate) fn set_held(&mut self, connection: u32, is_held: bool) {
        let Some(socket) = self.socket(connection) else { return };
        if socket.is_held != is_held {
            socket.is_held = is_held;
            socket.watch();
        }
    }

    /// Writes what the core has for the sockets, and closes those whose peers have ended.
    pub(crate) fn flush(&mut self, state: &mut State) {
        let has_more = state.run_now(|core, now_ms| {
            self.now_ms = now_ms;
            core.transmit_to(self, WRITTEN_A_TURN, now_ms);
            core.has_direct_output()
        });
        for connection in std::mem::take(&mut self.with_control) {
            self.write_control(connection);
        }
        for connection in std::mem::take(&mut self.peer_ended) {
            match self.socket(connection) {
                Some(socket) if socket.is_full => self.linger(connection, state.now()),
                _ => self.finish(connection),
            }
        }
        self.turn.hurry(has_more == Some(true));
        self.was_ready |= has_more == Some(true);
    }

    /// The end of a turn of the loop: what is there is written. Returns the way to JavaScript where it has to do
    /// something.
    pub(crate) fn turn_ends(&mut self, state: &mut State) -> Option<Caller> {
        // Otherwise whoever caused something has arranged for a turn already.
        if !std::mem::take(&mut self.was_ready) {
            return None;
        }
        // The store begins while the sockets are written; writing makes room for what it then has to know.
        state.give_store_work();
        self.flush(state);
        state.give_store_work();
        let is_early = self.next_deadline_ms(state.next_deadline_ms()).is_some_and(|at| at < self.armed_ms);
        let has_work = state.run_now(|core, _| is_early || core.has_events() || core.has_output());
        let is_wanted = has_work.unwrap_or_else(|| state.has_failed()) || self.status() != 0;
        is_wanted.then(|| self.host.caller())
    }

    /// JavaScript will call in time for what is returned.
    pub(crate) fn arm(&mut self, of_core: Option<u64>) -> Option<u64> {
        let deadline_ms = self.next_deadline_ms(of_core);
        self.armed_ms = deadline_ms.unwrap_or(u64::MAX);
        deadline_ms
    }

    /// The earlier of the core's deadline and our own.
    fn next_deadline_ms(&self, of_core: Option<u64>) -> Option<u64> {
        let of_lingering = self.lingering.front().map(|first| first.deadline_ms);
        of_core.into_iter().chain(of_lingering).chain(self.gate.next_deadline_ms()).min()
    }

    /// What JavaScript has to hear of.
    pub(crate) fn status(&self) -> u32 {
        let has_ended = !self.gone.is_empty() || !self.to_close.is_empty();
        let ended = if has_ended { status::ENDED } else { 0 };
        ended | if self.arrivals.is_empty() { 0 } else { status::ARRIVED }
    }
}

impl Sink for Driver {
    fn write(&mut self, connection: ConnectionKey, pieces: &[&[u8]]) -> usize {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        // After its end a socket takes everything.
        let Some(socket) = self.socket(connection.0) else { return length };
        if !matches!(socket.phase, Phase::Open | Phase::PeerEnded) {
            return length;
        }
        match socket.write(pieces) {
            Ok(count) => count,
            Err(_) => {
                self.finish(connection.0);
                length
            }
        }
    }

    fn close(&mut self, connection: ConnectionKey, closing: Closing) {
        let Some(socket) = self.socket(connection.0) else { return };
        if socket.framed.is_some() {
            self.to_close.extend([connection.0, u32::from(closing.reason_code.value())]);
        } else if socket.phase == Phase::Open && socket.end() {
            socket.phase = Phase::Lingering;
            socket.is_full = false;
            socket.watch();
            self.linger(connection.0, self.now_ms);
        } else {
            self.finish(connection.0);
        }
    }
}

//! The null broker: it passes bytes on and does nothing else, so its figures are the ceiling of every bench
//! that this generator runs on this machine.
//!
//! It is no broker: it looks at no topic. Who gets what follows from the client ids that `run.rs` uses
//! (`load-s-<group>-…` subscribes, `load-p-<group>-…` publishes), it answers CONNECT, SUBSCRIBE and the steps of
//! QoS 1 and 2 by rote, under the publisher's packet ids, and it keeps no session. A connection that begins with
//! a letter is a WebSocket. A [`Policy`] may tamper with what passes; that is how the tests prove that the
//! generator notices.

use crate::{
    websocket::{self, Reader, opcode},
    wire::{self, Frame, WireError, kind},
};
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// What happens to PUBLISHes on their way.
pub trait Policy {
    /// `packets` are one or more whole PUBLISH packets for one subscriber; what is appended to `out` is what
    /// the subscriber gets.
    fn pass(&mut self, packets: &[u8], out: &mut Vec<u8>);
}

/// Passes everything on.
#[derive(Clone, Copy, Debug)]
pub struct Faithful;

impl Policy for Faithful {
    fn pass(&mut self, packets: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(packets);
    }
}

const LISTENER: Token = Token(usize::MAX);
const READ_BYTES: usize = 256 << 10;

/// Over WebSocket, so much of what is to be written shares a frame.
const FRAME_BYTES: usize = 64 << 10;

/// The server's end of a WebSocket.
struct WebSocket {
    /// What has come of the request; `None` when that is over.
    request: Option<Vec<u8>>,
    reader: Reader,
}

struct Peer {
    stream: TcpStream,
    /// `None` until the first byte has told.
    web_socket: Option<Option<WebSocket>>,
    carry: Vec<u8>,
    out: Vec<u8>,
    /// Over WebSocket: what was `out`, in frames.
    raw: Vec<u8>,
    /// How much of `out`, or over WebSocket of `raw`, the kernel has taken.
    written: usize,
    group: Option<String>,
    is_v5: bool,
    writable: bool,
    waits_for_flush: bool,
}

impl Peer {
    /// Takes the framing, if there is any, off what has come at `bytes[from..]`; gives the end of the MQTT bytes,
    /// and whether there is something new to be written.
    fn unwrap(&mut self, bytes: &mut [u8], from: usize) -> Result<(usize, bool), WireError> {
        let is_text = bytes.get(from).is_some_and(u8::is_ascii_alphabetic);
        let web_socket = self.web_socket.get_or_insert_with(|| {
            is_text.then(|| WebSocket { request: Some(Vec::new()), reader: Reader::new(true) })
        });
        let Some(WebSocket { request: pending, reader }) = web_socket else {
            return Ok((bytes.len(), false));
        };
        let Some(request) = pending else {
            let end = reader.strip(bytes, from, |_| {});
            return end.map(|end| (end, false)).map_err(|_| WireError::Unexpected(kind::DISCONNECT));
        };
        request.extend_from_slice(&bytes[from..]);
        // A client of the generator waits for the answer: nothing can be behind its request.
        let is_whole = websocket::end_of_head(request).is_some();
        if is_whole {
            *pending = None;
            websocket::put_answer(&mut self.raw);
        }
        Ok((from, is_whole))
    }
}

/// The null broker, listening.
pub struct Relay<P> {
    poll: Poll,
    listener: TcpListener,
    peers: HashMap<usize, Peer>,
    next_token: usize,
    /// Group to its subscribers.
    groups: HashMap<String, Vec<usize>>,
    flushes: Vec<usize>,
    policy: P,
    frame_bytes: usize,
}

impl<P: Policy> Relay<P> {
    /// Listens on `address`; port 0 is any free one.
    ///
    /// # Errors
    /// Chiefly a port that is taken.
    pub fn bind(address: SocketAddr, policy: P) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let (peers, groups, flushes) = (HashMap::new(), HashMap::new(), Vec::new());
        Ok(Self { poll, listener, peers, next_token: 0, groups, flushes, policy, frame_bytes: FRAME_BYTES })
    }

    /// The same, but over WebSocket so much of what is to be written shares a frame, wherever packets end.
    #[must_use]
    pub fn with_frames_of(mut self, frame_bytes: usize) -> Self {
        self.frame_bytes = frame_bytes.max(1);
        self
    }

    /// Where it listens.
    ///
    /// # Errors
    /// None to be expected.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is set.
    ///
    /// # Errors
    /// When polling or accepting fails. A peer that misbehaves or leaves is dropped.
    pub fn serve(mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; READ_BYTES];
        while !stop.load(Ordering::Relaxed) {
            match self.poll.poll(&mut events, Some(Duration::from_millis(50))) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept()?;
                    continue;
                }
                let token = event.token().0;
                if event.is_writable() {
                    self.mark_writable(token);
                }
                if event.is_readable() && self.receive(token, &mut buffer).is_err() {
                    self.forget(token);
                }
            }
            self.flush();
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let token = self.next_token;
            self.next_token += 1;
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, Token(token), interest)?;
            self.peers.insert(
                token,
                Peer {
                    stream,
                    web_socket: None,
                    carry: Vec::new(),
                    out: Vec::new(),
                    raw: Vec::new(),
                    written: 0,
                    group: None,
                    is_v5: false,
                    writable: true,
                    waits_for_flush: false,
                },
            );
        }
    }

    fn mark_writable(&mut self, token: usize) {
        if let Some(peer) = self.peers.get_mut(&token) {
            peer.writable = true;
            let is_idle = peer.out.is_empty() && peer.raw.is_empty();
            if !is_idle && !peer.waits_for_flush {
                peer.waits_for_flush = true;
                self.flushes.push(token);
            }
        }
    }

    /// Reads until the socket is empty; an error is the end of this peer.
    fn receive(&mut self, token: usize, buffer: &mut Vec<u8>) -> Result<(), WireError> {
        loop {
            let Some(peer) = self.peers.get_mut(&token) else { return Ok(()) };
            let carried = peer.carry.len();
            if buffer.len() < carried + READ_BYTES {
                buffer.resize(carried + READ_BYTES, 0);
            }
            buffer[..carried].copy_from_slice(&peer.carry);
            let size = match peer.stream.read(&mut buffer[carried..]) {
                Ok(size) if size > 0 => size,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                _ => return Err(WireError::Unexpected(kind::DISCONNECT)),
            };
            let filled = carried + size;
            let (end, is_new) = peer.unwrap(&mut buffer[..filled], carried)?;
            if is_new && !peer.waits_for_flush {
                peer.waits_for_flush = true;
                self.flushes.push(token);
            }
            let used = self.take_apart(token, &buffer[..end])?;
            if let Some(peer) = self.peers.get_mut(&token) {
                peer.carry.clear();
                peer.carry.extend_from_slice(&buffer[used..end]);
            }
            if filled < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Handles the whole packets of `bytes`, runs of PUBLISHes in one piece; gives how much that was.
    fn take_apart(&mut self, token: usize, bytes: &[u8]) -> Result<usize, WireError> {
        let (mut at, mut run) = (0, 0);
        while let Some(frame) = wire::split(&bytes[at..])? {
            if frame.kind() != kind::PUBLISH {
                self.pass(token, &bytes[run..at]);
                self.answer(token, frame)?;
                run = at + frame.len;
            } else if frame.first & 0x06 != 0 {
                self.acknowledge(token, frame)?;
            }
            at += frame.len;
        }
        self.pass(token, &bytes[run..at]);
        Ok(at)
    }

    fn pass(&mut self, from: usize, packets: &[u8]) {
        if packets.is_empty() {
            return;
        }
        let Some(group) = self.peers.get(&from).and_then(|peer| peer.group.as_ref()) else { return };
        for to in self.groups.get(group).into_iter().flatten() {
            let Some(peer) = self.peers.get_mut(to) else { continue };
            self.policy.pass(packets, &mut peer.out);
            if !peer.waits_for_flush {
                peer.waits_for_flush = true;
                self.flushes.push(*to);
            }
        }
    }

    /// PUBACK or PUBREC for a PUBLISH.
    fn acknowledge(&mut self, token: usize, frame: Frame<'_>) -> Result<(), WireError> {
        let Some(peer) = self.peers.get_mut(&token) else { return Ok(()) };
        let short = WireError::Short(kind::PUBLISH);
        let topic = frame.body.first_chunk::<2>().ok_or(short)?;
        let at = 2 + usize::from(u16::from_be_bytes(*topic));
        let &[high, low, ..] = frame.body.get(at..).ok_or(short)? else { return Err(short) };
        let ack = if frame.first & 0x02 != 0 { kind::PUBACK } else { kind::PUBREC };
        wire::put_ack(&mut peer.out, ack, u16::from_be_bytes([high, low]));
        if !peer.waits_for_flush {
            peer.waits_for_flush = true;
            self.flushes.push(token);
        }
        Ok(())
    }

    fn answer(&mut self, token: usize, frame: Frame<'_>) -> Result<(), WireError> {
        let Some(peer) = self.peers.get_mut(&token) else { return Ok(()) };
        match frame.kind() {
            kind::CONNECT => {
                peer.is_v5 = frame.body.get(6) == Some(&5);
                let id = frame.body.iter().rposition(|&byte| byte < b' ').map_or(0, |at| at + 1);
                let client_id = String::from_utf8_lossy(&frame.body[id..]).into_owned();
                let mut parts = client_id.split('-').skip(1);
                let (role, group) = (parts.next(), parts.next().unwrap_or_default().to_owned());
                if role == Some("s") {
                    self.groups.entry(group.clone()).or_default().push(token);
                }
                peer.group = Some(group);
                let connack: &[u8] = if peer.is_v5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] };
                peer.out.extend_from_slice(connack);
            }
            kind::SUBSCRIBE => {
                let [high, low] = frame.packet_id()?.to_be_bytes();
                let qos = frame.body.last().copied().unwrap_or(0);
                if peer.is_v5 {
                    peer.out.extend_from_slice(&[0x90, 4, high, low, 0, qos]);
                } else {
                    peer.out.extend_from_slice(&[0x90, 3, high, low, qos]);
                }
            }
            kind::PUBREC => wire::put_ack(&mut peer.out, kind::PUBREL, frame.packet_id()?),
            kind::PUBREL => wire::put_ack(&mut peer.out, kind::PUBCOMP, frame.packet_id()?),
            kind::PUBACK | kind::PUBCOMP => return Ok(()),
            other => return Err(WireError::Unexpected(other)),
        }
        if !peer.waits_for_flush {
            peer.waits_for_flush = true;
            self.flushes.push(token);
        }
        Ok(())
    }

    /// Writes what this turn has gathered, once per subscriber.
    fn flush(&mut self) {
        for token in std::mem::take(&mut self.flushes) {
            let Some(peer) = self.peers.get_mut(&token) else { continue };
            peer.waits_for_flush = false;
            if let Some(Some(_)) = peer.web_socket {
                for payload in peer.out.chunks(self.frame_bytes) {
                    websocket::put_frame(&mut peer.raw, opcode::BINARY, payload, None);
                }
                peer.out.clear();
            }
            let Peer { stream, web_socket, out, raw, written, writable, .. } = peer;
            let bytes = if let Some(Some(_)) = web_socket { raw } else { out };
            while *writable && *written < bytes.len() {
                match stream.write(&bytes[*written..]) {
                    Ok(size) => *written += size,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => *writable = false,
                    Err(_) => *written = bytes.len(),
                }
            }
            if *written == bytes.len() {
                bytes.clear();
                *written = 0;
            }
        }
    }

    fn forget(&mut self, token: usize) {
        let Some(peer) = self.peers.remove(&token) else { return };
        if let Some(members) = peer.group.and_then(|group| self.groups.get_mut(&group)) {
            members.retain(|&member| member != token);
        }
    }
}

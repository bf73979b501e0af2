//! The WebSocket around the bytes of one socket: what `ws` does for others, from the end of the handshake on.
//!
//! Frames are topicwire-websocket's, which ends a connection on any other data than binary frames [MQTT-6.0.0-1], v3.1.1
//! [MQTT-6.0.0-1]. Control packets may share a frame and span frames [MQTT-6.0.0-2], v3.1.1 [MQTT-6.0.0-2]: what leaves
//! here is a stream of bytes. What is left to do is what a kernel makes of frames that takes only a part of them.

use std::io;

use smallvec::SmallVec;
use topicwire_websocket::{BinaryHeader, Received, State, WebSocket};

/// Some clients refuse frames above a megabyte, and none has to wait for the end of a longer one.
const LONGEST_FRAME_BYTES: usize = 256 << 10;

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// So many bytes were taken.
    pub(crate) count: usize,
    /// And no more can be, for now.
    pub(crate) is_full: bool,
}

pub(crate) struct Framed {
    web_socket: WebSocket,
    /// Headers and control frames that are to be written before anything else.
    prefix: Vec<u8>,
    /// What is still to come of the frame whose header has been written.
    frame_left: usize,
}

impl Framed {
    pub(crate) fn new(maximum_message_bytes: u64) -> Self {
        Self { web_socket: WebSocket::new(maximum_message_bytes), prefix: Vec::new(), frame_left: 0 }
    }

    /// See [`WebSocket::receive`].
    pub(crate) fn receive<'a>(&mut self, chunk: &'a mut [u8]) -> Received<'a> {
        self.web_socket.receive(chunk)
    }

    /// Closes in order. False in the middle of a frame, whose end will not come: then there is no order to keep.
    pub(crate) fn close(&mut self, code: u16, reason: &str) -> bool {
        self.web_socket.close(code, reason);
        self.frame_left == 0
    }

    /// There is something to write besides payload.
    pub(crate) fn has_control(&self) -> bool {
        self.web_socket.has_control() || !self.prefix.is_empty()
    }

    /// Both ends have closed, and all of it has been written.
    pub(crate) fn is_closed(&self) -> bool {
        self.web_socket.state() == State::Closed && !self.has_control()
    }

    /// Writes `pieces` as frames, and before them the control frames that wait; only these where there are no pieces.
    /// What is not taken has to come again with the next call, unchanged and first.
    pub(crate) fn write(
        &mut self,
        pieces: &[&[u8]],
        mut write: impl FnMut(&[&[u8]]) -> io::Result<usize>,
    ) -> io::Result<Written> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut taken = 0;
        loop {
            if self.frame_left == 0 {
                self.begin_frame(length - taken);
            }
            let payload = stretch(pieces, taken, self.frame_left);
            let wanted = self.prefix.len() + payload.iter().map(|piece| piece.len()).sum::<usize>();
            if wanted == 0 {
                return Ok(Written { count: taken, is_full: false });
            }
            let count = {
                let head = (!self.prefix.is_empty()).then_some(self.prefix.as_slice());
                let slices: SmallVec<[&[u8]; 16]> = head.into_iter().chain(payload).collect();
                write(&slices)?
            };
            let of_prefix = count.min(self.prefix.len());
            self.prefix.drain(..of_prefix);
            self.frame_left -= count - of_prefix;
            taken += count - of_prefix;
            if count < wanted {
                return Ok(Written { count: taken, is_full: true });
            }
        }
    }

    /// Between two frames: control frames, and the header of a frame for what waits.
    fn begin_frame(&mut self, waiting_bytes: usize) {
        while let Some(frame) = self.web_socket.poll_control() {
            self.prefix.extend_from_slice(&frame);
        }
        if waiting_bytes > 0 && self.web_socket.state() == State::Open {
            self.frame_left = waiting_bytes.min(LONGEST_FRAME_BYTES);
            self.prefix.extend_from_slice(&BinaryHeader::new(self.frame_left));
        }
    }
}

/// The `length` bytes of `pieces` behind the first `skipped`, or as many as there are.
fn stretch<'a>(pieces: &[&'a [u8]], mut skipped: usize, mut length: usize) -> SmallVec<[&'a [u8]; 16]> {
    let mut part = SmallVec::new();
    for piece in pieces {
        let from = skipped.min(piece.len());
        skipped -= from;
        let rest = piece.get(from..).unwrap_or_default();
        let rest = rest.get(..length).unwrap_or(rest);
        length -= rest.len();
        if !rest.is_empty() {
            part.push(rest);
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes all of `pieces` through a kernel that takes so many bytes at a time.
    fn write_all(framed: &mut Framed, bytes: &[u8], step: usize) -> Vec<u8> {
        let mut wire = Vec::new();
        let mut taken = 0;
        loop {
            let (first, second) = bytes[taken..].split_at((bytes.len() - taken) / 3);
            let mut room = step;
            let written = framed
                .write(&[first, second], |slices| {
                    let all = slices.concat();
                    let count = all.len().min(std::mem::take(&mut room));
                    wire.extend_from_slice(&all[..count]);
                    Ok(count)
                })
                .unwrap();
            taken += written.count;
            if !written.is_full {
                assert_eq!(taken, bytes.len());
                return wire;
            }
        }
    }

    #[test]
    fn what_a_kernel_takes_in_parts_is_one_frame_on_the_wire() {
        let payload: Vec<u8> = (0..=255).cycle().take(1_000).collect();
        let mut expected = vec![0x82, 126, 3, 232];
        expected.extend_from_slice(&payload);
        for step in [1, 2, 3, 5, 7, 100, 999, 1_004, 5_000] {
            let mut framed = Framed::new(1_000);
            assert_eq!(write_all(&mut framed, &payload, step), expected, "{step} bytes at a time");
        }
    }

    #[test]
    fn a_pong_waits_for_the_end_of_a_frame_that_has_begun() {
        let mut framed = Framed::new(1_000);
        let mut room = 4;
        let taking = |room: &mut usize, slices: &[&[u8]]| {
            let count = slices.concat().len().min(std::mem::take(room));
            Ok(count)
        };
        let written = framed.write(&[b"abcdef"], |slices| taking(&mut room, slices)).unwrap();
        assert_eq!(written, Written { count: 2, is_full: true });
        let mut ping = [0x89, 0x81, 0, 0, 0, 0, b'!'];
        assert!(framed.receive(&mut ping).payload.is_empty());
        assert!(framed.has_control());
        let mut wire = Vec::new();
        let all = |slices: &[&[u8]]| {
            wire.extend_from_slice(&slices.concat());
            Ok(slices.concat().len())
        };
        assert_eq!(framed.write(&[b"cdef", b"gh"], all).unwrap(), Written { count: 6, is_full: false });
        assert_eq!(wire, [b"cdef".as_slice(), &[0x8A, 1, b'!'], &[0x82, 2], b"gh"].concat());
    }

    #[test]
    fn long_output_is_cut_into_frames() {
        let payload = vec![7; LONGEST_FRAME_BYTES + 1];
        let wire = write_all(&mut Framed::new(1), &payload, usize::MAX);
        assert_eq!(wire.len(), payload.len() + 10 + 2);
        assert_eq!(wire[10 + LONGEST_FRAME_BYTES..], [0x82, 1, 7]);
    }

    #[test]
    fn it_is_closed_when_both_ends_have_closed_and_all_is_written() {
        let mut framed = Framed::new(1_000);
        assert!(framed.close(1001, "bye"));
        assert!(framed.has_control() && !framed.is_closed());
        assert_eq!(write_all(&mut framed, b"", 100), [&[0x88, 5, 3, 0xE9], b"bye".as_slice()].concat());
        assert!(!framed.is_closed());
        framed.receive(&mut [0x88, 0x82, 0, 0, 0, 0, 3, 0xE9]);
        assert!(framed.is_closed());
    }
}

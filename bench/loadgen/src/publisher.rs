//! One publisher: its topic, its count, and what it has in flight.

use crate::{
    stamp::Stamp,
    wire::{self, Template, WireError, kind},
};
use std::{collections::VecDeque, ops::Range};

/// Which acknowledgement a packet id waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Free,
    Puback,
    Pubrec,
    Pubcomp,
}

/// Packet ids and the acknowledgements they wait for. The ids are 1 to the window, reused oldest first.
#[derive(Debug)]
struct Flow {
    free: VecDeque<u16>,
    steps: Vec<Step>,
    /// By packet id, which message it was last used for.
    sequences: Vec<u64>,
    first_step: Step,
}

impl Flow {
    fn new(qos: u8, window: u16) -> Self {
        Self {
            free: (1..=window).collect(),
            steps: vec![Step::Free; usize::from(window) + 1],
            sequences: vec![0; usize::from(window) + 1],
            first_step: if qos == 1 { Step::Puback } else { Step::Pubrec },
        }
    }

    #[inline]
    fn take(&mut self, sequence: u64) -> Option<u16> {
        let id = self.free.pop_front()?;
        self.steps[usize::from(id)] = self.first_step;
        self.sequences[usize::from(id)] = sequence;
        Some(id)
    }

    /// The packet ids in flight, as their messages were first sent.
    fn in_flight(&self) -> Vec<u16> {
        let mut ids: Vec<u16> =
            (1..self.steps.len() as u16).filter(|&id| self.steps[usize::from(id)] != Step::Free).collect();
        ids.sort_by_key(|&id| self.sequences[usize::from(id)]);
        ids
    }

    /// Moves an id on; gives true when a PUBREL is to be sent.
    #[inline]
    fn acknowledge(&mut self, ack: u8, packet_id: u16) -> Result<bool, WireError> {
        let stray = WireError::Stray(ack, packet_id);
        let step = self.steps.get_mut(usize::from(packet_id)).ok_or(stray)?;
        match (ack, *step) {
            (kind::PUBREC, Step::Pubrec) => {
                *step = Step::Pubcomp;
                Ok(true)
            }
            (kind::PUBACK, Step::Puback) | (kind::PUBCOMP, Step::Pubcomp) => {
                *step = Step::Free;
                self.free.push_back(packet_id);
                Ok(false)
            }
            _ => Err(stray),
        }
    }
}

/// One publisher of a load.
#[derive(Debug)]
pub struct Publisher {
    index: u32,
    template: Template,
    flow: Option<Flow>,
    window: u64,
    /// Messages sent; also the next sequence number.
    pub published: u64,
    /// Deliveries that have not arrived.
    pub outstanding: u64,
    /// The most that ever were.
    pub most_outstanding: u64,
    /// At a fixed rate: messages whose time has come.
    pub due: u64,
}

impl Publisher {
    /// `window` is of no meaning at QoS 0.
    #[must_use]
    pub fn new(index: u32, template: Template, qos: u8, window: u16) -> Self {
        Self {
            index,
            template,
            flow: (qos > 0).then(|| Flow::new(qos, window)),
            window: if qos > 0 { u64::from(window) } else { u64::MAX },
            published: 0,
            outstanding: 0,
            most_outstanding: 0,
            due: 0,
        }
    }

    /// Size of its PUBLISH.
    #[must_use]
    pub fn packet_bytes(&self) -> usize {
        self.template.len()
    }

    /// The most messages that can be in flight: without limit at QoS 0.
    #[must_use]
    pub fn window(&self) -> u64 {
        self.window
    }

    /// How many messages may be sent before an acknowledgement comes.
    #[inline]
    #[must_use]
    pub fn free(&self) -> u64 {
        self.flow.as_ref().map_or(u64::MAX, |flow| flow.free.len() as u64)
    }

    /// Messages in flight.
    #[must_use]
    pub fn unacknowledged(&self) -> u64 {
        self.flow.as_ref().map_or(0, |flow| self.window - flow.free.len() as u64)
    }

    /// Appends the next message; nothing at all when none is [`free`](Self::free).
    #[inline]
    pub fn publish(&mut self, out: &mut Vec<u8>, sent_ns: u64, subscribers: u64) {
        let packet_id = match &mut self.flow {
            None => 0,
            Some(flow) => match flow.take(self.published) {
                Some(id) => id,
                None => return,
            },
        };
        let stamp = Stamp { publisher: self.index, sequence: self.published, sent_ns };
        self.template.put(out, packet_id, stamp);
        self.published += 1;
        self.outstanding += subscribers;
        self.most_outstanding = self.most_outstanding.max(self.outstanding);
    }

    /// Appends what is in flight once more, as a client does whose session goes on with a new connection
    /// [MQTT-4.4.0-1]: PUBLISH with DUP, or PUBREL where that was the step. Gives which messages were sent again.
    pub fn resend(&mut self, out: &mut Vec<u8>, sent_ns: u64) -> Range<u64> {
        let Some(flow) = &self.flow else { return 0..0 };
        let mut again = 0..0;
        for id in flow.in_flight() {
            let sequence = flow.sequences[usize::from(id)];
            if flow.steps[usize::from(id)] == Step::Pubcomp {
                wire::put_ack(out, kind::PUBREL, id);
                continue;
            }
            let start = out.len();
            self.template.put(out, id, Stamp { publisher: self.index, sequence, sent_ns });
            out[start] |= 0x08;
            if again.is_empty() {
                again.start = sequence;
            }
            again.end = sequence + 1;
        }
        again
    }

    /// Begins a new session: what was in flight or not yet delivered is given up.
    pub fn forget(&mut self) {
        self.outstanding = 0;
        if let Some(flow) = &mut self.flow {
            flow.steps.fill(Step::Free);
            flow.free = (1..=self.window as u16).collect();
        }
    }

    /// Takes PUBACK, PUBREC or PUBCOMP; true when a PUBREL is to be sent.
    ///
    /// # Errors
    /// [`WireError::Stray`] when the packet id does not wait for that.
    #[inline]
    pub fn acknowledge(&mut self, ack: u8, packet_id: u16) -> Result<bool, WireError> {
        match &mut self.flow {
            Some(flow) => flow.acknowledge(ack, packet_id),
            None => Err(WireError::Stray(ack, packet_id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Publish, Version, split};

    fn publisher(qos: u8, window: u16) -> Publisher {
        Publisher::new(0, Template::new(Version::V311, "t", qos, 24), qos, window)
    }

    fn packet_id(bytes: &[u8]) -> u16 {
        Publish::read(Version::V311, split(bytes).unwrap().unwrap()).unwrap().packet_id
    }

    #[test]
    fn a_full_window_sends_nothing_until_an_acknowledgement_comes() {
        let mut publisher = publisher(1, 2);
        let mut out = Vec::new();
        for _ in 0..3 {
            publisher.publish(&mut out, 0, 1);
        }
        assert_eq!((publisher.published, publisher.free(), publisher.unacknowledged()), (2, 0, 2));
        assert_eq!(publisher.acknowledge(kind::PUBACK, packet_id(&out)), Ok(false));
        assert_eq!((publisher.free(), publisher.outstanding), (1, 2));
    }

    #[test]
    fn qos_2_takes_pubrec_then_pubcomp_and_nothing_else() {
        let mut publisher = publisher(2, 1);
        publisher.publish(&mut Vec::new(), 0, 1);
        assert!(publisher.acknowledge(kind::PUBCOMP, 1).is_err());
        assert!(publisher.acknowledge(kind::PUBACK, 1).is_err());
        assert_eq!(publisher.acknowledge(kind::PUBREC, 1), Ok(true));
        assert!(publisher.acknowledge(kind::PUBREC, 1).is_err());
        assert_eq!(publisher.acknowledge(kind::PUBCOMP, 1), Ok(false));
        assert_eq!(publisher.unacknowledged(), 0);
    }

    #[test]
    fn what_is_in_flight_is_sent_again_in_order_and_as_its_step_wants() {
        let mut publisher = publisher(2, 3);
        let mut out = Vec::new();
        for _ in 0..3 {
            publisher.publish(&mut out, 0, 1);
        }
        // The first is over, so the fourth has its packet id; the second waits for PUBCOMP.
        publisher.acknowledge(kind::PUBREC, 1).unwrap();
        publisher.acknowledge(kind::PUBCOMP, 1).unwrap();
        publisher.publish(&mut out, 0, 1);
        publisher.acknowledge(kind::PUBREC, 2).unwrap();
        out.clear();
        assert_eq!(publisher.resend(&mut out, 0), 2..4);
        assert_eq!(out[..4], [kind::PUBREL << 4 | 2, 2, 0, 2]);
        let mut rest = &out[4..];
        for (id, sequence) in [(3, 2), (1, 3)] {
            let frame = split(rest).unwrap().unwrap();
            assert_eq!(frame.first, kind::PUBLISH << 4 | 0x08 | 2 << 1);
            let publish = Publish::read(Version::V311, frame).unwrap();
            assert_eq!(
                (publish.packet_id, Stamp::read(publish.payload, 24).unwrap().sequence),
                (id, sequence)
            );
            rest = &rest[frame.len..];
        }
        assert!(rest.is_empty());
        assert_eq!(publisher.published, 4);
    }

    #[test]
    fn an_acknowledgement_nobody_waits_for_is_an_error() {
        let mut publisher = publisher(1, 2);
        assert!(publisher.acknowledge(kind::PUBACK, 1).is_err());
        assert!(publisher.acknowledge(kind::PUBACK, 999).is_err());
    }
}

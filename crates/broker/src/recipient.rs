//! For whom a packet is written: what it may hold, and what is left out of it where it would not fit.
//!
//! The broker has no User Properties to say but those of messages, so that none can make another packet too large
//! [MQTT-3.2.2-20, 3.4.2-3, 3.5.2-3, 3.6.2-3, 3.7.2-3, 3.9.2-2, 3.11.2-2, 3.14.2-4].

use topicwire_codec::{EncodeError, Version};

/// What a client has said of the packets that it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipient {
    pub(crate) version: Version,
    /// Its Maximum Packet Size in bytes; `u32::MAX` where it has none.
    pub(crate) maximum_packet_size: u32,
    /// Its Request Problem Information: without it only CONNACK and DISCONNECT have a Reason String [MQTT-3.1.2-29].
    pub(crate) wants_reasons: bool,
}

impl Recipient {
    /// The Reason String of an acknowledgement, where the client wants to have it [MQTT-3.1.2-29].
    pub(crate) fn reason_of_ack(self, reason: Option<&str>) -> Option<&str> {
        reason.filter(|_| self.wants_reasons && self.version.is_v5())
    }

    /// Appends the first of these forms of a packet that can be encoded and that the client takes. Each says less than
    /// the one before it: a Reason String must not make a packet too large [MQTT-3.2.2-19, 3.4.2-2, 3.5.2-2,
    /// 3.6.2-2, 3.7.2-2, 3.9.2-1, 3.11.2-1, 3.14.2-3]. Appends nothing where not even the last one fits
    /// [MQTT-3.1.2-24].
    pub(crate) fn write_fitting<Form>(
        self,
        out: &mut Vec<u8>,
        forms: impl IntoIterator<Item = Form>,
        encode: impl Fn(Form, &mut Vec<u8>) -> Result<(), EncodeError>,
    ) {
        let before = out.len();
        for form in forms {
            if encode(form, out).is_ok() && out.len() - before <= self.maximum_packet_size as usize {
                return;
            }
            out.truncate(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use topicwire_codec::{Ack, PacketId, PacketType, ReasonCode};

    use super::*;

    fn recipient(maximum_packet_size: u32) -> Recipient {
        Recipient { version: Version::V5_0, maximum_packet_size, wants_reasons: true }
    }

    fn written(to: Recipient, reason: &str) -> Vec<u8> {
        let mut out = b"before".to_vec();
        let ack = Ack::new(PacketId::MIN, ReasonCode::NotAuthorized);
        let forms = [Ack { reason_string: Some(reason), ..ack }, ack];
        to.write_fitting(&mut out, forms, |ack, out| ack.encode(PacketType::Puback, to.version, out));
        assert!(out.starts_with(b"before"));
        out.split_off(6)
    }

    /// [MQTT-3.4.2-2]
    #[test]
    fn a_puback_has_its_reason_string_exactly_where_it_fits() {
        let whole = [&[0x40, 9, 0, 1, 0x87, 5, 0x1F, 0, 2][..], b"no"].concat();
        assert_eq!(written(recipient(11), "no"), whole);
        assert_eq!(written(recipient(10), "no"), [0x40, 3, 0, 1, 0x87]);
        assert_eq!(written(recipient(5), "no"), [0x40, 3, 0, 1, 0x87]);
        assert!(written(recipient(4), "no").is_empty());
    }

    #[test]
    fn a_reason_that_no_packet_can_hold_is_left_out() {
        for reason in ["with\0nul", &"x".repeat(65_536)] {
            assert_eq!(written(recipient(u32::MAX), reason), [0x40, 3, 0, 1, 0x87]);
        }
    }
}

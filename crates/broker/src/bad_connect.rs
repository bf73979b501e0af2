//! The form in which a CONNECT that could not be read is answered, found out from its bytes alone.

use topicwire_codec::{Connect, DecodeError, Malformed, ReasonCode, Split, Version, split_frame};

/// The first byte of every CONNECT.
const CONNECT: u8 = 0x10;
/// The protocol name of 3.1.1 and 5.0 with its length; the level comes next.
const MQTT: &[u8] = b"\x00\x04MQTT";
/// Set in the protocol level by a bridge.
const BRIDGE: u8 = 0x80;

/// The version in whose form CONNACK tells why `bytes` are no CONNECT that is taken. `None`: it is better not to
/// answer, because there is no CONNECT, or one that 3.1.1 has no return code for, or one whose fields run past its
/// end, where nobody knows what the peer meant; the standard leaves CONNACK to the server [MQTT-3.1.4-1].
/// Asked for by v3.1.1 [MQTT-3.1.2-1], v3.1.1 [MQTT-3.1.2-2], v3.1.1 [MQTT-3.1.4-1], v3.1.1 [MQTT-3.2.2-6].
pub(crate) fn form_of_answer(bytes: &[u8], reason_code: ReasonCode) -> Option<Version> {
    let body = connect_body(bytes)?;
    let is_mqtt = body.starts_with(MQTT);
    if reason_code == ReasonCode::UnsupportedProtocolVersion {
        // A server that speaks 3.1.1 has to answer a level it does not know with return code 1 (v3.1.1
        // [MQTT-3.1.2-2]); 5.0 allows 0x84 [MQTT-3.1.2-2]. The peer understands the form it wrote itself.
        let is_v5 = is_mqtt && reads_as_v5(bytes, bytes.len() - body.len() + MQTT.len());
        return Some(if is_v5 { Version::V5_0 } else { Version::V3_1_1 });
    }
    let is_v5 = is_mqtt && body.get(MQTT.len()).is_some_and(|level| level & !BRIDGE == Version::V5_0.level());
    // Of one that is too large only the beginning counts: how much of the rest is there is chance.
    let is_whole = reason_code != ReasonCode::PacketTooLarge;
    (is_v5 && !(is_whole && runs_past_its_end(bytes))).then_some(Version::V5_0)
}

/// Whether these are the first bytes of a CONNECT and its protocol level, which tells what answer it understands, has
/// not come yet.
pub(crate) fn is_cut_before_level(bytes: &[u8]) -> bool {
    connect_body(bytes).is_some_and(|body| MQTT.starts_with(body))
}

/// What there is behind the fixed header of a CONNECT; none for another packet, or a Remaining Length that is longer
/// than it needs to be.
fn connect_body(bytes: &[u8]) -> Option<&[u8]> {
    let (&first_byte, rest) = bytes.split_first()?;
    let last = rest.iter().take(4).position(|byte| byte & 0x80 == 0)?;
    let is_shortest = last == 0 || rest.get(last) != Some(&0);
    rest.get(last + 1..).filter(|_| first_byte == CONNECT && is_shortest)
}

/// Whether a CONNECT were one of 5.0 if its level said so.
fn reads_as_v5(bytes: &[u8], level_at: usize) -> bool {
    let Ok(Split::Frame(frame)) = split_frame(bytes, u32::MAX) else { return false };
    let mut bytes = bytes.get(..frame.length).unwrap_or_default().to_vec();
    if let Some(level) = bytes.get_mut(level_at) {
        *level = Version::V5_0.level();
    }
    matches!(split_frame(&bytes, u32::MAX), Ok(Split::Frame(frame)) if Connect::decode(&frame, Version::V5_0).is_ok())
}

fn runs_past_its_end(bytes: &[u8]) -> bool {
    let Ok(Split::Frame(frame)) = split_frame(bytes, u32::MAX) else { return false };
    let error = Connect::decode(&frame, Version::V5_0).err();
    error == Some(DecodeError::Malformed(Malformed::UnexpectedEnd))
}

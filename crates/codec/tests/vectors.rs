//! The packets of `__test__/vectors/packets`, a test each: what is valid decodes and encodes to the same bytes,
//! what is not fails with its Reason Code, and what is cut off anywhere is not there yet.
#![allow(clippy::panic, reason = "how a test fails")]

use libtest_mimic::{Arguments, Failed, Trial};
use topicwire_codec::{DecodeError, Packet, Split, Version, split_frame};
use topicwire_vectors::files::{self, PacketVector};
use topicwire_vectors::{Pattern, Variables, hex};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for it in files::packets().unwrap_or_else(|problem| panic!("{problem}")) {
        for version in it.vector.versions.clone() {
            let vector = it.vector.clone();
            let name = format!("{}: {} ({version})", it.file, vector.name);
            trials.push(Trial::test(name, move || check(&vector, version).map_err(Failed::from)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn check(vector: &PacketVector, version: topicwire_vectors::Version) -> Result<(), String> {
    let pattern = Pattern::parse(&vector.bytes, version).map_err(|error| error.to_string())?;
    let bytes = pattern.bytes(&Variables::new()).ok_or("its bytes are not settled")?;
    let version = match version {
        topicwire_vectors::Version::V3_1 => Version::V3_1,
        topicwire_vectors::Version::V3_1_1 => Version::V3_1_1,
        topicwire_vectors::Version::V5_0 => Version::V5_0,
    };
    match vector.reason_code {
        None => check_valid(&bytes, version, vector.canonical),
        Some(reason_code) => check_invalid(&bytes, version, reason_code),
    }
}

fn check_valid(bytes: &[u8], version: Version, is_canonical: bool) -> Result<(), String> {
    let (packet, length) =
        decode(bytes, version).map_err(|error| error.to_string())?.ok_or("not all there")?;
    if length != bytes.len() {
        return Err(format!("it is {} bytes, and {length} were read", bytes.len()));
    }
    for end in 0..bytes.len() {
        if let Some(problem) = not_partial(&bytes[..end]) {
            return Err(format!("cut after {end} bytes: {problem}"));
        }
    }
    let mut encoded = Vec::new();
    packet.encode(version, &mut encoded).map_err(|error| format!("it does not encode: {error}"))?;
    if (encoded == bytes) != is_canonical {
        let expected = if is_canonical { "the same" } else { "another form" };
        return Err(format!("it encodes to {}, where {expected} was expected", hex(&encoded)));
    }
    match decode(&encoded, version) {
        Ok(Some((again, _))) if again == packet => Ok(()),
        other => Err(format!("what it encodes to decodes to {other:?}")),
    }
}

fn check_invalid(bytes: &[u8], version: Version, reason_code: u8) -> Result<(), String> {
    let error = match decode(bytes, version) {
        Err(error) => error,
        Ok(Some((packet, _))) => return Err(format!("it is taken for {packet:?}")),
        Ok(None) => return Err("it is not all there".to_owned()),
    };
    let is_culprit = match error {
        DecodeError::Malformed(_) => reason_code == 0x81,
        DecodeError::ProtocolError(_) => matches!(reason_code, 0x82 | 0x94),
        DecodeError::Unsupported(_) => reason_code == 0x84,
        _ => false,
    };
    if error.reason_code().value() != reason_code || !is_culprit {
        return Err(format!("{error} ({})", error.reason_code()));
    }
    // A part of it is wrong in the same way, as soon as that can be seen, or not all there.
    match (0..bytes.len()).find_map(|end| decode(&bytes[..end], version).err().filter(|it| *it != error)) {
        Some(other) => Err(format!("cut, it is wrong in another way: {other}")),
        None => Ok(()),
    }
}

/// The first packet and its length; `None` where it is not all there.
fn decode(bytes: &[u8], version: Version) -> Result<Option<(Packet<'_>, usize)>, DecodeError> {
    match split_frame(bytes, u32::MAX)? {
        Split::Partial { .. } => Ok(None),
        Split::Frame(frame) => Ok(Some((Packet::decode(&frame, version)?, frame.length))),
    }
}

fn not_partial(bytes: &[u8]) -> Option<String> {
    match split_frame(bytes, u32::MAX) {
        Ok(Split::Partial { .. }) => None,
        other => Some(format!("{other:?}")),
    }
}

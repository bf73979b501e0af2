//! Each way in which a packet can be wrong, by name, on the smallest packet that is wrong in just that way.
#![allow(clippy::panic, reason = "how a test fails")]

use topicwire_codec::*;

#[path = "../common/mod.rs"]
mod common;
use common::*;

mod connect;
mod fixed_header;
mod packets;
mod properties;
mod strings;

use Version::{V3_1, V3_1_1, V5_0};

/// Checks what is wrong with the packet of that first byte and body.
#[track_caller]
fn refused(version: Version, first_byte: u8, body: &[u8], expected: impl Into<DecodeError>) {
    assert_eq!(decode(&packet(first_byte, body), version), Err(expected.into()), "{version}");
}

/// Checks that the packet of that first byte and body is one.
#[track_caller]
fn accepted(version: Version, first_byte: u8, body: &[u8]) {
    if let Err(error) = decode(&packet(first_byte, body), version) {
        panic!("{version}: {error}");
    }
}

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBLISH_QOS_1: u8 = 0x32;
const ACKS: [u8; 4] = [0x40, 0x50, 0x62, 0x70];
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const UNSUBSCRIBE: u8 = 0xA2;
const UNSUBACK: u8 = 0xB0;
const DISCONNECT: u8 = 0xE0;
const AUTH: u8 = 0xF0;

/// The body of a CONNECT: name, level, flags, a Keep Alive of 0, then `rest`.
fn connect_body(name: &str, level: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
    let mut body = vec![0, name.len() as u8];
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(&[level, flags, 0, 0]);
    body.extend_from_slice(rest);
    body
}

/// Properties with the length before them, and what follows.
fn section(properties: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(properties.len()).unwrap()];
    bytes.extend_from_slice(properties);
    bytes.extend_from_slice(rest);
    bytes
}

/// The body of each kind of 5.0 packet that has properties, around the given ones.
fn bodies_with(properties: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let with = |before: &[u8], after: &[u8]| [before, &section(properties, after)].concat();
    // AUTH needs its method too; it comes last, so that it is not in the way of the properties under test.
    let auth = [&[0], &section(&[properties, &[0x15, 0, 1, b'm']].concat(), &[])[..]].concat();
    let mut bodies = vec![
        (CONNECT, connect_body("MQTT", 5, 0, &section(properties, &[0, 0]))),
        (CONNACK, with(&[0, 0], &[])),
        (PUBLISH, with(&[0, 1, b't'], &[])),
        (SUBSCRIBE, with(&[0, 1], &[0, 1, b'f', 0])),
        (SUBACK, with(&[0, 1], &[0])),
        (UNSUBSCRIBE, with(&[0, 1], &[0, 1, b'f'])),
        (UNSUBACK, with(&[0, 1], &[0])),
        (DISCONNECT, with(&[0], &[])),
        (AUTH, auth),
    ];
    bodies.extend(ACKS.map(|first_byte| (first_byte, with(&[0, 1, 0], &[]))));
    bodies
}

#[test]
fn each_culprit_has_its_reason_code() {
    let errors: [(DecodeError, ReasonCode); 5] = [
        (Malformed::TrailingBytes.into(), ReasonCode::MalformedPacket),
        (ProtocolError::PacketIdZero.into(), ReasonCode::ProtocolError),
        (Unsupported::ProtocolName.into(), ReasonCode::UnsupportedProtocolVersion),
        (Unsupported::ProtocolVersion { level: 6 }.into(), ReasonCode::UnsupportedProtocolVersion),
        (Limit::PacketTooLarge { length: 2, maximum: 1 }.into(), ReasonCode::PacketTooLarge),
    ];
    for (error, reason_code) in errors {
        assert_eq!(error.reason_code(), reason_code, "{error}");
    }
}

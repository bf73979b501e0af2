//! MQTT control packets to and from bytes: versions 3.1, 3.1.1 and 5.0, all fifteen kinds, both directions.
//!
//! The crate holds no state and reads no clock, socket or environment. A version is a value that is passed
//! down, never a second copy of the code. Decoding borrows: strings, payloads and lists are views of the
//! input, checked once and read again when somebody asks for them.
//!
//! The path of a packet that comes in: [`split_frame`] takes one whole packet off a stream
//! ([`Split::Partial`] is the answer to too few bytes, not an error), then [`Packet::decode`], or the
//! `decode` of one kind such as [`Publish::decode`] where the kind is known. The way out is `encode`, which
//! appends to a `Vec<u8>` or leaves it as it was. A message for many receivers is encoded once and patched
//! for each: see [`fanout`].
//!
//! What lives elsewhere: whether a topic name or filter is well formed beyond its UTF-8 (the topics crate),
//! and every rule that needs to know who sends, what was sent before or what was agreed (the session crate).
//!
//! ```
//! use topicwire_codec::{Packet, Publish, Split, Version, split_frame};
//!
//! let mut bytes = Vec::new();
//! Publish::new("greenhouse/3/temperature", b"21.5").encode(Version::V5_0, &mut bytes)?;
//!
//! let Split::Frame(frame) = split_frame(&bytes, 1024)? else { panic!("not whole") };
//! let Packet::Publish(publish) = Packet::decode(&frame, Version::V5_0)? else { panic!("not a PUBLISH") };
//! assert_eq!(publish.payload, b"21.5");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

mod error;
pub mod fanout;
mod frame;
mod packet;
mod packet_id;
mod properties;
mod qos;
mod reader;
mod reason_code;
mod small;
mod utf8;
mod varint;
mod version;
mod writer;

pub use error::{DecodeError, EncodeError, Limit, Malformed, ProtocolError, Unsupported};
pub use fanout::{
    Delivery, ForwardedProperties, Message, PublishLayout, append_patched, encode_publish,
    encode_publish_header, encoded_publish_len,
};
pub use frame::{Frame, Split, split_frame};
pub use packet::{
    Ack, Auth, Connack, ConnackProperties, Connect, ConnectProperties, Disconnect, Packet, PacketType,
    Publish, PublishProperties, ReasonCodes, RetainHandling, Suback, Subscribe, SubscribeFilter,
    SubscribeFilters, SubscribeOptions, TopicFilters, Unsuback, Unsubscribe, Will,
};
pub use packet_id::PacketId;
pub use properties::{PropertyId, SubscriptionIds, UserProperties};
pub use qos::QoS;
pub use reason_code::ReasonCode;
pub use varint::MAX as VARINT_MAX;
pub use version::Version;

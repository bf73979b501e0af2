//! The values of the tables, byte by byte as `docs/storage-format.md` says. Each ends with a checksum over its key and its
//! bytes: an engine may hand out a page that the disk has changed, and a row in the wrong place is damage, too.

use topicwire_broker::SubscriptionOptions;
use topicwire_codec::{QoS, Version};
use topicwire_session::Stage;

use crate::keys::SessionNumber;

const CHECKSUM_BYTES: usize = 4;

/// Ends a record.
pub(crate) fn seal(key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let checksum = checksum(key, &value);
    value.extend_from_slice(&checksum);
    value
}

/// The bytes of a record without the checksum, or none where that does not fit.
pub(crate) fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (value, found) = sealed.split_at_checked(sealed.len().checked_sub(CHECKSUM_BYTES)?)?;
    (checksum(key, value) == found).then_some(value)
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(value);
    hasher.finalize().to_be_bytes()
}

/// A Session as the table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionRecord {
    pub(crate) number: SessionNumber,
    pub(crate) expiry_interval_secs: u32,
    pub(crate) version: Version,
    pub(crate) closed_at_ms: Option<u64>,
}

impl SessionRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(21 + CHECKSUM_BYTES);
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.expiry_interval_secs.to_be_bytes());
        out.push(self.version as u8);
        if let Some(closed_at_ms) = self.closed_at_ms {
            out.extend_from_slice(&closed_at_ms.to_be_bytes());
        }
        out
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let mut input = Input(value);
        let (number, expiry_interval_secs) = (input.u64()?, input.u32()?);
        let version = match input.u8()? {
            3 => Version::V3_1,
            4 => Version::V3_1_1,
            5 => Version::V5_0,
            _ => return None,
        };
        let closed_at_ms = if input.0.is_empty() { None } else { Some(input.u64()?) };
        input.finish(Self { number, expiry_interval_secs, version, closed_at_ms })
    }
}

/// How much the deliveries of a Session are, those in an exchange among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueRecord {
    pub(crate) messages: u64,
    /// Of topic names, properties and payloads.
    pub(crate) content_bytes: u64,
}

impl QueueRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + CHECKSUM_BYTES);
        out.extend_from_slice(&self.messages.to_be_bytes());
        out.extend_from_slice(&self.content_bytes.to_be_bytes());
        out
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let mut input = Input(value);
        let record = Self { messages: input.u64()?, content_bytes: input.u64()? };
        input.finish(record)
    }

    pub(crate) fn add(&mut self, content_bytes: u64) {
        self.messages += 1;
        self.content_bytes += content_bytes;
    }

    /// None where there is less than that: then the record was wrong.
    #[must_use]
    pub(crate) fn without(self, content_bytes: u64) -> Option<Self> {
        let messages = self.messages.checked_sub(1)?;
        Some(Self { messages, content_bytes: self.content_bytes.checked_sub(content_bytes)? })
    }
}

/// A number of the table `State`.
pub(crate) fn encode_number(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

pub(crate) fn decode_number(value: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(value.try_into().ok()?))
}

pub(crate) fn encode_subscription(options: SubscriptionOptions) -> Vec<u8> {
    let mut out = Vec::with_capacity(5 + CHECKSUM_BYTES);
    let flags = options.qos as u8
        | flag(options.no_local, NO_LOCAL)
        | flag(options.retain_as_published, AS_PUBLISHED);
    out.push(flags);
    out.extend_from_slice(&options.subscription_id.to_be_bytes());
    out
}

const NO_LOCAL: u8 = 4;
const AS_PUBLISHED: u8 = 8;

pub(crate) fn decode_subscription(value: &[u8]) -> Option<SubscriptionOptions> {
    let mut input = Input(value);
    let flags = input.flags(NO_LOCAL | AS_PUBLISHED)?;
    let options = SubscriptionOptions {
        subscription_id: input.u32()?,
        qos: QoS::from_u8(flags & QOS)?,
        no_local: flags & NO_LOCAL != 0,
        retain_as_published: flags & AS_PUBLISHED != 0,
    };
    input.finish(options)
}

pub(crate) fn encode_exchange(position: u64, stage: Stage) -> Vec<u8> {
    let mut out = Vec::with_capacity(9 + CHECKSUM_BYTES);
    out.push(match stage {
        Stage::AwaitPuback => 0,
        Stage::AwaitPubrec => 1,
        Stage::AwaitPubcomp => 2,
    });
    out.extend_from_slice(&position.to_be_bytes());
    out
}

pub(crate) fn decode_exchange(value: &[u8]) -> Option<(u64, Stage)> {
    let mut input = Input(value);
    let stage = match input.u8()? {
        0 => Stage::AwaitPuback,
        1 => Stage::AwaitPubrec,
        2 => Stage::AwaitPubcomp,
        _ => return None,
    };
    let position = input.u64()?;
    input.finish((position, stage))
}

/// The bit where it is set.
pub(crate) const fn flag(is_set: bool, bit: u8) -> u8 {
    if is_set { bit } else { 0 }
}

/// What is left to read of a record.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

/// The bits of a QoS, where it shares a byte with flags.
pub(crate) const QOS: u8 = 3;

impl<'a> Input<'a> {
    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn len(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    /// Flags of which only these and the QoS may be set.
    pub(crate) fn flags(&mut self, known: u8) -> Option<u8> {
        self.u8().filter(|flags| flags & !(QOS | known) == 0)
    }

    /// The record, if all of it has been read.
    pub(crate) fn finish<T>(&self, record: T) -> Option<T> {
        self.0.is_empty().then_some(record)
    }
}

//! Events as bytes: one stream a turn, read lazily by `src/events.ts`.
//!
//! Each event is its kind (one byte) and its fields in the order written below: numbers little-endian, strings
//! and bytes behind their length as `u32`.

use std::sync::Arc;

use topicwire_broker::{AuthenticationStep, Event, Question, Subject};

/// Event kinds; `src/events.ts` has the same numbers.
mod kind {
    pub(super) const CONNECTED: u8 = 1;
    pub(super) const REFUSED: u8 = 2;
    pub(super) const DISCONNECTED: u8 = 3;
    pub(super) const PROTOCOL_ERROR: u8 = 4;
    pub(super) const SUBSCRIBED: u8 = 5;
    pub(super) const UNSUBSCRIBED: u8 = 6;
    pub(super) const MESSAGE: u8 = 7;
    pub(super) const DROPPED: u8 = 8;
    pub(super) const ASK_AUTHENTICATE: u8 = 9;
    pub(super) const ASK_PUBLISH: u8 = 10;
    pub(super) const ASK_SUBSCRIBE: u8 = 11;
    pub(super) const ASK_ENHANCED_AUTHENTICATION: u8 = 12;
    pub(super) const RE_AUTHENTICATED: u8 = 13;
}

/// In place of a length: the same text as where this was read last.
const AS_BEFORE: u32 = u32::MAX;

/// Events that have been collected and not taken.
#[derive(Default)]
pub(crate) struct EventStream {
    pub(crate) bytes: Vec<u8>,
    /// Of the last message that was asked about.
    topic_name: Option<Arc<str>>,
}

impl EventStream {
    /// Appends one event.
    pub(crate) fn push(&mut self, event: &Event) {
        if let Event::Question(question) = event {
            write_question(question, self);
        } else {
            write(event, &mut self.bytes);
        }
    }

    /// All have been taken.
    pub(crate) fn clear(&mut self) {
        self.topic_name = None;
        self.bytes.clear();
        // A burst is not held for ever.
        self.bytes.shrink_to(64 << 10);
    }
}

fn write(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::Connected {
            connection,
            client_id,
            username,
            version,
            clean_start,
            session_present,
            keep_alive_secs,
        } => {
            out.push(kind::CONNECTED);
            number(connection.0, out);
            out.push(*version as u8);
            let has_username = username.is_some();
            out.push(flags(&[*clean_start, *session_present, has_username]));
            out.extend_from_slice(&keep_alive_secs.to_le_bytes());
            bytes(client_id.as_bytes(), out);
            bytes(username.as_deref().unwrap_or_default().as_bytes(), out);
        }
        Event::Refused { connection, client_id, reason_code, detail } => {
            out.push(kind::REFUSED);
            number(connection.0, out);
            out.push(reason_code.value());
            bytes(client_id.as_bytes(), out);
            bytes(detail.as_bytes(), out);
        }
        Event::ReAuthenticated { connection, client_id, reason_code, detail } => {
            out.push(kind::RE_AUTHENTICATED);
            number(connection.0, out);
            out.push(reason_code.value());
            bytes(client_id.as_bytes(), out);
            bytes(detail.as_bytes(), out);
        }
        Event::Disconnected { connection, client_id, reason_code, detail } => {
            out.push(kind::DISCONNECTED);
            number(connection.0, out);
            out.push(u8::from(reason_code.is_some()));
            out.push(reason_code.map_or(0, topicwire_codec::ReasonCode::value));
            bytes(client_id.as_bytes(), out);
            bytes(detail.as_deref().unwrap_or_default().as_bytes(), out);
        }
        Event::ProtocolError { connection, client_id, reason_code, detail } => {
            out.push(kind::PROTOCOL_ERROR);
            number(connection.0, out);
            out.push(reason_code.value());
            bytes(client_id.as_deref().unwrap_or_default().as_bytes(), out);
            bytes(detail.as_bytes(), out);
        }
        Event::Subscribed { client_id, topic_filter, qos } => {
            out.push(kind::SUBSCRIBED);
            out.push(*qos as u8);
            bytes(client_id.as_bytes(), out);
            bytes(topic_filter.as_bytes(), out);
        }
        Event::Unsubscribed { client_id, topic_filter } => {
            out.push(kind::UNSUBSCRIBED);
            bytes(client_id.as_bytes(), out);
            bytes(topic_filter.as_bytes(), out);
        }
        Event::Message { handle, message, qos, retain } => {
            out.push(kind::MESSAGE);
            number(handle.0, out);
            out.push(*qos as u8);
            out.push(u8::from(*retain));
            bytes(message.topic_name().as_bytes(), out);
            bytes(message.forwarded(), out);
            bytes(message.payload(), out);
        }
        Event::Dropped { client_id, count, reason } => {
            out.push(kind::DROPPED);
            number(u32::try_from(*count).unwrap_or(u32::MAX), out);
            out.push(*reason as u8);
            bytes(client_id.as_bytes(), out);
        }
        // The core may grow events that this version of the addon has no bytes for.
        _ => {}
    }
}

fn write_question(question: &Question, stream: &mut EventStream) {
    let EventStream { bytes: out, topic_name: last } = stream;
    let start = |kind: u8, out: &mut Vec<u8>| {
        out.push(kind);
        number(question.connection.0, out);
        number(question.token, out);
    };
    match &question.subject {
        Subject::Authenticate { client_id, username, password, version, clean_start } => {
            start(kind::ASK_AUTHENTICATE, out);
            out.push(*version as u8);
            out.push(flags(&[*clean_start, username.is_some(), password.is_some()]));
            bytes(client_id.as_bytes(), out);
            bytes(username.as_deref().unwrap_or_default().as_bytes(), out);
            bytes(password.as_deref().unwrap_or_default(), out);
        }
        Subject::EnhancedAuthentication { step, method, data, client_id, username } => {
            start(kind::ASK_ENHANCED_AUTHENTICATION, out);
            out.push(match step {
                AuthenticationStep::Start => 0,
                AuthenticationStep::ReAuthenticate => 1,
                AuthenticationStep::Continue => 2,
            });
            out.push(flags(&[username.is_some(), data.is_some()]));
            bytes(method.as_bytes(), out);
            bytes(client_id.as_bytes(), out);
            bytes(username.as_deref().unwrap_or_default().as_bytes(), out);
            bytes(data.as_deref().unwrap_or_default(), out);
        }
        Subject::Publish {
            client_id,
            is_will,
            is_ahead,
            authorize,
            on_publish,
            topic_name,
            payload,
            qos,
            retain,
        } => {
            start(kind::ASK_PUBLISH, out);
            out.push(*qos as u8);
            out.push(flags(&[*is_will, *authorize, *on_publish, *retain, *is_ahead]));
            bytes(client_id.as_bytes(), out);
            if last.as_ref().is_some_and(|last| Arc::ptr_eq(last, topic_name)) {
                number(AS_BEFORE, out);
            } else {
                bytes(topic_name.as_bytes(), out);
                *last = Some(Arc::clone(topic_name));
            }
            bytes(payload, out);
        }
        Subject::Subscribe { client_id, filters } => {
            start(kind::ASK_SUBSCRIBE, out);
            bytes(client_id.as_bytes(), out);
            number(u32::try_from(filters.len()).unwrap_or(u32::MAX), out);
            for (topic_filter, qos) in filters {
                out.push(*qos as u8);
                bytes(topic_filter.as_bytes(), out);
            }
        }
        _ => {}
    }
}

fn number(value: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn bytes(value: &[u8], out: &mut Vec<u8>) {
    number(u32::try_from(value.len()).unwrap_or(u32::MAX), out);
    out.extend_from_slice(value);
}

/// The first flag in bit 0.
fn flags(values: &[bool]) -> u8 {
    values.iter().rev().fold(0, |all, value| (all << 1) | u8::from(*value))
}

//! The broker value behind a JavaScript class.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::{Uint8ArraySlice, Uint32ArraySlice};
use napi_derive::napi;
use topicwire_broker::{
    Acceptance, Broker, ConnectionKey, DropReason, Farewell, InputStatus, LocalHandle, LocalPublish, Metrics,
    Refusal, Replacement, Secret, TopicUrlRequest, Verdict,
};
use topicwire_codec::{PublishProperties, QoS, ReasonCode, UserProperties};

use crate::error::{Code, Result, error, from_local};
use crate::events;
use crate::options::{NativeOptions, whole};

/// Bits of what a call returns: what the host should do next.
mod status {
    /// There is output: call `drain` this turn.
    pub(super) const OUTPUT: u32 = 1;
    /// There are events: call `eventBytes` and `takeEvents` this turn.
    pub(super) const EVENTS: u32 = 2;
    /// The connection waits for an answer: stop reading from it.
    pub(super) const HELD: u32 = 4;
}

/// Words of one record of `drain`.
const RECORD_WORDS: usize = 4;
/// Set in a record's fourth word, beside the Reason Code: close the transport after these bytes.
const RECORD_CLOSES: u32 = 0x100;

/// A topic URL, as `/topics/…` was parsed.
#[napi(object)]
pub struct NativeTopicUrl {
    /// The filter, decoded.
    pub topic_filter: String,
    /// 0, 1 or 2.
    pub qos: u32,
    /// Whether the retained message is wanted.
    pub retained: bool,
    /// Empty to have one assigned.
    pub client_id: String,
    /// User name.
    pub username: Option<String>,
    /// Password.
    pub password: Option<napi::bindgen_prelude::Uint8Array>,
}

/// What an `onPublish` hook puts in a message's place.
#[napi(object)]
pub struct NativeReplacement {
    /// Another topic name.
    pub topic_name: Option<String>,
    /// Another payload.
    pub payload: Option<napi::bindgen_prelude::Uint8Array>,
    /// Another QoS, 0 to 2.
    pub qos: Option<u32>,
    /// Another RETAIN flag.
    pub retain: Option<bool>,
}

/// What an authentication method says.
#[napi(object)]
pub struct NativeAuthenticationStep {
    /// True: the client is authenticated. False: it is asked on.
    pub is_complete: bool,
    /// Whom it is, where that is complete.
    pub username: Option<String>,
    /// At most 65,535 bytes.
    pub data: Option<napi::bindgen_prelude::Uint8Array>,
    /// Response Information for this client, where the first authentication is complete.
    pub response_information: Option<String>,
}

/// Why a client, a message or a filter is refused, or a connection ended.
#[napi(object)]
pub struct NativeRefusal {
    /// 0x80 to 0xFF.
    pub reason_code: u32,
    /// The Reason String.
    pub reason: Option<String>,
    /// The Server Reference, with 0x9C and 0x9D.
    pub server_reference: Option<String>,
}

impl NativeRefusal {
    fn into_core(self) -> Refusal {
        Refusal {
            reason_code: refusal(self.reason_code),
            reason: self.reason.map(Into::into),
            server_reference: self.server_reference.map(Into::into),
        }
    }

    fn as_farewell(&self) -> Farewell<'_> {
        Farewell {
            reason_code: refusal(self.reason_code),
            reason: self.reason.as_deref(),
            server_reference: self.server_reference.as_deref(),
        }
    }
}

/// Properties of an in-process PUBLISH.
#[napi(object)]
pub struct NativeProperties {
    /// True says that the payload is UTF-8.
    pub payload_format_indicator: Option<bool>,
    /// Seconds.
    pub message_expiry_interval: Option<u32>,
    /// Content type.
    pub content_type: Option<String>,
    /// Response topic.
    pub response_topic: Option<String>,
    /// Correlation data.
    pub correlation_data: Option<napi::bindgen_prelude::Uint8Array>,
    /// Names and values in turn.
    pub user_properties: Option<Vec<String>>,
}

/// The native half of `Broker`; `src/broker.ts` is what users see. Times are in milliseconds, and never go
/// backwards from call to call.
#[napi]
pub struct NativeBroker {
    /// None after a panic.
    core: Option<Box<Broker>>,
    events: Vec<u8>,
}

#[napi]
impl NativeBroker {
    /// A broker with nothing in it.
    #[napi(constructor)]
    pub fn new(options: NativeOptions, now_ms: f64) -> Self {
        let (config, hooks) = options.into_core();
        Self { core: Some(Box::new(Broker::new(config, hooks, whole(now_ms)))), events: Vec::new() }
    }

    /// A transport was opened: the number of its connection, which is its own until `close`.
    #[napi]
    pub fn open(&mut self, now_ms: f64) -> Result<u32> {
        self.run(|core| core.open(whole(now_ms)).0)
    }

    /// A topic URL's transport was opened.
    #[napi]
    pub fn open_topic_url(&mut self, request: NativeTopicUrl, now_ms: f64) -> Result<u32> {
        self.run(|core| {
            let request_view = TopicUrlRequest {
                topic_filter: &request.topic_filter,
                qos: quality(request.qos),
                retained: request.retained,
                client_id: &request.client_id,
                username: request.username.as_deref(),
                password: request.password.as_deref(),
            };
            core.open_topic_url(&request_view, whole(now_ms)).0.0
        })
    }

    /// Bytes were read: the first `length` of `chunk`. Returns status bits.
    #[napi]
    pub fn receive(
        &mut self,
        connection: u32,
        chunk: Uint8ArraySlice<'_>,
        length: u32,
        now_ms: f64,
    ) -> Result<u32> {
        self.run(|core| {
            let bytes = chunk.get(..length as usize).unwrap_or(&chunk);
            let held = core.receive(ConnectionKey(connection), bytes, whole(now_ms));
            status_of(core, held)
        })
    }

    /// The transport is gone; the number may come again from now on. Returns status bits.
    #[napi]
    pub fn close(&mut self, connection: u32, now_ms: f64) -> Result<u32> {
        self.run(|core| {
            core.close(ConnectionKey(connection), whole(now_ms));
            status_of(core, InputStatus::default())
        })
    }

    /// The transport is full.
    #[napi]
    pub fn blocked(&mut self, connection: u32) -> Result<()> {
        self.run(|core| core.blocked(ConnectionKey(connection)))
    }

    /// The transport has room again. Returns status bits.
    #[napi]
    pub fn writable(&mut self, connection: u32) -> Result<u32> {
        self.run(|core| {
            core.writable(ConnectionKey(connection));
            status_of(core, InputStatus::default())
        })
    }

    /// Fills `arena` with output and `records` with what is whose: four words each, the connection, the offset
    /// and the length in the arena, and 0 or `0x100 | Reason Code` to close the transport behind it. Returns the
    /// number of records; while that is not 0 there may be more.
    #[napi]
    pub fn drain(
        &mut self,
        mut arena: Uint8ArraySlice<'_>,
        mut records: Uint32ArraySlice<'_>,
        now_ms: f64,
    ) -> Result<u32> {
        // SAFETY: JavaScript lends both arrays for the length of this call, on its own thread; `src/outlet.ts`
        // makes them over memory that no other thread sees, and hands no part of the arena to a transport before
        // the call has returned.
        let (arena, records) = unsafe { (arena.as_mut(), records.as_mut()) };
        self.run(|core| {
            let mut offset = 0;
            let mut count = 0;
            for record in records.chunks_exact_mut(RECORD_WORDS) {
                let Some(free) = arena.get_mut(offset..).filter(|free| !free.is_empty()) else { break };
                let Some(transmit) = core.poll_transmit(free, whole(now_ms)) else { break };
                let closing = transmit
                    .closing
                    .map_or(0, |closing| RECORD_CLOSES | u32::from(closing.reason_code.value()));
                let words = [transmit.connection.0, word(offset), word(transmit.length), closing];
                record.copy_from_slice(&words);
                offset += transmit.length;
                count += 1;
            }
            count
        })
    }

    /// Status bits as they stand.
    #[napi]
    pub fn status(&mut self) -> Result<u32> {
        self.run(|core| status_of(core, InputStatus::default()))
    }

    /// Milliseconds until `tick` wants to be called, from 0 on; -1 where nothing waits for time.
    #[napi]
    pub fn next_tick_in(&mut self, now_ms: f64) -> Result<f64> {
        self.run(|core| {
            core.next_deadline_ms()
                .map_or(-1.0, |deadline_ms| deadline_ms.saturating_sub(whole(now_ms)) as f64)
        })
    }

    /// Time has passed. Returns status bits.
    #[napi]
    pub fn tick(&mut self, now_ms: f64) -> Result<u32> {
        self.run(|core| {
            core.tick(whole(now_ms));
            status_of(core, InputStatus::default())
        })
    }

    /// Collects the events and says how many bytes they take.
    #[napi]
    pub fn event_bytes(&mut self) -> Result<u32> {
        let mut stream = std::mem::take(&mut self.events);
        let length = self.run(|core| {
            while let Some(event) = core.poll_event() {
                events::write(&event, &mut stream);
            }
            word(stream.len())
        });
        self.events = stream;
        length
    }

    /// Moves the events that `eventBytes` has collected to the start of `out`, which is at least as long.
    #[napi]
    pub fn take_events(&mut self, mut out: Uint8ArraySlice<'_>) {
        // SAFETY: JavaScript lends the array for the length of this call, on its own thread; it has just made it.
        let out = unsafe { out.as_mut() };
        if let Some(place) = out.get_mut(..self.events.len()) {
            place.copy_from_slice(&self.events);
        }
        self.events.clear();
        // A burst is not held for ever.
        self.events.shrink_to(64 << 10);
    }

    /// The answer to a question: 0 allows, 1 discards the message, 0x80 and above refuses with this Reason Code.
    /// Returns status bits.
    #[napi]
    pub fn decide(&mut self, connection: u32, token: u32, answer: u32, now_ms: f64) -> Result<u32> {
        let verdict = match answer {
            0 => Verdict::Allow,
            1 => Verdict::Discard,
            code => Verdict::Deny(Refusal::from_code(refusal(code))),
        };
        self.answer(connection, token, verdict, now_ms)
    }

    /// The answer of an `authenticate` hook that has Response Information for the client that it lets in.
    #[napi]
    pub fn decide_accept(
        &mut self,
        connection: u32,
        token: u32,
        response_information: String,
        now_ms: f64,
    ) -> Result<u32> {
        let response_information = Some(response_information.into_boxed_str());
        self.answer(connection, token, Verdict::Accept(Acceptance { response_information }), now_ms)
    }

    /// A refusal in words.
    #[napi]
    pub fn decide_refuse(
        &mut self,
        connection: u32,
        token: u32,
        refusal: NativeRefusal,
        now_ms: f64,
    ) -> Result<u32> {
        self.answer(connection, token, Verdict::Deny(refusal.into_core()), now_ms)
    }

    /// The answer of an `onPublish` hook that changes the message.
    #[napi]
    pub fn decide_replace(
        &mut self,
        connection: u32,
        token: u32,
        replacement: NativeReplacement,
        now_ms: f64,
    ) -> Result<u32> {
        let verdict = Verdict::Replace(Replacement {
            topic_name: replacement.topic_name,
            payload: replacement.payload.map(|payload| payload.to_vec()),
            qos: replacement.qos.map(quality),
            retain: replacement.retain,
        });
        self.answer(connection, token, verdict, now_ms)
    }

    /// The answer of an authentication method that does not refuse.
    #[napi]
    pub fn decide_authentication(
        &mut self,
        connection: u32,
        token: u32,
        step: NativeAuthenticationStep,
        now_ms: f64,
    ) -> Result<u32> {
        let data = step.data.as_deref().map(Secret::from);
        let verdict = if step.is_complete {
            let response_information = step.response_information.map(String::into_boxed_str);
            Verdict::Authenticated {
                username: step.username.map(String::into_boxed_str),
                data,
                acceptance: Acceptance { response_information },
            }
        } else {
            Verdict::Continue { data }
        };
        self.answer(connection, token, verdict, now_ms)
    }

    /// The answer about a SUBSCRIBE: a place for each filter, empty where it is allowed.
    #[napi]
    pub fn decide_filters(
        &mut self,
        connection: u32,
        token: u32,
        refusals: Vec<Option<NativeRefusal>>,
        now_ms: f64,
    ) -> Result<u32> {
        let places = refusals.into_iter().map(|refusal| refusal.map(NativeRefusal::into_core)).collect();
        self.answer(connection, token, Verdict::Filters(places), now_ms)
    }

    /// Publishes from this process. Returns how many received it, or -1 where a limit was reached.
    #[napi]
    pub fn publish(
        &mut self,
        topic_name: String,
        payload: Uint8ArraySlice<'_>,
        qos: u32,
        retain: bool,
        properties: Option<NativeProperties>,
        now_ms: f64,
    ) -> Result<i32> {
        let pairs: Vec<(&str, &str)> = properties
            .as_ref()
            .and_then(|properties| properties.user_properties.as_deref())
            .unwrap_or_default()
            .chunks_exact(2)
            .filter_map(|pair| Some((pair.first()?.as_str(), pair.get(1)?.as_str())))
            .collect();
        let mut view = PublishProperties::default();
        if let Some(properties) = &properties {
            view.payload_format_indicator = properties.payload_format_indicator;
            view.message_expiry_interval_secs = properties.message_expiry_interval;
            view.content_type = properties.content_type.as_deref();
            view.response_topic = properties.response_topic.as_deref();
            view.correlation_data = properties.correlation_data.as_deref();
            view.user_properties = UserProperties::from_pairs(&pairs);
        }
        let publish = LocalPublish {
            topic_name: &topic_name,
            payload: &payload,
            qos: quality(qos),
            retain,
            properties: view,
        };
        let outcome = self
            .run(|core| core.publish(&publish, whole(now_ms)))?
            .map_err(|problem| from_local(&problem))?;
        Ok(if outcome.is_over_quota { -1 } else { i32::try_from(outcome.receivers).unwrap_or(i32::MAX) })
    }

    /// Subscribes this process: messages come as events with `handle`, which the caller chooses.
    #[napi]
    pub fn subscribe(
        &mut self,
        handle: u32,
        topic_filter: String,
        wants_retained: bool,
        now_ms: f64,
    ) -> Result<()> {
        self.run(|core| core.subscribe(LocalHandle(handle), &topic_filter, wants_retained, whole(now_ms)))?
            .map_err(|problem| from_local(&problem))
    }

    /// Ends an in-process subscription.
    #[napi]
    pub fn unsubscribe(&mut self, handle: u32, now_ms: f64) -> Result<bool> {
        self.run(|core| core.unsubscribe(LocalHandle(handle), whole(now_ms)))
    }

    /// Ends a client's connection and tells it why. False where no such client is connected.
    #[napi]
    pub fn disconnect_client(
        &mut self,
        client_id: String,
        farewell: NativeRefusal,
        now_ms: f64,
    ) -> Result<bool> {
        self.run(|core| core.disconnect_client(&client_id, farewell.as_farewell(), whole(now_ms)))
    }

    /// Tells every client that the broker is going down, and lets no new one in.
    #[napi]
    pub fn shut_down(&mut self, farewell: NativeRefusal, now_ms: f64) -> Result<()> {
        self.run(|core| core.shut_down(farewell.as_farewell(), whole(now_ms)))
    }

    /// Counters and gauges, in the order of `metricNames`.
    #[napi]
    pub fn metrics(&mut self) -> Result<Vec<f64>> {
        self.run(|core| {
            let metrics = core.metrics();
            let counts = [core.session_count(), core.subscription_count(), core.retained_count()];
            metric_values(&metrics)
                .into_iter()
                .chain(counts.map(|count| count as u64))
                .map(|value| value as f64)
                .collect()
        })
    }

    fn answer(&mut self, connection: u32, token: u32, verdict: Verdict, now_ms: f64) -> Result<u32> {
        self.run(|core| {
            let held = core.decide(ConnectionKey(connection), token, verdict, whole(now_ms));
            status_of(core, held)
        })
    }

    /// Runs a piece of work in the core. A panic ends this broker: its state may be torn, so it is dropped, and
    /// this call and every later one says so.
    fn run<R>(&mut self, work: impl FnOnce(&mut Broker) -> R) -> Result<R> {
        let Some(core) = self.core.as_deref_mut() else {
            return Err(error(Code::BrokerClosed, "the native core has been shut down after a bug"));
        };
        match catch_unwind(AssertUnwindSafe(|| work(core))) {
            Ok(result) => Ok(result),
            Err(payload) => {
                // Dropping torn state may panic again; it is given up instead.
                std::mem::forget(self.core.take());
                let words = payload.downcast_ref::<String>().map(String::as_str);
                let words = words.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
                Err(error(
                    Code::Panic,
                    format_args!("the native core met a bug and has been shut down: {words}"),
                ))
            }
        }
    }
}

/// The names of what `NativeBroker.metrics` returns, in its order.
#[napi]
pub fn metric_names() -> Vec<String> {
    let names = [
        "bytesReceived",
        "bytesSent",
        "packetsReceived",
        "packetsSent",
        "publishReceived",
        "publishSent",
        "publishBytesReceived",
        "publishBytesSent",
        "publishRefused",
        "connectionsOpened",
        "connectsRefused",
        "protocolErrors",
        "sessionsExpired",
        "connections",
        "clientsConnected",
        "clientsMaximum",
        "inputBytes",
        "outBufferBytes",
        "queuedBytes",
        "queuedMessages",
        "retainedBytes",
    ];
    let dropped = DropReason::ALL.map(|reason| format!("dropped.{}", reason.name()));
    let counts = ["sessions", "subscriptions", "retainedMessages"];
    names.into_iter().map(str::to_owned).chain(dropped).chain(counts.map(str::to_owned)).collect()
}

/// The words for drop reasons, in the order of the numbers that events carry.
#[napi]
pub fn drop_reason_names() -> Vec<String> {
    DropReason::ALL.map(|reason| reason.name().to_owned()).to_vec()
}

/// The standard's name of a Reason Code; empty for a number that is none.
#[napi]
pub fn reason_code_name(reason_code: u32) -> String {
    u8::try_from(reason_code)
        .ok()
        .and_then(ReasonCode::from_u8)
        .map(|code| code.name().to_owned())
        .unwrap_or_default()
}

fn metric_values(metrics: &Metrics) -> Vec<u64> {
    let mut values = vec![
        metrics.bytes_received,
        metrics.bytes_sent,
        metrics.packets_received,
        metrics.packets_sent,
        metrics.publish_received,
        metrics.publish_sent,
        metrics.publish_bytes_received,
        metrics.publish_bytes_sent,
        metrics.publish_refused,
        metrics.connections_opened,
        metrics.connects_refused,
        metrics.protocol_errors,
        metrics.sessions_expired,
        metrics.connections,
        metrics.clients_connected,
        metrics.clients_maximum,
        metrics.input_bytes,
        metrics.out_buffer_bytes,
        metrics.queued_bytes,
        metrics.queued_messages,
        metrics.retained_bytes,
    ];
    values.extend_from_slice(&metrics.dropped);
    values
}

fn status_of(core: &Broker, input: InputStatus) -> u32 {
    let mut bits = 0;
    if core.has_output() {
        bits |= status::OUTPUT;
    }
    if core.has_events() {
        bits |= status::EVENTS;
    }
    if input.is_held {
        bits |= status::HELD;
    }
    bits
}

/// A Reason Code of a refusal; a number that is none becomes Unspecified error.
fn refusal(code: u32) -> ReasonCode {
    u8::try_from(code)
        .ok()
        .and_then(ReasonCode::from_u8)
        .filter(|code| code.is_error())
        .unwrap_or(ReasonCode::UnspecifiedError)
}

/// 0, 1 or 2; JavaScript has checked it.
fn quality(qos: u32) -> QoS {
    u8::try_from(qos).ok().and_then(QoS::from_u8).unwrap_or_default()
}

/// Offsets into one arena or stream fit.
fn word(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker() -> NativeBroker {
        let core =
            Broker::new(topicwire_broker::Config::default(), topicwire_broker::HookFilters::default(), 0);
        NativeBroker { core: Some(Box::new(core)), events: Vec::new() }
    }

    #[test]
    fn a_panic_ends_its_broker_and_nothing_else() {
        let (mut torn, mut other) = (broker(), broker());
        let quiet = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let result = torn.run(|_| -> u32 { panic!("a bug for the test") });
        std::panic::set_hook(quiet);
        let problem = result.unwrap_err();
        assert_eq!(problem.status, Code::Panic);
        assert!(problem.reason.contains("a bug for the test"));
        assert_eq!(torn.open(0.0).unwrap_err().status, Code::BrokerClosed);
        assert_eq!(other.open(0.0).unwrap(), 0);
    }

    #[test]
    fn metrics_have_as_many_names_as_values() {
        assert_eq!(metric_names().len(), broker().metrics().unwrap().len());
    }
}

//! The broker value behind a JavaScript class.

use std::rc::Rc;

use napi::bindgen_prelude::{Uint8ArraySlice, Uint32ArraySlice};
use napi_derive::napi;
use topicwire_broker::{
    Acceptance, Broker, ConnectionKey, InputStatus, LocalHandle, LocalPublish, Refusal, Replacement, Secret,
    TopicUrlRequest, Verdict,
};
use topicwire_codec::{PublishProperties, UserProperties};

use crate::error::{Result, from_local};
use crate::metrics::metric_values;
use crate::objects::{
    NativeAuthenticationStep, NativeProperties, NativeRefusal, NativeReplacement, NativeTopicUrl, quality,
    refusal,
};
use crate::options::{NativeOptions, whole};
use crate::shared::Shared;
use crate::state::{State, status, status_of};

/// Words of one answer in `decideMany`.
const ANSWER_WORDS: usize = 3;
/// Words of one record of `drain`.
const RECORD_WORDS: usize = 4;
/// Set in a record's fourth word, beside the Reason Code: close the transport after these bytes.
const RECORD_CLOSES: u32 = 0x100;

/// The native half of `Broker`; `src/broker.ts` is what users see. Times are in milliseconds, and never go
/// backwards from call to call.
#[napi]
pub struct NativeBroker {
    pub(crate) shared: Rc<Shared>,
}

#[napi]
impl NativeBroker {
    /// A broker with nothing in it.
    #[napi(constructor)]
    pub fn new(options: NativeOptions, now_ms: f64) -> Self {
        let (config, hooks) = options.into_core();
        let core = Broker::new(config, hooks, whole(now_ms));
        Self::from_state(State::new(core, now_ms))
    }

    /// A transport was opened: the number of its connection, which is its own until `close`.
    #[napi]
    pub fn open(&mut self, now_ms: f64) -> Result<u32> {
        self.run(now_ms, |core, now_ms| core.open(now_ms).0)
    }

    /// A topic URL's transport was opened.
    #[napi]
    pub fn open_topic_url(&mut self, request: NativeTopicUrl, now_ms: f64) -> Result<u32> {
        self.run(now_ms, |core, now_ms| {
            let request_view = TopicUrlRequest {
                topic_filter: &request.topic_filter,
                qos: quality(request.qos),
                retained: request.retained,
                client_id: &request.client_id,
                username: request.username.as_deref(),
                password: request.password.as_deref(),
            };
            core.open_topic_url(&request_view, now_ms).0.0
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
        let input = self.run(now_ms, |core, now_ms| {
            let bytes = chunk.get(..length as usize).unwrap_or(&chunk);
            core.receive(ConnectionKey(connection), bytes, now_ms)
        })?;
        self.settle(connection, input)
    }

    /// The transport is gone; the number may come again from now on. Returns status bits.
    #[napi]
    pub fn close(&mut self, connection: u32, now_ms: f64) -> Result<u32> {
        self.run(now_ms, |core, now_ms| core.close(ConnectionKey(connection), now_ms))?;
        self.status_now()
    }

    /// The transport is full.
    #[napi]
    pub fn blocked(&mut self, connection: u32) -> Result<()> {
        self.look(|core| core.blocked(ConnectionKey(connection)))
    }

    /// The transport has room again. Returns status bits.
    #[napi]
    pub fn writable(&mut self, connection: u32) -> Result<u32> {
        self.look(|core| core.writable(ConnectionKey(connection)))?;
        self.status_now()
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
        // SAFETY: JavaScript lends both arrays for the length of this call, on its own thread; `src/core.ts`
        // makes them over memory that no other thread sees, and hands no part of the arena to a transport before
        // the call has returned.
        let (arena, records) = unsafe { (arena.as_mut(), records.as_mut()) };
        self.run(now_ms, |core, now_ms| {
            let mut offset = 0;
            let mut count = 0;
            for record in records.chunks_exact_mut(RECORD_WORDS) {
                let Some(free) = arena.get_mut(offset..).filter(|free| !free.is_empty()) else { break };
                let Some(transmit) = core.poll_transmit(free, now_ms) else { break };
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
        let of_sockets = self.shared.socket_status();
        Ok(self.status_now()? | of_sockets)
    }

    /// Milliseconds until `tick` wants to be called, from 0 on; -1 where nothing waits for time.
    #[napi]
    pub fn next_tick_in(&mut self, now_ms: f64) -> Result<f64> {
        let now_ms = self.run(now_ms, |_, now_ms| now_ms)?;
        let deadline_ms = self.shared.state().next_deadline_ms();
        let deadline_ms = self.shared.arm(deadline_ms);
        Ok(deadline_ms.map_or(-1.0, |deadline_ms| deadline_ms.saturating_sub(now_ms) as f64))
    }

    /// Time has passed. Returns status bits.
    #[napi]
    pub fn tick(&mut self, now_ms: f64) -> Result<u32> {
        let shared = Rc::clone(&self.shared);
        self.run(now_ms, |core, now_ms| {
            core.tick(now_ms);
            shared.tick_sockets(now_ms);
        })?;
        self.status()
    }

    /// Moves all events to the start of `out` and says how many bytes that were. Where they do not fit nothing is moved,
    /// and the answer is how many there are, below zero: one more call with as much room takes them.
    #[napi]
    pub fn take_events(&mut self, mut out: Uint8ArraySlice<'_>) -> Result<i32> {
        // SAFETY: JavaScript lends the array for the length of this call, on its own thread; no other thread sees its
        // memory, and what is in it is copied before the next call.
        let out = unsafe { out.as_mut() };
        let mut stream = std::mem::take(&mut self.shared.state().events);
        self.look(|core| {
            while let Some(event) = core.poll_event() {
                stream.push(&event);
            }
        })?;
        let length = i32::try_from(stream.bytes.len()).unwrap_or(i32::MAX);
        let Some(room) = out.get_mut(..stream.bytes.len()) else {
            self.shared.state().events = stream;
            return Ok(-length);
        };
        room.copy_from_slice(&stream.bytes);
        stream.clear();
        self.shared.state().events = stream;
        Ok(length)
    }

    /// The answer to a question: 0 allows, 1 discards the message, 0x80 and above refuses with this Reason Code.
    /// Returns status bits.
    #[napi]
    pub fn decide(&mut self, connection: u32, token: u32, answer: u32, now_ms: f64) -> Result<u32> {
        self.answer(connection, token, simple_verdict(answer), now_ms)
    }

    /// `decide` for the first `count` of `answers`, in three words each: the connection, the token and the answer. Those to
    /// questions that were asked ahead stand behind that which they were asked with. In the place of each answer it says
    /// whether the connection waits for one again: 1 or 0. Returns status bits without `HELD`.
    #[napi]
    pub fn decide_many(&mut self, mut answers: Uint32ArraySlice<'_>, count: u32, now_ms: f64) -> Result<u32> {
        // SAFETY: JavaScript lends the array for the length of this call, on its own thread; `src/answers.ts` makes it over
        // memory that no other thread sees.
        let answers = unsafe { answers.as_mut() };
        let (all, _) = answers.as_chunks_mut::<ANSWER_WORDS>();
        let all = all.get_mut(..count as usize).unwrap_or_default();
        for together in all.chunk_by_mut(is_next) {
            let Some(&[connection, token, _]) = together.first() else { continue };
            let verdicts = together.iter().map(|&[.., answer]| simple_verdict(answer));
            let input = self.run(now_ms, |core, now_ms| {
                core.decide_in_order(ConnectionKey(connection), token, verdicts, now_ms)
            })?;
            self.shared.set_held(connection, input.is_held);
            for [.., answer] in together {
                *answer = u32::from(input.is_held);
            }
        }
        self.status_now()
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

    /// Publishes from this process. Returns the batch to wait for until the message is as safe as its QoS asks for, 0
    /// where there is nothing to wait for, or -1 where a limit was reached.
    #[napi]
    pub fn publish(
        &mut self,
        topic_name: String,
        payload: Uint8ArraySlice<'_>,
        qos: u32,
        retain: bool,
        properties: Option<NativeProperties>,
        now_ms: f64,
    ) -> Result<f64> {
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
            .run(now_ms, |core, now_ms| core.publish(&publish, now_ms))?
            .map_err(|problem| from_local(&problem))?;
        if outcome.is_over_quota {
            return Ok(-1.0);
        }
        self.shared.state().look_at_store(|storing, _| storing.wait_for(outcome.sequence));
        Ok(outcome.sequence as f64)
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
        self.run(now_ms, |core, now_ms| {
            core.subscribe(LocalHandle(handle), &topic_filter, wants_retained, now_ms)
        })?
        .map_err(|problem| from_local(&problem))
    }

    /// Ends an in-process subscription.
    #[napi]
    pub fn unsubscribe(&mut self, handle: u32, now_ms: f64) -> Result<bool> {
        self.run(now_ms, |core, now_ms| core.unsubscribe(LocalHandle(handle), now_ms))
    }

    /// Ends a client's connection and tells it why. False where no such client is connected.
    #[napi]
    pub fn disconnect_client(
        &mut self,
        client_id: String,
        farewell: NativeRefusal,
        now_ms: f64,
    ) -> Result<bool> {
        self.run(now_ms, |core, now_ms| core.disconnect_client(&client_id, farewell.as_farewell(), now_ms))
    }

    /// Tells every client that the broker is going down, and lets no new one in.
    #[napi]
    pub fn shut_down(&mut self, farewell: NativeRefusal, now_ms: f64) -> Result<()> {
        self.run(now_ms, |core, now_ms| core.shut_down(farewell.as_farewell(), now_ms))
    }

    /// Counters and gauges, in the order of `metricNames`.
    #[napi]
    pub fn metrics(&mut self) -> Result<Vec<f64>> {
        self.look(|core| {
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
        let input =
            self.run(now_ms, |core, now_ms| core.decide(ConnectionKey(connection), token, verdict, now_ms))?;
        self.settle(connection, input)
    }

    pub(crate) fn from_state(state: State) -> Self {
        Self { shared: Rc::new(Shared::new(state)) }
    }

    /// Input of a connection has been looked at: whether more of it may come, and what is to do.
    fn settle(&mut self, connection: u32, input: InputStatus) -> Result<u32> {
        self.shared.set_held(connection, input.is_held);
        Ok(self.status_now()? | if input.is_held { status::HELD } else { 0 })
    }

    /// Status bits of the core and the store.
    fn status_now(&mut self) -> Result<u32> {
        let of_store = self.shared.state().store_status();
        Ok(self.look(|core| status_of(core))? | of_store)
    }

    /// Runs a piece of work in the core: see [`State::run`].
    pub(crate) fn run<R>(&mut self, now_ms: f64, work: impl FnOnce(&mut Broker, u64) -> R) -> Result<R> {
        self.shared.state().run(now_ms, work)
    }

    /// The same where it is not about time.
    fn look<R>(&mut self, work: impl FnOnce(&mut Broker) -> R) -> Result<R> {
        self.run(0.0, |core, _| work(core))
    }
}

fn simple_verdict(answer: u32) -> Verdict {
    match answer {
        0 => Verdict::Allow,
        1 => Verdict::Discard,
        code => Verdict::Deny(Refusal::from_code(refusal(code))),
    }
}

/// Whether an answer may be one to a question that was asked ahead with the one before.
fn is_next([connection, token, _]: &[u32; ANSWER_WORDS], next: &[u32; ANSWER_WORDS]) -> bool {
    next.starts_with(&[*connection, token.wrapping_add(1)])
}

/// Offsets into one arena or stream fit.
fn word(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

//! What clients do in one line, and what tests ask of them.

use topicwire_broker::{ConnectionKey, Event, Farewell, InputStatus, LocalHandle, Question, Token, Verdict};
use topicwire_codec::{
    Ack, Connect, Disconnect, Packet, PacketId, PacketType, Publish, QoS, ReasonCode, Subscribe,
    SubscribeFilter, SubscribeFilters, SubscribeOptions, TopicFilters, Unsubscribe, UserProperties, Version,
};

use super::{Bench, Client, Got, GotConnack, GotPublish, Words};

pub(crate) fn packet_id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

/// One line of a SUBSCRIBE without options.
pub(crate) fn line(topic_filter: &str, qos: QoS) -> SubscribeFilter<'_> {
    SubscribeFilter { topic_filter, options: SubscribeOptions::from_qos(qos) }
}

impl Bench {
    /// A clean client that was let in.
    pub(crate) fn connect(&mut self, version: Version, client_id: &str) -> Client {
        self.connect_with(version, client_id, |_| {}).0
    }

    /// A client whose Session stays, and whether it was there.
    pub(crate) fn connect_durably(&mut self, version: Version, client_id: &str) -> (Client, bool) {
        let (client, connack) = self.connect_with(version, client_id, keep_session);
        (client, connack.session_present)
    }

    /// A client that was let in, and the CONNACK that said so.
    pub(crate) fn connect_with<'a>(
        &mut self,
        version: Version,
        client_id: &'a str,
        set: impl FnOnce(&mut Connect<'a>),
    ) -> (Client, GotConnack) {
        let (client, connack) = self.try_connect(version, client_id, set);
        let connack = connack.expect("a CONNACK");
        assert_eq!(connack.reason_code, ReasonCode::Success);
        (client, connack)
    }

    /// A client that sends a CONNECT, and the CONNACK if it got one.
    pub(crate) fn try_connect<'a>(
        &mut self,
        version: Version,
        client_id: &'a str,
        set: impl FnOnce(&mut Connect<'a>),
    ) -> (Client, Option<GotConnack>) {
        let mut connect = Connect::new(version, client_id);
        set(&mut connect);
        let client = self.open(version);
        self.send(client, &Packet::Connect(connect));
        let connack = match self.wire(client).got.pop_front() {
            None => None,
            Some(Got::Connack(connack)) => Some(connack),
            Some(other) => panic!("the first packet is {other:?}"),
        };
        (client, connack)
    }

    /// The client answers PUBLISH, PUBREC and PUBREL by itself from now on.
    pub(crate) fn acknowledging(&mut self, client: Client) {
        self.wire(client).acknowledges = true;
    }

    /// Subscribes to one filter, and is granted what it asked for.
    pub(crate) fn subscribe(&mut self, client: Client, topic_filter: &str, qos: QoS) {
        let reason_codes = self.subscribe_to(client, &[line(topic_filter, qos)], None);
        assert_eq!(reason_codes.iter().map(|code| code.value()).collect::<Vec<_>>(), [qos.value()]);
    }

    /// One filter with options.
    pub(crate) fn subscribe_as(
        &mut self,
        client: Client,
        topic_filter: &str,
        qos: QoS,
        set: impl FnOnce(&mut SubscribeOptions),
    ) {
        let mut asked = line(topic_filter, qos);
        set(&mut asked.options);
        let reason_codes = self.subscribe_to(client, &[asked], None);
        assert!(!reason_codes[0].is_error(), "{}", reason_codes[0]);
    }

    /// Sends a SUBSCRIBE; what SUBACK says.
    pub(crate) fn subscribe_to(
        &mut self,
        client: Client,
        filters: &[SubscribeFilter<'_>],
        subscription_id: Option<u32>,
    ) -> Vec<ReasonCode> {
        let id = self.send_subscribe(client, filters, subscription_id);
        match self.take(client, |got| matches!(got, Got::Suback(of, _) if *of == id)) {
            Some(Got::Suback(_, reason_codes)) => reason_codes,
            _ => panic!("no SUBACK, but {:?}", self.wire(client).got),
        }
    }

    /// Sends a SUBSCRIBE and waits for nothing.
    pub(crate) fn send_subscribe(
        &mut self,
        client: Client,
        filters: &[SubscribeFilter<'_>],
        subscription_id: Option<u32>,
    ) -> u16 {
        let id = self.next_packet_id(client);
        let subscribe = Subscribe {
            packet_id: packet_id(id),
            subscription_id,
            user_properties: UserProperties::default(),
            filters: SubscribeFilters::from_slice(filters),
        };
        self.send(client, &Packet::Subscribe(subscribe));
        id
    }

    pub(crate) fn unsubscribe(&mut self, client: Client, topic_filters: &[&str]) -> Vec<ReasonCode> {
        let id = self.send_unsubscribe(client, topic_filters);
        match self.take(client, |got| matches!(got, Got::Unsuback(of, _) if *of == id)) {
            Some(Got::Unsuback(_, reason_codes)) => reason_codes,
            _ => panic!("no UNSUBACK"),
        }
    }

    /// Sends an UNSUBSCRIBE and waits for nothing; its identifier.
    pub(crate) fn send_unsubscribe(&mut self, client: Client, topic_filters: &[&str]) -> u16 {
        let id = self.next_packet_id(client);
        let unsubscribe = Unsubscribe {
            packet_id: packet_id(id),
            user_properties: UserProperties::default(),
            topic_filters: TopicFilters::from_slice(topic_filters),
        };
        self.send(client, &Packet::Unsubscribe(unsubscribe));
        id
    }

    /// Publishes and goes through the whole exchange; what the broker said of it, Success for QoS 0.
    pub(crate) fn publish(
        &mut self,
        client: Client,
        topic_name: &str,
        payload: &str,
        qos: QoS,
    ) -> ReasonCode {
        self.publish_with(client, topic_name, payload.as_bytes(), qos, |_| {})
    }

    pub(crate) fn retain(&mut self, client: Client, topic_name: &str, payload: &str) -> ReasonCode {
        self.publish_with(client, topic_name, payload.as_bytes(), QoS::AtLeastOnce, |publish| {
            publish.retain = true;
        })
    }

    pub(crate) fn publish_with<'a>(
        &mut self,
        client: Client,
        topic_name: &'a str,
        payload: &'a [u8],
        qos: QoS,
        set: impl FnOnce(&mut Publish<'a>),
    ) -> ReasonCode {
        let id = self.send_publish(client, topic_name, payload, qos, set);
        match qos {
            QoS::AtMostOnce => ReasonCode::Success,
            QoS::AtLeastOnce => self.expect_puback(client, id),
            QoS::ExactlyOnce => {
                let reason_code = self.expect_pubrec(client, id);
                if !reason_code.is_error() {
                    self.send_ack(client, PacketType::Pubrel, id);
                    let pubcomp = self.take(client, |got| matches!(got, Got::Pubcomp(of, _) if *of == id));
                    assert_eq!(pubcomp, Some(Got::Pubcomp(id, ReasonCode::Success)));
                }
                reason_code
            }
        }
    }

    /// Sends a PUBLISH and waits for nothing; its identifier, 0 with QoS 0.
    pub(crate) fn send_publish<'a>(
        &mut self,
        client: Client,
        topic_name: &'a str,
        payload: &'a [u8],
        qos: QoS,
        set: impl FnOnce(&mut Publish<'a>),
    ) -> u16 {
        let id = if qos == QoS::AtMostOnce { 0 } else { self.next_packet_id(client) };
        let mut publish = Publish { qos, packet_id: PacketId::new(id), ..Publish::new(topic_name, payload) };
        set(&mut publish);
        self.send(client, &Packet::Publish(publish));
        id
    }

    pub(crate) fn expect_puback(&mut self, client: Client, id: u16) -> ReasonCode {
        match self.take(client, |got| matches!(got, Got::Puback(of, _) if *of == id)) {
            Some(Got::Puback(_, reason_code)) => reason_code,
            _ => panic!("no PUBACK, but {:?}", self.wire(client).got),
        }
    }

    pub(crate) fn expect_pubrec(&mut self, client: Client, id: u16) -> ReasonCode {
        match self.take(client, |got| matches!(got, Got::Pubrec(of, _) if *of == id)) {
            Some(Got::Pubrec(_, reason_code)) => reason_code,
            _ => panic!("no PUBREC, but {:?}", self.wire(client).got),
        }
    }

    pub(crate) fn send_ack(&mut self, client: Client, packet_type: PacketType, id: u16) {
        self.send_ack_as(client, packet_type, id, ReasonCode::Success);
    }

    pub(crate) fn send_ack_as(&mut self, client: Client, packet_type: PacketType, id: u16, code: ReasonCode) {
        let mut bytes = Vec::new();
        Ack::new(packet_id(id), code).encode(packet_type, self.wire(client).version, &mut bytes).unwrap();
        self.send_bytes(client, &bytes);
    }

    pub(crate) fn ping(&mut self, client: Client) {
        self.send(client, &Packet::Pingreq);
        assert_eq!(self.take(client, |got| *got == Got::Pingresp), Some(Got::Pingresp));
    }

    /// Says goodbye in good order.
    pub(crate) fn disconnect(&mut self, client: Client) {
        self.disconnect_with(client, ReasonCode::NORMAL_DISCONNECTION, None);
    }

    pub(crate) fn disconnect_with(&mut self, client: Client, code: ReasonCode, expiry_secs: Option<u32>) {
        let mut disconnect = Disconnect::new(code);
        disconnect.session_expiry_interval_secs = expiry_secs;
        self.send(client, &Packet::Disconnect(disconnect));
    }

    /// The host ends a client's connection; false where there is none.
    pub(crate) fn disconnect_by_host(&mut self, client_id: &str, farewell: Farewell<'_>) -> bool {
        let is_found = self.broker.disconnect_client(client_id, farewell, self.now_ms);
        self.run();
        is_found
    }

    /// The host closes the broker.
    pub(crate) fn shut_down(&mut self) {
        self.shut_down_with(Farewell::new(ReasonCode::ServerShuttingDown));
    }

    pub(crate) fn shut_down_with(&mut self, farewell: Farewell<'_>) {
        self.broker.shut_down(farewell, self.now_ms);
        self.run();
    }

    /// The next packet, of whatever kind.
    pub(crate) fn next(&mut self, client: Client) -> Got {
        self.wire(client).got.pop_front().expect("another packet")
    }

    /// Up to so many of the packets that have come.
    pub(crate) fn take_some(&mut self, client: Client, count: usize) -> Vec<Got> {
        let got = &mut self.wire(client).got;
        got.drain(..count.min(got.len())).collect()
    }

    /// What the last packet that has come says in text.
    pub(crate) fn words(&mut self, client: Client) -> Words {
        self.wire(client).words.clone()
    }

    /// Everything that has come and was not taken yet.
    pub(crate) fn rest(&mut self, client: Client) -> Vec<Got> {
        self.wire(client).got.drain(..).collect()
    }

    /// The PUBLISHes that have come, in order; other packets stay.
    pub(crate) fn publishes(&mut self, client: Client) -> Vec<GotPublish> {
        let mut publishes = Vec::new();
        for got in std::mem::take(&mut self.wire(client).got) {
            match got {
                Got::Publish(publish) => publishes.push(publish),
                other => self.wire(client).got.push_back(other),
            }
        }
        publishes
    }

    /// The one PUBLISH that has come.
    pub(crate) fn publish_of(&mut self, client: Client) -> GotPublish {
        let mut publishes = self.publishes(client);
        assert_eq!(publishes.len(), 1, "{publishes:?}");
        publishes.remove(0)
    }

    /// The payloads of the PUBLISHes that have come, as text.
    pub(crate) fn texts(&mut self, client: Client) -> Vec<String> {
        self.publishes(client).iter().map(|publish| publish.text().to_owned()).collect()
    }

    /// Forgets the PUBLISHes that have come.
    pub(crate) fn forget_publishes(&mut self, client: Client) {
        self.publishes(client);
    }

    /// Payloads that came to a topic URL, and whether each is text.
    pub(crate) fn frames(&mut self, client: Client) -> Vec<(bool, Vec<u8>)> {
        self.wire(client).frames.as_mut().map(|frames| frames.drain(..).collect()).unwrap_or_default()
    }

    /// How many bytes the client has been sent, in all.
    pub(crate) fn received_bytes(&mut self, client: Client) -> usize {
        self.wire(client).received_bytes
    }

    /// The bytes that came and were not decoded: see [`Bench::send_bytes_leniently`].
    pub(crate) fn take_bytes(&mut self, client: Client) -> Vec<u8> {
        std::mem::take(&mut self.wire(client).bytes)
    }

    /// Counts what the client is sent from now on.
    pub(crate) fn forget_bytes(&mut self, client: Client) {
        self.wire(client).received_bytes = 0;
    }

    /// Why the broker closed the transport; none where it has not.
    pub(crate) fn closed(&mut self, client: Client) -> Option<ReasonCode> {
        self.wire(client).closing.map(|closing| closing.reason_code)
    }

    pub(crate) fn key_of(&mut self, client: Client) -> ConnectionKey {
        self.wire(client).key
    }

    /// True where the broker waits for a hook or for the store, and wants no more input.
    pub(crate) fn is_held(&mut self, client: Client) -> bool {
        self.wire(client).status.is_held
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    /// What in-process subscribers got: whose, the topic, the payload as text, and RETAIN.
    pub(crate) fn local_messages(&mut self) -> Vec<(LocalHandle, String, String, bool)> {
        let messages = self.take_events().into_iter().filter_map(|event| match event {
            Event::Message { handle, message, retain, .. } => {
                let text = String::from_utf8(message.payload().to_vec()).unwrap();
                Some((handle, message.topic_name().to_string(), text, retain))
            }
            _ => None,
        });
        messages.collect()
    }

    /// The oldest question that was asked and not taken yet.
    pub(crate) fn question(&mut self) -> Question {
        let is_question = |event: &Event| matches!(event, Event::Question(_));
        let at = self.events.iter().position(is_question).expect("a question");
        match self.events.remove(at) {
            Some(Event::Question(question)) => question,
            _ => unreachable!(),
        }
    }

    pub(crate) fn has_question(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Question(_)))
    }

    /// Answers the oldest question.
    pub(crate) fn answer(&mut self, verdict: Verdict) {
        let question = self.question();
        self.decide(&question, question.token, verdict);
    }

    /// All questions that stand open, oldest first.
    pub(crate) fn questions(&mut self) -> Vec<Question> {
        let count = self.events.iter().filter(|event| matches!(event, Event::Question(_))).count();
        (0..count).map(|_| self.question()).collect()
    }

    pub(crate) fn decide(&mut self, question: &Question, token: Token, verdict: Verdict) {
        let status = self.broker.decide(question.connection, token, verdict, self.now_ms);
        self.note_decided(question, status);
    }

    /// Answers questions that were asked together, from the first on.
    pub(crate) fn decide_in_order(&mut self, first: &Question, verdicts: impl IntoIterator<Item = Verdict>) {
        let status = self.broker.decide_in_order(first.connection, first.token, verdicts, self.now_ms);
        self.note_decided(first, status);
    }

    fn note_decided(&mut self, question: &Question, status: InputStatus) {
        if let Some(wire) =
            self.wires.iter_mut().rev().find(|wire| wire.is_open && wire.key == question.connection)
        {
            wire.status = status;
        }
        self.run();
    }

    pub(crate) fn next_packet_id(&mut self, client: Client) -> u16 {
        let wire = self.wire(client);
        wire.last_packet_id = wire.last_packet_id.checked_add(1).unwrap_or(1);
        wire.last_packet_id
    }

    fn take(&mut self, client: Client, is_it: impl Fn(&Got) -> bool) -> Option<Got> {
        let got = &mut self.wire(client).got;
        let at = got.iter().position(is_it)?;
        got.remove(at)
    }

    /// Nothing is buffered, queued or open any more.
    pub(crate) fn assert_quiet(&self) {
        let metrics = self.broker.metrics();
        let gauges = [
            metrics.out_buffer_bytes,
            metrics.queued_bytes,
            metrics.queued_messages,
            metrics.connections,
            metrics.clients_connected,
        ];
        assert_eq!(gauges, [0; 5], "{metrics:?}");
    }

    /// And nobody is remembered.
    pub(crate) fn assert_empty(&self) {
        self.assert_quiet();
        assert_eq!((self.broker.session_count(), self.broker.subscription_count()), (0, 0));
        if !self.has_sys && self.broker.retained_count() == 0 {
            assert_eq!(self.broker.next_deadline_ms(), None);
        }
    }
}

/// A CONNECT whose Session stays when the connection goes.
pub(crate) fn keep_session(connect: &mut Connect<'_>) {
    connect.clean_start = false;
    if connect.version.is_v5() {
        connect.properties.session_expiry_interval_secs = Some(u32::MAX);
    }
}

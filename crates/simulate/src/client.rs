//! A client: what it remembers, and how it answers what it is sent. Written from the standard and not shared with the
//! product, so that it can bear witness.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::rc::Rc;

use topicwire_codec::{PacketType, ReasonCode, Version};

use crate::model::{LinkId, Tag, Verdict, violation};
use crate::op::{ConnectOp, FilterOp, PublishOp, TOPICS, WillOp, filter_of};
use crate::packet::{
    ClientPacket, ConnackGot, ConnectSpec, Message, PublishGot, ServerPacket, WillSpec, subscribe_options,
};

/// As many messages a client has under way at most, whatever it may.
const MOST_OPEN: usize = 8;
/// Identifiers go round in a short circle, so that they come again soon.
const LAST_ID: u16 = 40;

/// A message that this client has published and that is not over yet.
#[derive(Clone, Debug)]
struct Open {
    id: u16,
    message: Rc<Message>,
    /// PUBREC has come.
    is_released: bool,
}

/// What outlives the connection: its Session, on this side.
#[derive(Clone, Debug, Default)]
struct Memory {
    /// Which of the broker's Sessions it is of. A real client does not know: it cannot tell from Session Present that
    /// the CONNACK of a connection in between, which it never got, would have said no. Nothing can be promised to it
    /// then; this one is told.
    incarnation: u64,
    /// In the order they were sent.
    open: VecDeque<Open>,
    /// Identifiers of received QoS 2 messages that await PUBREL, and which messages they were.
    received: BTreeMap<u16, Option<Tag>>,
    last_id: u16,
    /// It has asked for a new Session and not been told of one yet: it goes on asking.
    insists_on_clean: bool,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) client_id: Rc<str>,
    /// Which of the clients it is, from 0 on.
    number: usize,
    /// Half of the clients get RETAIN as published and nothing that is retained, the other half the other way round: the
    /// two could not be told apart. The former speak 5.0 only, as 3.1.1 has no such options.
    keeps_retain: bool,
    /// The transport it uses.
    pub(crate) link: Option<LinkId>,
    version: Version,
    is_anonymous: bool,
    /// CONNACK has come.
    pub(crate) is_in: bool,
    memory: Memory,
    /// Of its own Session, while it is connected without a name.
    aside: Option<Memory>,
    /// As many messages it has under way: never more than a server of any version takes at once, as the next
    /// connection may be of another version.
    most_open: usize,
    /// The server's highest Topic Alias.
    server_alias_maximum: u16,
    aliases: BTreeMap<u16, Rc<str>>,
    /// Identifiers of SUBSCRIBE and UNSUBSCRIBE that are not answered yet.
    asked: BTreeSet<u16>,
    pub(crate) refuses_next: bool,
    /// What it has passed on at QoS 2.
    passed_on: HashSet<Tag>,
}

impl Client {
    pub(crate) fn new(number: usize, server_receive_maximum: u16) -> Self {
        Self {
            client_id: Rc::from(format!("c{number}")),
            number,
            keeps_retain: number % 2 == 1,
            link: None,
            version: Version::V5_0,
            is_anonymous: false,
            is_in: false,
            memory: Memory::default(),
            aside: None,
            most_open: MOST_OPEN.min(usize::from(server_receive_maximum)),
            server_alias_maximum: 0,
            aliases: BTreeMap::new(),
            asked: BTreeSet::new(),
            refuses_next: false,
            passed_on: HashSet::new(),
        }
    }

    pub(crate) fn is_v5(&self) -> bool {
        self.version.is_v5()
    }

    /// Nothing of its own is under way.
    pub(crate) fn check_quiet(&self) -> Verdict {
        if !self.is_in {
            return Ok(());
        }
        if let Some(open) = self.memory.open.front() {
            return violation(format!("message {} of {} is still open", open.message.number, self.client_id));
        }
        if let Some(id) = self.memory.received.keys().next() {
            return violation(format!("{} still waits for PUBREL {id}", self.client_id));
        }
        if let Some(id) = self.asked.first() {
            return violation(format!("{} still waits for SUBACK or UNSUBACK {id}", self.client_id));
        }
        Ok(())
    }

    /// A new transport, and the CONNECT that goes first on it.
    pub(crate) fn connect(&mut self, link: LinkId, op: &ConnectOp, message_number: u32) -> ClientPacket {
        let version = if op.is_v5 || self.keeps_retain { Version::V5_0 } else { Version::V3_1_1 };
        if op.is_anonymous {
            let memory = std::mem::take(&mut self.memory);
            if !self.is_anonymous {
                self.aside = Some(memory);
            }
        } else if let Some(memory) = self.aside.take() {
            self.memory = memory;
        }
        self.is_anonymous = op.is_anonymous;
        self.link = Some(link);
        self.version = version;
        self.is_in = false;
        self.server_alias_maximum = 0;
        self.aliases.clear();
        self.asked.clear();
        self.memory.insists_on_clean |= op.clean;
        let is_v5 = version.is_v5();
        let property = |value: u32| (is_v5 && value != 0).then_some(value);
        let small = |value: u16| (is_v5 && value != 0).then_some(value);
        ClientPacket::Connect(ConnectSpec {
            version,
            client_id: if op.is_anonymous { Rc::from("") } else { Rc::clone(&self.client_id) },
            clean_start: self.memory.insists_on_clean || op.is_anonymous,
            expiry_secs: property(op.expiry_secs).filter(|_| !op.is_anonymous),
            keep_alive_secs: op.keep_alive_secs,
            receive_maximum: small(op.receive_maximum),
            maximum_packet_size: property(op.maximum_packet_size),
            alias_maximum: small(op.alias_maximum),
            will: op.will.map(|will| self.will(will, message_number)),
        })
    }

    fn will(&self, op: WillOp, number: u32) -> WillSpec {
        let is_v5 = self.version.is_v5();
        WillSpec {
            message: Rc::new(Message {
                number,
                topic_name: if self.is_anonymous {
                    Rc::from(format!("will/of {number}"))
                } else {
                    Rc::from(format!("will/{}", self.client_id))
                },
                payload: format!("{number}").into_bytes(),
                qos: op.qos,
                retain: op.retain,
                expiry_secs: (is_v5 && op.expiry_secs != 0).then_some(op.expiry_secs),
                content_type: is_v5.then(|| format!("will {number}")),
            }),
            delay_secs: if is_v5 { op.delay_secs } else { 0 },
        }
    }

    /// A PUBLISH, where it may send one.
    pub(crate) fn publish(&mut self, mut op: PublishOp, number: u32) -> Option<ClientPacket> {
        let topic_name = TOPICS[usize::from(op.topic) % TOPICS.len()];
        if op.size == PublishOp::EMPTY && !topic_name.starts_with('$') {
            op.size = 0;
        }
        self.publish_to(&Rc::from(topic_name), op, number)
    }

    pub(crate) fn publish_to(
        &mut self,
        topic_name: &Rc<str>,
        op: PublishOp,
        number: u32,
    ) -> Option<ClientPacket> {
        self.link?;
        if op.qos > 0 && (!self.is_in || self.memory.open.len() >= self.most_open) {
            return None;
        }
        let is_v5 = self.version.is_v5();
        let mut payload = Vec::new();
        if op.size != PublishOp::EMPTY {
            payload = format!("{number}:").into_bytes();
            payload.resize(payload.len() + usize::from(op.size), b'x');
        }
        let message = Rc::new(Message {
            number,
            topic_name: Rc::clone(topic_name),
            payload,
            qos: op.qos,
            retain: op.retain,
            expiry_secs: (is_v5 && op.expiry_secs != 0).then_some(op.expiry_secs),
            content_type: (is_v5 && number.is_multiple_of(3)).then(|| format!("type {number}")),
        });
        let may_alias = is_v5 && self.is_in && (1..=self.server_alias_maximum).contains(&op.alias);
        let alias = may_alias.then_some(op.alias);
        let omits_name = alias.is_some_and(|alias| {
            self.aliases.insert(alias, Rc::clone(topic_name)).is_some_and(|known| known == *topic_name)
        });
        let id = (op.qos > 0).then(|| self.next_id());
        if let Some(id) = id {
            self.memory.open.push_back(Open { id, message: Rc::clone(&message), is_released: false });
        }
        Some(ClientPacket::Publish { dup: false, id, message, alias, omits_name })
    }

    /// A SUBSCRIBE, where there is a connection.
    pub(crate) fn subscribe(&mut self, ops: &[FilterOp], subscription_id: u32) -> Option<ClientPacket> {
        self.link?;
        let id = self.next_id();
        self.asked.insert(id);
        let filters: Vec<_> = ops.iter().map(|op| filter_of(self.number, op.filter)).collect();
        // Without an identifier where one is shared: to 3.1.1, which has none, its messages could not be told apart.
        let has_shared = filters.iter().any(|filter| filter.starts_with("$share/"));
        let may_have_id = self.version.is_v5() && subscription_id != 0 && !has_shared;
        let subscription_id = may_have_id.then_some(subscription_id);
        let options = |op: &FilterOp, filter: &str| {
            let op = FilterOp {
                retain_as_published: op.retain_as_published && self.keeps_retain,
                retain_handling: if self.keeps_retain { 2 } else { op.retain_handling },
                ..*op
            };
            subscribe_options(op, self.version, filter.starts_with("$share/"))
        };
        let filters = ops.iter().zip(filters).map(|(op, filter)| (filter, options(op, filter))).collect();
        Some(ClientPacket::Subscribe { id, subscription_id, filters })
    }

    /// An UNSUBSCRIBE, where there is a connection.
    pub(crate) fn unsubscribe(&mut self, filters: &[u8]) -> Option<ClientPacket> {
        self.link?;
        let id = self.next_id();
        self.asked.insert(id);
        let filters = filters.iter().map(|filter| filter_of(self.number, *filter));
        Some(ClientPacket::Unsubscribe { id, filters: filters.collect() })
    }

    /// An identifier that is not in use.
    fn next_id(&mut self) -> u16 {
        loop {
            self.memory.last_id = self.memory.last_id % LAST_ID + 1;
            let id = self.memory.last_id;
            if !self.asked.contains(&id) && self.memory.open.iter().all(|open| open.id != id) {
                return id;
            }
        }
    }

    /// A packet has come. What it sends for it.
    pub(crate) fn read(&mut self, packet: &ServerPacket, tag: Option<Tag>) -> Verdict<Vec<ClientPacket>> {
        let mut answers = Vec::new();
        match packet {
            ServerPacket::Connack(connack) => {
                let incarnation = tag.map_or(0, |tag| tag.incarnation);
                self.read_connack(connack, incarnation, &mut answers);
            }
            ServerPacket::Publish(publish) => answers.extend(self.read_publish(publish, tag)?),
            ServerPacket::Ack { kind: PacketType::Puback, id, .. } => self.finish(*id, false)?,
            ServerPacket::Ack { kind: PacketType::Pubrec, id, reason_code } if reason_code.is_error() => {
                self.finish(*id, false)?;
            }
            ServerPacket::Ack { kind: PacketType::Pubrec, id, .. } => {
                let Some(open) = self.memory.open.iter_mut().find(|open| open.id == *id) else {
                    return violation(format!("{} never sent what PUBREC {id} answers", self.client_id));
                };
                open.is_released = true;
                answers.push(self.ack(PacketType::Pubrel, *id, ReasonCode::Success));
            }
            ServerPacket::Ack { kind: PacketType::Pubcomp, id, .. } => self.finish(*id, true)?,
            ServerPacket::Ack { id, .. } => {
                let is_known = self.memory.received.remove(id).is_some();
                let reason_code =
                    if is_known { ReasonCode::Success } else { ReasonCode::PacketIdentifierNotFound };
                answers.push(self.ack(PacketType::Pubcomp, *id, reason_code));
            }
            ServerPacket::Suback { id, .. } | ServerPacket::Unsuback { id, .. } => {
                self.asked.remove(id);
            }
            ServerPacket::Pong => {}
            ServerPacket::Disconnect(_) => {
                self.link = None;
                self.is_in = false;
            }
        }
        Ok(answers)
    }

    fn read_connack(&mut self, connack: &ConnackGot, incarnation: u64, answers: &mut Vec<ClientPacket>) {
        if connack.reason_code.is_error() {
            return;
        }
        self.is_in = true;
        self.memory.insists_on_clean = false;
        if self.version.is_v5() {
            self.server_alias_maximum = connack.alias_maximum.unwrap_or(0);
        }
        let is_other = std::mem::replace(&mut self.memory.incarnation, incarnation) != incarnation;
        if !connack.session_present || is_other {
            self.memory.open.clear();
            self.memory.received.clear();
            return;
        }
        for open in &self.memory.open {
            answers.push(if open.is_released {
                self.ack(PacketType::Pubrel, open.id, ReasonCode::Success)
            } else {
                ClientPacket::Publish {
                    dup: true,
                    id: Some(open.id),
                    message: open.message.in_version(self.version),
                    alias: None,
                    omits_name: false,
                }
            });
        }
    }

    fn read_publish(&mut self, publish: &PublishGot, tag: Option<Tag>) -> Verdict<Option<ClientPacket>> {
        let refuses = |client: &mut Self| client.version.is_v5() && std::mem::take(&mut client.refuses_next);
        let id = publish.id;
        match publish.qos {
            0 => Ok(None),
            1 => {
                let refused = refuses(self);
                Ok(Some(self.ack(PacketType::Puback, id, refusal(refused))))
            }
            _ => {
                if let Some(before) = self.memory.received.get(&id) {
                    let is_same = match (before, &tag) {
                        // Which delivery of a retained message it is cannot be told after a crash.
                        (Some(before), Some(tag)) => before.is_same_message(tag),
                        (before, tag) => before == tag,
                    };
                    if !is_same {
                        return violation(format!(
                            "{} takes {tag:?} for a repetition of {before:?}, as it has the same identifier {id}",
                            self.client_id
                        ));
                    }
                    return Ok(Some(self.ack(PacketType::Pubrec, id, ReasonCode::Success)));
                }
                let refused = refuses(self);
                if !refused {
                    if let Some(tag) = &tag
                        && !self.passed_on.insert(tag.clone())
                    {
                        return violation(format!(
                            "{} is given message {} at QoS 2 twice",
                            self.client_id, tag.number
                        ));
                    }
                    self.memory.received.insert(id, tag);
                }
                Ok(Some(self.ack(PacketType::Pubrec, id, refusal(refused))))
            }
        }
    }

    /// An exchange of its own is over.
    fn finish(&mut self, id: u16, is_pubcomp: bool) -> Verdict {
        match self.memory.open.iter().position(|open| open.id == id) {
            Some(at) => {
                self.memory.open.remove(at);
                Ok(())
            }
            // PUBREL was sent on two connections.
            None if is_pubcomp => Ok(()),
            None => violation(format!("{} never sent what the acknowledgement {id} is for", self.client_id)),
        }
    }

    fn ack(&self, kind: PacketType, id: u16, reason_code: ReasonCode) -> ClientPacket {
        let reason_code = if self.version.is_v5() { reason_code } else { ReasonCode::Success };
        ClientPacket::Ack { kind, id, reason_code }
    }
}

fn refusal(refused: bool) -> ReasonCode {
    if refused { ReasonCode::ImplementationSpecificError } else { ReasonCode::Success }
}

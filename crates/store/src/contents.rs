//! What a store holds, told for a broker that is made from it, and the next stretch of a queue.
//!
//! A queue is told by its length alone: however long it is, none of its messages is read at a start but those that are in an
//! exchange, and the last one's key. Of a retained message the payload is not kept.

use std::collections::HashSet;
use std::ops::Bound;
use std::sync::Arc;

use topicwire_broker::store::{Fetch, Record, StoreError, StoreOperation};
use topicwire_broker::{Delivery, Message};
use topicwire_codec::{PacketId, QoS};
use topicwire_session::Stage;

use crate::keys::{self, SessionNumber, Table};
use crate::message_record::{self, DeliveryDecoder};
use crate::plan::{Rows, damaged};
use crate::record::{self, QueueRecord, SessionRecord};
use crate::tree::Snapshot;

/// Everything, as `Store::contents` tells it.
pub(crate) fn tell(rows: &Snapshot<'_>, each: &mut dyn FnMut(Record)) -> Result<(), StoreError> {
    rows.all(Table::Sessions, &mut |key, value| {
        let client_id = std::str::from_utf8(key).map_err(|_| damaged(Table::Sessions))?;
        let session = SessionRecord::decode(value).ok_or_else(|| damaged(Table::Sessions))?;
        Teller { rows, client_id: &Arc::from(client_id), number: session.number }.tell(session, each)?;
        Ok(true)
    })?;
    rows.all(Table::Retained, &mut |key, value| {
        let message = message_record::decode_retained(key, value).ok_or_else(|| damaged(Table::Retained))?;
        each(Record::Retained {
            topic_name: Arc::clone(message.topic_name()),
            qos: message.qos,
            expires_at_ms: message.expires_at_ms,
            body_len: message.body_len(),
        });
        Ok(true)
    })
}

/// The retained messages of these topics.
pub(crate) fn retained(
    rows: &Snapshot,
    topic_names: &[Arc<str>],
) -> Result<Vec<Option<Arc<Message>>>, StoreError> {
    let of_topic = |topic_name: &Arc<str>| {
        let Some(value) = rows.get(Table::Retained, topic_name.as_bytes())? else { return Ok(None) };
        let message = message_record::decode_retained(topic_name.as_bytes(), &value);
        message.map(|message| Some(Arc::new(message))).ok_or_else(|| damaged(Table::Retained))
    };
    topic_names.iter().map(of_topic).collect()
}

/// The deliveries above a position that are not in an exchange.
pub(crate) fn fetch(rows: &Snapshot<'_>, fetch: &Fetch) -> Result<Vec<(QoS, Delivery)>, StoreError> {
    let mut found = Vec::new();
    let Some(session) = rows.get(Table::Sessions, fetch.client_id.as_bytes())? else { return Ok(found) };
    let session = SessionRecord::decode(&session).ok_or_else(|| damaged(Table::Sessions))?;
    let Some(first) = fetch.after_position.checked_add(1).filter(|_| fetch.most > 0) else {
        return Ok(found);
    };
    let under_way: HashSet<u64> =
        exchanges(rows, session.number)?.iter().map(|exchange| exchange.position).collect();
    let (first, last) = keys::deliveries(session.number, first..=u64::MAX);
    let mut decoder = DeliveryDecoder::default();
    rows.range(Table::Deliveries, (Bound::Included(&first), Bound::Included(&last)), &mut |key, value| {
        let position = keys::position_of(key).ok_or_else(|| damaged(Table::Deliveries))?;
        if !under_way.contains(&position) {
            found.push(decoder.decode(position, value).ok_or_else(|| damaged(Table::Deliveries))?);
        }
        Ok(found.len() < fetch.most)
    })?;
    Ok(found)
}

struct Exchange {
    packet_id: PacketId,
    position: u64,
    stage: Stage,
}

fn exchanges(rows: &Snapshot<'_>, number: SessionNumber) -> Result<Vec<Exchange>, StoreError> {
    let mut found = Vec::new();
    rows.of_session(Table::Exchanges, number, &mut |key, value| {
        let packet_id = keys::packet_id_of(key).ok_or_else(|| damaged(Table::Exchanges))?;
        let (position, stage) = record::decode_exchange(value).ok_or_else(|| damaged(Table::Exchanges))?;
        found.push(Exchange { packet_id, position, stage });
        Ok(true)
    })?;
    Ok(found)
}

/// Tells what belongs to one Session.
struct Teller<'a, 'r> {
    rows: &'a Snapshot<'r>,
    client_id: &'a Arc<str>,
    number: SessionNumber,
}

impl Teller<'_, '_> {
    fn own(&self) -> Arc<str> {
        Arc::clone(self.client_id)
    }

    fn tell(&self, session: SessionRecord, each: &mut dyn FnMut(Record)) -> Result<(), StoreError> {
        let SessionRecord { expiry_interval_secs, version, closed_at_ms, .. } = session;
        let client_id = self.own();
        each(Record::Put(StoreOperation::PutSession {
            client_id,
            expiry_interval_secs,
            version,
            closed_at_ms,
        }));
        self.tell_subscriptions(each)?;
        self.rows.of_session(Table::Inbound, self.number, &mut |key, _| {
            let packet_id = keys::packet_id_of(key).ok_or_else(|| damaged(Table::Inbound))?;
            each(Record::Put(StoreOperation::PutInbound { client_id: self.own(), packet_id }));
            Ok(true)
        })?;
        self.tell_will(each)?;
        let under_way = self.tell_exchanges(each)?;
        self.tell_queue(&under_way, each)
    }

    fn tell_subscriptions(&self, each: &mut dyn FnMut(Record)) -> Result<(), StoreError> {
        let wrong = || damaged(Table::Subscriptions);
        self.rows.of_session(Table::Subscriptions, self.number, &mut |key, value| {
            let topic_filter = Box::from(keys::topic_filter_of(key).ok_or_else(wrong)?);
            let options = record::decode_subscription(value).ok_or_else(wrong)?;
            let client_id = self.own();
            each(Record::Put(StoreOperation::PutSubscription { client_id, topic_filter, options }));
            Ok(true)
        })
    }

    fn tell_will(&self, each: &mut dyn FnMut(Record)) -> Result<(), StoreError> {
        let Some(value) = self.rows.get(Table::Wills, &keys::session(self.number))? else { return Ok(()) };
        let (message, delay_interval_secs, expiry_interval_secs) =
            message_record::decode_will(&value).ok_or_else(|| damaged(Table::Wills))?;
        each(Record::Put(StoreOperation::PutWill {
            client_id: self.own(),
            message: Arc::new(message),
            delay_interval_secs,
            expiry_interval_secs,
        }));
        Ok(())
    }

    /// Returns the deliveries in exchanges, and how much they are.
    fn tell_exchanges(&self, each: &mut dyn FnMut(Record)) -> Result<UnderWay, StoreError> {
        let mut exchanges = exchanges(self.rows, self.number)?;
        exchanges.sort_by_key(|exchange| exchange.position);
        let mut under_way = UnderWay::default();
        for Exchange { packet_id, position, stage } in exchanges {
            let key = keys::delivery(self.number, position);
            let delivery = match self.rows.get(Table::Deliveries, &key)? {
                Some(value) => {
                    let decoded = DeliveryDecoder::default().decode(position, &value);
                    Some(decoded.ok_or_else(|| damaged(Table::Deliveries))?.1)
                }
                None => None,
            };
            if let Some(delivery) = &delivery
                && under_way.positions.insert(position)
            {
                under_way.sum.add(message_record::content_bytes(&delivery.message));
            }
            each(Record::Exchange { client_id: self.own(), packet_id, position, stage, delivery });
        }
        Ok(under_way)
    }

    fn tell_queue(&self, under_way: &UnderWay, each: &mut dyn FnMut(Record)) -> Result<(), StoreError> {
        let wrong = || damaged(Table::Queues);
        let all = match self.rows.get(Table::Queues, &keys::session(self.number))? {
            Some(value) => QueueRecord::decode(&value).ok_or_else(wrong)?,
            None => QueueRecord::default(),
        };
        let messages = all.messages.checked_sub(under_way.sum.messages).ok_or_else(wrong)?;
        let content_bytes = all.content_bytes.checked_sub(under_way.sum.content_bytes).ok_or_else(wrong)?;
        let last_position = if messages == 0 { 0 } else { self.last_queued(under_way)?.ok_or_else(wrong)? };
        let bytes = content_bytes + messages * overhead_bytes();
        each(Record::Queue { client_id: self.own(), messages, bytes, last_position });
        Ok(())
    }

    fn last_queued(&self, under_way: &UnderWay) -> Result<Option<u64>, StoreError> {
        let mut last = None;
        self.rows.of_session_back(Table::Deliveries, self.number, &mut |key, _| {
            let position = keys::position_of(key).ok_or_else(|| damaged(Table::Deliveries))?;
            last = Some(position).filter(|position| !under_way.positions.contains(position));
            Ok(last.is_none())
        })?;
        Ok(last)
    }
}

#[derive(Default)]
struct UnderWay {
    positions: HashSet<u64>,
    sum: QueueRecord,
}

/// What `Message::held_bytes` counts beside the content.
fn overhead_bytes() -> u64 {
    Message::new(Arc::from(""), b"", b"", QoS::AtMostOnce, false, 0).held_bytes() as u64
}

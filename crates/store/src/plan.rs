//! A batch as rows: what each operation changes in which table, worked out before anything is written.
//!
//! The rows are in the order of their keys, each with its last value only, so that the engine writes each place once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use topicwire_broker::store::{StoreError, StoreOperation};
use topicwire_codec::PacketId;
use topicwire_session::Stage;

use crate::keys::{self, Key, SessionNumber, Table};
use crate::message_record;
use crate::record::{self, QueueRecord, SessionRecord};

/// What the tables hold before the batch.
pub(crate) trait Rows {
    /// The value of a row without its checksum.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
}

/// What a batch changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// New values with their checksums; none removes the row.
    pub(crate) rows: BTreeMap<(Table, Key), Option<Vec<u8>>>,
    /// Sessions whose rows go away, these here among them.
    pub(crate) ended: Vec<SessionNumber>,
}

impl Changes {
    fn put(&mut self, table: Table, key: Key, value: Vec<u8>) {
        let sealed = record::seal(&key, value);
        self.rows.insert((table, key), Some(sealed));
    }

    fn remove(&mut self, table: Table, key: Key) {
        self.rows.insert((table, key), None);
    }
}

/// Works out what a batch changes.
///
/// # Errors
/// What reading the tables says, and [`StoreError::Failed`] for an operation on a Session that does not exist: it means that
/// broker and store disagree.
pub(crate) fn plan(
    operations: &[StoreOperation],
    sequence: u64,
    rows: &impl Rows,
) -> Result<Changes, StoreError> {
    let mut planner =
        Planner { rows, changes: Changes::default(), sessions: HashMap::new(), queues: HashMap::new() };
    for operation in operations {
        planner.apply(operation)?;
    }
    planner.finish(sequence)
}

pub(crate) fn damaged(table: Table) -> StoreError {
    StoreError::Damaged(format!("a row of the table {:?} cannot be read", table.name()))
}

struct Planner<'a, R> {
    rows: &'a R,
    changes: Changes,
    /// Sessions of this batch; none where there is none, or none any more.
    sessions: HashMap<Arc<str>, Option<SessionRecord>>,
    /// Their queues as far as they are changed.
    queues: HashMap<SessionNumber, QueueRecord>,
}

impl<R: Rows> Planner<'_, R> {
    fn apply(&mut self, operation: &StoreOperation) -> Result<(), StoreError> {
        match operation {
            StoreOperation::PutSession { client_id, expiry_interval_secs, version, closed_at_ms } => {
                let number = match self.session(client_id)? {
                    Some(record) => record.number,
                    None => self.next_session()?,
                };
                let record = SessionRecord {
                    number,
                    expiry_interval_secs: *expiry_interval_secs,
                    version: *version,
                    closed_at_ms: *closed_at_ms,
                };
                self.sessions.insert(Arc::clone(client_id), Some(record));
                self.changes.put(Table::Sessions, Key::from_slice(client_id.as_bytes()), record.encode());
            }
            StoreOperation::DeleteSession { client_id } => {
                let number = self.number(client_id)?;
                self.sessions.insert(Arc::clone(client_id), None);
                self.queues.remove(&number);
                self.changes.remove(Table::Sessions, Key::from_slice(client_id.as_bytes()));
                self.changes.ended.push(number);
            }
            StoreOperation::PutRetained { message } => {
                let key = Key::from_slice(message.topic_name().as_bytes());
                self.changes.put(Table::Retained, key, message_record::encode_retained(message));
            }
            StoreOperation::DeleteRetained { topic_name } => {
                self.changes.remove(Table::Retained, Key::from_slice(topic_name.as_bytes()));
            }
            StoreOperation::PutSubscription { client_id, topic_filter, options } => {
                let key = keys::subscription(self.number(client_id)?, topic_filter);
                self.changes.put(Table::Subscriptions, key, record::encode_subscription(*options));
            }
            StoreOperation::DeleteSubscription { client_id, topic_filter } => {
                let key = keys::subscription(self.number(client_id)?, topic_filter);
                self.changes.remove(Table::Subscriptions, key);
            }
            StoreOperation::PutDelivery { client_id, delivery, qos } => {
                let number = self.number(client_id)?;
                self.queue(number)?.add(message_record::content_bytes(&delivery.message));
                let key = keys::delivery(number, delivery.position);
                self.changes.put(Table::Deliveries, key, message_record::encode_delivery(*qos, delivery));
            }
            StoreOperation::PutExchange { client_id, packet_id, position, stage } => {
                self.put_exchange(client_id, *packet_id, *position, *stage)?;
            }
            StoreOperation::DeleteDelivery { client_id, position, packet_id } => {
                let number = self.number(client_id)?;
                self.remove_delivery(number, *position)?;
                if let Some(packet_id) = packet_id {
                    self.changes.remove(Table::Exchanges, keys::packet(number, *packet_id));
                }
            }
            StoreOperation::PutInbound { client_id, packet_id } => {
                let key = keys::packet(self.number(client_id)?, *packet_id);
                self.changes.put(Table::Inbound, key, Vec::new());
            }
            StoreOperation::DeleteInbound { client_id, packet_id } => {
                let key = keys::packet(self.number(client_id)?, *packet_id);
                self.changes.remove(Table::Inbound, key);
            }
            StoreOperation::PutWill { client_id, message, delay_interval_secs, expiry_interval_secs } => {
                let key = keys::session(self.number(client_id)?);
                let value = message_record::encode_will(message, *delay_interval_secs, *expiry_interval_secs);
                self.changes.put(Table::Wills, key, value);
            }
            StoreOperation::DeleteWill { client_id } => {
                let key = keys::session(self.number(client_id)?);
                self.changes.remove(Table::Wills, key);
            }
            other => return Err(StoreError::Failed(format!("an operation of a newer broker: {other:?}"))),
        }
        Ok(())
    }

    fn put_exchange(
        &mut self,
        client_id: &Arc<str>,
        packet_id: PacketId,
        position: u64,
        stage: Stage,
    ) -> Result<(), StoreError> {
        let number = self.number(client_id)?;
        let value = record::encode_exchange(position, stage);
        self.changes.put(Table::Exchanges, keys::packet(number, packet_id), value);
        if stage == Stage::AwaitPubcomp {
            self.remove_delivery(number, position)?;
        }
        Ok(())
    }

    /// Removes the delivery at this position, where there is one.
    fn remove_delivery(&mut self, number: SessionNumber, position: u64) -> Result<(), StoreError> {
        // Positions begin at 1.
        if position == 0 {
            return Ok(());
        }
        let key = keys::delivery(number, position);
        let row = (Table::Deliveries, key);
        let content_bytes = match self.changes.rows.get(&row) {
            Some(None) => return Ok(()),
            Some(Some(sealed)) => {
                record::unseal(&row.1, sealed).and_then(message_record::delivery_content_bytes)
            }
            None => match self.rows.get(Table::Deliveries, &row.1)? {
                Some(value) => message_record::delivery_content_bytes(&value),
                None => return Ok(()),
            },
        };
        let content_bytes = content_bytes.ok_or_else(|| damaged(Table::Deliveries))?;
        let queue = self.queue(number)?;
        *queue = queue.without(content_bytes).ok_or_else(|| damaged(Table::Queues))?;
        self.changes.rows.insert(row, None);
        Ok(())
    }

    fn session(&mut self, client_id: &Arc<str>) -> Result<Option<SessionRecord>, StoreError> {
        if let Some(known) = self.sessions.get(client_id) {
            return Ok(*known);
        }
        let record = match self.rows.get(Table::Sessions, client_id.as_bytes())? {
            Some(value) => Some(SessionRecord::decode(&value).ok_or_else(|| damaged(Table::Sessions))?),
            None => None,
        };
        self.sessions.insert(Arc::clone(client_id), record);
        Ok(record)
    }

    fn number(&mut self, client_id: &Arc<str>) -> Result<SessionNumber, StoreError> {
        match self.session(client_id)? {
            Some(record) => Ok(record.number),
            None => Err(StoreError::Failed(format!("there is no session of client {client_id:?}"))),
        }
    }

    fn queue(&mut self, number: SessionNumber) -> Result<&mut QueueRecord, StoreError> {
        use std::collections::hash_map::Entry;
        match self.queues.entry(number) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let record = match self.rows.get(Table::Queues, &keys::session(number))? {
                    Some(value) => QueueRecord::decode(&value).ok_or_else(|| damaged(Table::Queues))?,
                    None => QueueRecord::default(),
                };
                Ok(entry.insert(record))
            }
        }
    }

    /// A number that no Session has had.
    fn next_session(&mut self) -> Result<SessionNumber, StoreError> {
        let row = (Table::State, Key::from_slice(keys::NEXT_SESSION));
        let value = match self.changes.rows.get(&row) {
            Some(Some(sealed)) => record::unseal(&row.1, sealed).map(<[u8]>::to_vec),
            _ => self.rows.get(Table::State, keys::NEXT_SESSION)?,
        };
        let number = match value {
            Some(value) => record::decode_number(&value).ok_or_else(|| damaged(Table::State))?,
            None => 1,
        };
        self.changes.put(Table::State, row.1, record::encode_number(number + 1));
        Ok(number)
    }

    fn finish(mut self, sequence: u64) -> Result<Changes, StoreError> {
        for (number, queue) in self.queues {
            let key = keys::session(number);
            if queue == QueueRecord::default() {
                self.changes.remove(Table::Queues, key);
            } else {
                self.changes.put(Table::Queues, key, queue.encode());
            }
        }
        self.changes.put(Table::State, Key::from_slice(keys::SEQUENCE), record::encode_number(sequence));
        Ok(self.changes)
    }
}

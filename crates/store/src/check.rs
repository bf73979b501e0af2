//! A walk through all that a store holds, and how much of it there is.

use std::collections::BTreeMap;

use topicwire_broker::store::StoreError;

use crate::keys::{self, SessionNumber, Table};
use crate::message_record::{self, DeliveryDecoder};
use crate::plan::damaged;
use crate::record::{self, QueueRecord, SessionRecord};
use crate::tree::Snapshot;

/// How many of each thing there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Sessions.
    pub sessions: u64,
    /// Their subscriptions.
    pub subscriptions: u64,
    /// Messages on their way to Sessions.
    pub deliveries: u64,
    /// Open exchanges.
    pub exchanges: u64,
    /// Received QoS 2 messages that await PUBREL.
    pub inbound: u64,
    /// Wills.
    pub wills: u64,
    /// Retained messages.
    pub retained: u64,
}

/// What [`crate::DiskStore::check`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was read; of a damaged table, up to the damage.
    pub counts: Counts,
    /// The first damage; none where all is well.
    pub damage: Option<String>,
}

/// How much space a table takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableStats {
    /// Its name, as in `docs/storage-format.md`.
    pub name: &'static str,
    /// Its rows.
    pub rows: u64,
    /// Their keys and values.
    pub bytes: u64,
    /// What the engine adds to that, and what is unused within its pages.
    pub overhead_bytes: u64,
}

/// What [`crate::DiskStore::stats`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The sequence of the last batch.
    pub last_sequence: u64,
    /// Every table.
    pub tables: Vec<TableStats>,
    /// The length of the file with the tables.
    pub tables_file_bytes: u64,
    /// What has been committed since the last checkpoint.
    pub journal_bytes: u64,
}

/// Reads every row and looks whether they fit together. Calls `progress` with the number of rows read, now and then.
pub(crate) fn check(rows: &Snapshot<'_>, progress: &mut dyn FnMut(u64)) -> Result<Report, StoreError> {
    let mut walk = Walk { rows, progress, rows_read: 0, damage: None, sessions: BTreeMap::new() };
    let mut counts = Counts::default();
    let mut tables = Table::ALL;
    // Before the deliveries, which it is compared with.
    tables.sort_by_key(|table| (*table == Table::Deliveries, *table));
    for table in tables {
        let count = walk.table(table)?;
        match table {
            Table::State | Table::Queues => {}
            Table::Sessions => counts.sessions = count,
            Table::Subscriptions => counts.subscriptions = count,
            Table::Deliveries => counts.deliveries = count,
            Table::Exchanges => counts.exchanges = count,
            Table::Inbound => counts.inbound = count,
            Table::Wills => counts.wills = count,
            Table::Retained => counts.retained = count,
        }
    }
    walk.compare_queues();
    (walk.progress)(walk.rows_read);
    Ok(Report { counts, damage: walk.damage })
}

/// How much the queue of a Session is: as its row says, and as its deliveries are.
#[derive(Default)]
struct Queue {
    said: QueueRecord,
    found: QueueRecord,
}

struct Walk<'a, 'r> {
    rows: &'a Snapshot<'r>,
    progress: &'a mut dyn FnMut(u64),
    rows_read: u64,
    damage: Option<String>,
    sessions: BTreeMap<SessionNumber, Queue>,
}

impl Walk<'_, '_> {
    /// Reads a table up to the first damage. Returns how many rows were good.
    fn table(&mut self, table: Table) -> Result<u64, StoreError> {
        const STEP: u64 = 10_000;
        let mut count = 0;
        let mut decoder = DeliveryDecoder::default();
        let rows = self.rows;
        let result = rows.all(table, &mut |key, value| {
            self.row(table, key, value, &mut decoder).ok_or_else(|| damaged(table))?;
            count += 1;
            self.rows_read += 1;
            if self.rows_read.is_multiple_of(STEP) {
                (self.progress)(self.rows_read);
            }
            Ok(true)
        });
        match result {
            Err(StoreError::Damaged(what)) => {
                self.damage.get_or_insert(what);
                Ok(count)
            }
            result => result.map(|()| count),
        }
    }

    /// None where the row cannot be.
    fn row(&mut self, table: Table, key: &[u8], value: &[u8], decoder: &mut DeliveryDecoder) -> Option<()> {
        match table {
            Table::State => {
                record::decode_number(value)?;
            }
            Table::Sessions => {
                std::str::from_utf8(key).ok()?;
                let number = SessionRecord::decode(value)?.number;
                // Two Sessions of the same number would share their queue.
                if self.sessions.insert(number, Queue::default()).is_some() {
                    return None;
                }
            }
            Table::Queues => self.session(key)?.said = QueueRecord::decode(value)?,
            Table::Subscriptions => {
                keys::topic_filter_of(key)?;
                record::decode_subscription(value)?;
            }
            Table::Deliveries => {
                let (_, delivery) = decoder.decode(keys::position_of(key)?, value)?;
                self.session(key)?.found.add(message_record::content_bytes(&delivery.message));
            }
            Table::Exchanges => {
                keys::packet_id_of(key)?;
                record::decode_exchange(value)?;
            }
            Table::Inbound => {
                keys::packet_id_of(key)?;
            }
            Table::Wills => {
                message_record::decode_will(value)?;
            }
            Table::Retained => {
                message_record::decode_retained(key, value)?;
            }
        }
        if Table::OF_SESSION.contains(&table) {
            self.session(key)?;
        }
        Some(())
    }

    fn session(&mut self, key: &[u8]) -> Option<&mut Queue> {
        self.sessions.get_mut(&keys::session_of(key)?)
    }

    fn compare_queues(&mut self) {
        if self.damage.is_none() && self.sessions.values().any(|queue| queue.said != queue.found) {
            self.damage = Some("the length of a queue is not what the queue holds".to_owned());
        }
    }
}

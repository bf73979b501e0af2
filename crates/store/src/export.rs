//! A store as lines of JSON, and back: for backups that can be read, and for moving from one version to another.

use std::io::{BufRead, Write};

use thiserror::Error;
use topicwire_broker::store::{Store, StoreBatch, StoreError, StoreOperation};

use crate::disk::DiskStore;
use crate::keys::{self, Table};
use crate::lines::{Line, MessageLine};
use crate::message_record::{self, DeliveryDecoder};
use crate::open::FORMAT_VERSION;
use crate::plan::damaged;
use crate::record::{self, SessionRecord};
use crate::tree::{EachRow, Snapshot};

/// Why an export or an import stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lines could not be read or written.
    #[error("the export cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// A line is not what it should be.
    #[error("line {line} of the export cannot be used: {what}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The last line is not there.
    #[error("the export ends after line {lines}, before its last line: make it again, or take another copy")]
    CutShort {
        /// How many there are.
        lines: u64,
    },
    /// It holds something already.
    #[error("the store is not empty: import into a new directory")]
    NotEmpty,
}

/// How many lines pass between two calls of a progress callback.
const STEP: u64 = 10_000;

impl DiskStore {
    /// Writes all that it holds as lines of JSON. Returns how many lines there are; `progress` is told now and then.
    ///
    /// # Errors
    /// [`TransferError`].
    pub fn export(
        &mut self,
        out: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, TransferError> {
        self.read_rows(|rows| {
            let mut lines = Lines { out, progress, count: 0 };
            lines.write(&Line::Export { format: FORMAT_VERSION })?;
            lines.sessions(rows)?;
            lines.retained(rows)?;
            let end = Line::End { lines: lines.count + 1 };
            lines.write(&end)?;
            lines.out.flush()?;
            (lines.progress)(lines.count);
            Ok(lines.count)
        })
    }

    /// Reads what [`DiskStore::export`] has written into a store that is empty. Returns how many lines there were. What has
    /// been read before an error is in the store: begin again with another directory.
    ///
    /// # Errors
    /// [`TransferError`].
    pub fn import(
        &mut self,
        input: &mut dyn BufRead,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, TransferError> {
        const MOST_OPERATIONS: usize = 1_000;
        const MOST_BYTES: usize = 4 << 20;
        if self.last_sequence() != 0 {
            return Err(TransferError::NotEmpty);
        }
        let (mut operations, mut bytes, mut count) = (Vec::new(), 0, 0);
        let mut text = String::new();
        loop {
            text.clear();
            if input.read_line(&mut text)? == 0 {
                return Err(TransferError::CutShort { lines: count });
            }
            count += 1;
            let wrong = |what: String| TransferError::Line { line: count, what };
            let line: Line = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
            match (&line, count) {
                (Line::Export { format }, 1) if *format <= FORMAT_VERSION => {}
                (Line::Export { format }, 1) => {
                    return Err(wrong(format!(
                        "it has format {format}, and this version reads {FORMAT_VERSION}"
                    )));
                }
                (_, 1) | (Line::Export { .. }, _) => {
                    return Err(wrong(
                        "an export begins with a line that says so, and has no other".to_owned(),
                    ));
                }
                (Line::End { lines }, _) if *lines == count => break,
                (Line::End { lines }, _) => return Err(wrong(format!("there should be {lines} lines"))),
                _ => {}
            }
            operations.extend(line.operation().map_err(|what| wrong(what.to_owned()))?);
            bytes += text.len();
            if operations.len() >= MOST_OPERATIONS || bytes >= MOST_BYTES {
                self.commit_next(std::mem::take(&mut operations))?;
                bytes = 0;
            }
            if count.is_multiple_of(STEP) {
                progress(count);
            }
        }
        self.commit_next(operations)?;
        progress(count);
        Ok(count)
    }

    fn commit_next(&mut self, operations: Vec<StoreOperation>) -> Result<(), StoreError> {
        let sequence = self.last_sequence() + 1;
        self.commit(&StoreBatch { sequence, operations })
    }
}

struct Lines<'a> {
    out: &'a mut dyn Write,
    progress: &'a mut dyn FnMut(u64),
    count: u64,
}

impl Lines<'_> {
    fn write(&mut self, line: &Line) -> Result<(), TransferError> {
        serde_json::to_writer(&mut *self.out, line).map_err(std::io::Error::from)?;
        self.out.write_all(b"\n")?;
        self.count += 1;
        if self.count.is_multiple_of(STEP) {
            (self.progress)(self.count);
        }
        Ok(())
    }

    fn sessions(&mut self, rows: &Snapshot<'_>) -> Result<(), TransferError> {
        walk(
            |each| rows.all(Table::Sessions, each),
            |key, value| {
                let client_id = std::str::from_utf8(key).map_err(|_| damaged(Table::Sessions))?;
                let session = SessionRecord::decode(value).ok_or_else(|| damaged(Table::Sessions))?;
                self.write(&Line::Session {
                    client_id: client_id.to_owned(),
                    expiry_interval_secs: session.expiry_interval_secs,
                    protocol_version: session.version as u8,
                    closed_at_ms: session.closed_at_ms,
                })?;
                let mut decoder = DeliveryDecoder::default();
                // Deliveries before the exchanges they are in.
                for table in
                    [Table::Subscriptions, Table::Inbound, Table::Wills, Table::Deliveries, Table::Exchanges]
                {
                    walk(
                        |each| rows.of_session(table, session.number, each),
                        |key, value| {
                            let line = of_session(table, client_id, key, value, &mut decoder);
                            self.write(&line.ok_or_else(|| damaged(table))?)
                        },
                    )?;
                }
                Ok(())
            },
        )
    }

    fn retained(&mut self, rows: &Snapshot<'_>) -> Result<(), TransferError> {
        walk(
            |each| rows.all(Table::Retained, each),
            |key, value| {
                let message = message_record::decode_retained(key, value);
                let message = MessageLine::from(&message.ok_or_else(|| damaged(Table::Retained))?);
                self.write(&Line::Retained { message })
            },
        )
    }
}

/// Walks rows with a callback that may fail in ways of its own.
fn walk(
    rows: impl FnOnce(EachRow<'_>) -> Result<(), StoreError>,
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), TransferError>,
) -> Result<(), TransferError> {
    let mut failed = None;
    rows(&mut |key, value| {
        failed = each(key, value).err();
        Ok(failed.is_none())
    })?;
    failed.map_or(Ok(()), Err)
}

fn of_session(
    table: Table,
    client_id: &str,
    key: &[u8],
    value: &[u8],
    decoder: &mut DeliveryDecoder,
) -> Option<Line> {
    let client_id = client_id.to_owned();
    Some(match table {
        Table::Subscriptions => {
            let options = record::decode_subscription(value)?;
            Line::Subscription {
                client_id,
                topic_filter: keys::topic_filter_of(key)?.to_owned(),
                subscription_id: options.subscription_id,
                qos: options.qos as u8,
                no_local: options.no_local,
                retain_as_published: options.retain_as_published,
            }
        }
        Table::Inbound => Line::Inbound { client_id, packet_id: keys::packet_id_of(key)?.value() },
        Table::Wills => {
            let (message, delay_interval_secs, expiry_interval_secs) = message_record::decode_will(value)?;
            let message = MessageLine::from(&message);
            Line::Will { client_id, delay_interval_secs, expiry_interval_secs, message }
        }
        Table::Deliveries => {
            let (qos, delivery) = decoder.decode(keys::position_of(key)?, value)?;
            Line::Delivery {
                client_id,
                position: delivery.position,
                qos: qos as u8,
                retain: delivery.retain,
                subscription_ids: delivery.subscription_ids.to_vec(),
                message: MessageLine::from(&*delivery.message),
            }
        }
        Table::Exchanges => {
            let (position, stage) = record::decode_exchange(value)?;
            let packet_id = keys::packet_id_of(key)?.value();
            Line::Exchange { client_id, packet_id, position, stage: stage.into() }
        }
        _ => return None,
    })
}

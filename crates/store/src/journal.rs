//! The journal: what has been committed since the tables were last written out, a frame for each batch.
//!
//! A commit is one write at the end of this file, and one sync where a power loss is to be survived. The tables follow in
//! memory, and go to their file now and then as a whole (a checkpoint); from then on the journal is written anew from its
//! start. So a small batch costs a small write, wherever in the tables its rows are.
//!
//! Frames are numbered by their batch. What is left of an earlier round never fits: its numbers are lower. A write that has
//! failed leaves the end where it was; the next one goes over it, so that no sync is relied upon that comes after one which
//! has failed.

use std::io;
use std::sync::Arc;

use topicwire_broker::store::StoreError;

use crate::keys::{Key, Table};
use crate::open::FORMAT_VERSION;
use crate::plan::Changes;
use crate::tree::io_error;
use crate::{Durability, StoreFile};

const MAGIC: [u8; 8] = *b"tpwrjrnl";
/// Magic, version, checksum.
const HEADER_BYTES: usize = 16;
/// The header and whether the store is made.
const BEGIN_BYTES: usize = HEADER_BYTES + 1;
const NOT_MADE: u8 = 0;
const MADE: u8 = b'M';
/// Length of the body, checksum, sequence, flags.
const HEAD_BYTES: usize = 17;
/// The frame was to be synced before anything depended on it.
const SYNCED: u8 = 1;
const REMOVED: u8 = 0x80;
const ENDED: u8 = 0x7f;

/// How far a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Making {
    /// The files are empty.
    NotBegun,
    /// The tables may be half made.
    Begun,
    /// It is there.
    Done,
}

/// The open journal.
pub(crate) struct Journal {
    file: Arc<dyn StoreFile>,
    durability: Durability,
    /// Where the next frame goes.
    end: u64,
}

impl Journal {
    /// How far the store is.
    pub(crate) fn making(file: &dyn StoreFile) -> Result<Making, StoreError> {
        let mut begin = [0; BEGIN_BYTES];
        if file.len().map_err(|error| io_error(&error))? < BEGIN_BYTES as u64 {
            return Ok(Making::NotBegun);
        }
        file.read(0, &mut begin).map_err(|error| io_error(&error))?;
        let Some((made, found)) = begin.split_last() else { return Ok(Making::NotBegun) };
        Ok(match *made {
            _ if found.get(..8) != Some(&MAGIC[..]) => Making::NotBegun,
            NOT_MADE => Making::Begun,
            _ => Making::Done,
        })
    }

    /// Says that the store is being made: whatever is in the tables is not finished.
    pub(crate) fn begin_making(file: &dyn StoreFile) -> Result<(), StoreError> {
        let begin = [&header(FORMAT_VERSION)[..], &[NOT_MADE]].concat();
        file.set_len(0).map_err(|error| io_error(&error))?;
        file.write(0, &begin).map_err(|error| io_error(&error))?;
        file.sync().map_err(|error| io_error(&error))
    }

    /// Says that it is made.
    pub(crate) fn end_making(file: &dyn StoreFile) -> Result<(), StoreError> {
        file.write(HEADER_BYTES as u64, &[MADE]).map_err(|error| io_error(&error))?;
        file.sync().map_err(|error| io_error(&error))
    }

    /// Opens the file and calls with each batch that the tables do not have, in order.
    ///
    /// # Errors
    /// Of the file and of the calls; [`StoreError::Damaged`] where it is no journal, or where a batch that had been
    /// committed is not in it.
    pub(crate) fn open(
        file: Arc<dyn StoreFile>,
        durability: Durability,
        in_tables: u64,
        each: &mut dyn FnMut(u64, &Changes) -> Result<(), StoreError>,
    ) -> Result<Self, JournalError> {
        let len = file.len().map_err(|error| io_error(&error))?;
        let mut journal = Self { file, durability, end: BEGIN_BYTES as u64 };
        journal.check_header()?;
        let mut last = None;
        while let Some((sequence, body)) = journal.frame(journal.end, len)? {
            if last.is_some_and(|last| sequence != last + 1) {
                break;
            }
            if last.is_none() && sequence > in_tables + 1 {
                return Err(damaged("the tables are older than the journal").into());
            }
            if sequence > in_tables {
                let changes =
                    decode(&body).ok_or_else(|| damaged("a frame of the journal cannot be read"))?;
                each(sequence, &changes)?;
            }
            last = Some(sequence);
            journal.end += (HEAD_BYTES + body.len()) as u64;
        }
        let last = last.unwrap_or(0);
        journal.look_for_lost(last.max(in_tables), len)?;
        if last < in_tables {
            // All of it is from an earlier round.
            journal.end = BEGIN_BYTES as u64;
        }
        if durability == Durability::Power && last > in_tables {
            // What has been read may not be on the disk: the process that wrote it may have been killed, or told that
            // its sync has failed.
            journal.write_again().map_err(|error| io_error(&error))?;
        }
        Ok(journal)
    }

    /// The bytes of its frames.
    pub(crate) fn frames_bytes(&self) -> u64 {
        self.end - BEGIN_BYTES as u64
    }

    /// Adds a batch. When this returns, it is as safe as the durability promises.
    ///
    /// # Errors
    /// Of the file. Nothing has been added then, and the same batch may be added later.
    pub(crate) fn append(&mut self, sequence: u64, changes: &Changes) -> Result<(), StoreError> {
        let flags = if self.durability == Durability::Power { SYNCED } else { 0 };
        let frame = encode(sequence, flags, changes)
            .ok_or_else(|| StoreError::Failed("a batch of more than four gigabytes".to_owned()))?;
        self.file.write(self.end, &frame).map_err(|error| io_error(&error))?;
        if self.durability == Durability::Power {
            self.file.sync().map_err(|error| io_error(&error))?;
        }
        self.end += frame.len() as u64;
        Ok(())
    }

    /// Begins anew, after the tables have been synced with all that is in here. Gives space back beyond `keep_bytes`.
    pub(crate) fn restart(&mut self, keep_bytes: u64) {
        self.end = BEGIN_BYTES as u64;
        let keep = self.end + keep_bytes;
        if self.file.len().is_ok_and(|len| len > keep) {
            // It stays as long as it is where that fails, which hurts nobody.
            let _ = self.file.set_len(keep);
        }
    }

    fn check_header(&self) -> Result<(), JournalError> {
        let mut found = [0; BEGIN_BYTES];
        self.file.read(0, &mut found).map_err(|error| io_error(&error))?;
        let [_, _, _, _, _, _, _, _, a, b, c, d, .., made] = found;
        let version = u32::from_be_bytes([a, b, c, d]);
        if found.get(..HEADER_BYTES) != Some(&header(version)[..]) || made != MADE {
            return Err(damaged("the journal does not begin as one").into());
        }
        if version > FORMAT_VERSION { Err(JournalError::Newer(version)) } else { Ok(()) }
    }

    /// The frame at this offset; none where there is no whole one.
    fn frame(&self, offset: u64, len: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let mut head = [0; HEAD_BYTES];
        if offset + HEAD_BYTES as u64 > len {
            return Ok(None);
        }
        self.file.read(offset, &mut head).map_err(|error| io_error(&error))?;
        let Head { body_len, checksum, sequence, flags } = Head::decode(&head);
        let body_offset = offset + HEAD_BYTES as u64;
        if body_offset + u64::from(body_len) > len {
            return Ok(None);
        }
        let mut body = vec![0; body_len as usize];
        self.file.read(body_offset, &mut body).map_err(|error| io_error(&error))?;
        Ok((frame_checksum(sequence, flags, &body) == checksum).then_some((sequence, body)))
    }

    /// Behind the last frame there may be a batch that was cut short, but none that came after that one: it would have been
    /// written when the one before it had been synced.
    fn look_for_lost(&self, last_sequence: u64, len: u64) -> Result<(), StoreError> {
        let Some(rest) = len.checked_sub(self.end).and_then(|rest| usize::try_from(rest).ok()) else {
            return Ok(());
        };
        let mut bytes = vec![0; rest];
        self.file.read(self.end, &mut bytes).map_err(|error| io_error(&error))?;
        let after_next = (last_sequence + 2).to_be_bytes();
        let heads =
            bytes.windows(HEAD_BYTES).enumerate().filter(|(_, head)| head.get(8..16) == Some(&after_next));
        for (start, head) in heads {
            let Ok(head) = <&[u8; HEAD_BYTES]>::try_from(head) else { continue };
            let Head { body_len, checksum, sequence, flags } = Head::decode(head);
            let from = start + HEAD_BYTES;
            let body = bytes.get(from..from.saturating_add(body_len as usize));
            if flags & SYNCED != 0
                && body.is_some_and(|body| frame_checksum(sequence, flags, body) == checksum)
            {
                return Err(damaged("a frame in the middle of the journal cannot be read"));
            }
        }
        Ok(())
    }

    fn write_again(&self) -> io::Result<()> {
        const STRETCH_BYTES: u64 = 1 << 20;
        let mut offset = 0;
        while offset < self.end {
            let stretch = STRETCH_BYTES.min(self.end - offset);
            let mut bytes = vec![0; stretch as usize];
            self.file.read(offset, &mut bytes)?;
            self.file.write(offset, &bytes)?;
            offset += stretch;
        }
        self.file.sync()
    }
}

/// Why a journal does not open.
#[derive(Debug)]
pub(crate) enum JournalError {
    /// It is of a newer version.
    Newer(u32),
    /// Anything else.
    Store(StoreError),
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(what.to_owned())
}

fn header(version: u32) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    let (magic, rest) = bytes.split_at_mut(8);
    magic.copy_from_slice(&MAGIC);
    let (number, checksum) = rest.split_at_mut(4);
    number.copy_from_slice(&version.to_be_bytes());
    checksum.copy_from_slice(&crc32fast::hash(&[&MAGIC[..], &version.to_be_bytes()].concat()).to_be_bytes());
    bytes
}

struct Head {
    body_len: u32,
    checksum: u32,
    sequence: u64,
    flags: u8,
}

impl Head {
    fn decode(bytes: &[u8; HEAD_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, flags] = *bytes;
        Self {
            body_len: u32::from_be_bytes([a, b, c, d]),
            checksum: u32::from_be_bytes([e, f, g, h]),
            sequence: u64::from_be_bytes([i, j, k, l, m, n, o, p]),
            flags,
        }
    }
}

fn frame_checksum(sequence: u64, flags: u8, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&sequence.to_be_bytes());
    hasher.update(&[flags]);
    hasher.update(body);
    hasher.finalize()
}

/// None where it is too long for a frame.
fn encode(sequence: u64, flags: u8, changes: &Changes) -> Option<Vec<u8>> {
    let bytes =
        changes.rows.iter().map(|((_, key), value)| 9 + key.len() + value.as_ref().map_or(0, Vec::len));
    let mut frame = Vec::with_capacity(HEAD_BYTES + bytes.sum::<usize>() + 9 * changes.ended.len());
    frame.resize(HEAD_BYTES, 0);
    for ((table, key), value) in &changes.rows {
        match value {
            Some(value) => {
                frame.push(*table as u8);
                put_bytes(&mut frame, key)?;
                put_bytes(&mut frame, value)?;
            }
            None => {
                frame.push(*table as u8 | REMOVED);
                put_bytes(&mut frame, key)?;
            }
        }
    }
    for number in &changes.ended {
        frame.push(ENDED);
        frame.extend_from_slice(&number.to_be_bytes());
    }
    let (head, body) = frame.split_at_mut(HEAD_BYTES);
    let body_len = u32::try_from(body.len()).ok()?;
    let checksum = frame_checksum(sequence, flags, body);
    let parts = [&body_len.to_be_bytes()[..], &checksum.to_be_bytes(), &sequence.to_be_bytes(), &[flags]];
    head.copy_from_slice(&parts.concat());
    Some(frame)
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_be_bytes());
    out.extend_from_slice(bytes);
    Some(())
}

fn decode(mut body: &[u8]) -> Option<Changes> {
    let mut changes = Changes::default();
    while let Some((kind, rest)) = body.split_first() {
        body = rest;
        if *kind == ENDED {
            let (number, rest) = body.split_first_chunk()?;
            body = rest;
            changes.ended.push(u64::from_be_bytes(*number));
            continue;
        }
        let table = Table::from_number(kind & !REMOVED)?;
        let key = Key::from_slice(take_bytes(&mut body)?);
        let value = if kind & REMOVED == 0 { Some(take_bytes(&mut body)?.to_vec()) } else { None };
        changes.rows.insert((table, key), value);
    }
    Some(changes)
}

fn take_bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = from.split_first_chunk()?;
    let (bytes, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
    *from = rest;
    Some(bytes)
}

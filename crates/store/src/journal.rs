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

use crate::frame::{self, Frame, HEAD_BYTES, Head, SEQUENCE_IN_HEAD, SYNCED};
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
/// So much is read at once where a large part of the file is.
const STRETCH_BYTES: u64 = 1 << 20;
/// With `power` the file is made longer by so many zeros at a time: a sync that has to note a new length, or new blocks, takes
/// several times as long as one that does not.
const AHEAD_BYTES: usize = 1 << 18;

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
    /// The length of the file.
    len: u64,
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
        let mut journal = Self { file, durability, end: BEGIN_BYTES as u64, len };
        journal.check_header()?;
        let mut last = None;
        while let Some(Frame { sequence, body, .. }) = journal.frame(journal.end, len)? {
            if last.is_some_and(|last| sequence != last + 1) {
                break;
            }
            if last.is_none() && sequence > in_tables + 1 {
                return Err(damaged("the tables are older than the journal").into());
            }
            if sequence > in_tables {
                let changes =
                    frame::decode(&body).ok_or_else(|| damaged("a frame of the journal cannot be read"))?;
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
        let frame = frame::encode(sequence, flags, changes)
            .ok_or_else(|| StoreError::Failed("a batch of more than four gigabytes".to_owned()))?;
        self.file.write(self.end, &frame).map_err(|error| io_error(&error))?;
        let end = self.end + frame.len() as u64;
        if self.durability == Durability::Power {
            self.write_ahead(end);
            self.file.sync().map_err(|error| io_error(&error))?;
        }
        self.end = end;
        Ok(())
    }

    /// Makes the file longer where the frame has. Where there is no room for that, there was room for the frame.
    fn write_ahead(&mut self, end: u64) {
        if end > self.len {
            let is_written = self.file.write(end, &[0; AHEAD_BYTES]).is_ok();
            self.len = if is_written { end + AHEAD_BYTES as u64 } else { end };
        }
    }

    /// Begins anew, after the tables have been synced with all that is in here. Gives space back beyond `keep_bytes`.
    pub(crate) fn restart(&mut self, keep_bytes: u64) {
        self.end = BEGIN_BYTES as u64;
        let keep = self.end + keep_bytes;
        // It stays as long as it is where that fails, which hurts nobody.
        if self.file.len().is_ok_and(|len| len > keep) && self.file.set_len(keep).is_ok() {
            self.len = self.len.min(keep);
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
    fn frame(&self, offset: u64, len: u64) -> Result<Option<Frame>, StoreError> {
        let mut head = [0; HEAD_BYTES];
        if offset + HEAD_BYTES as u64 > len {
            return Ok(None);
        }
        self.file.read(offset, &mut head).map_err(|error| io_error(&error))?;
        let head = Head::decode(&head);
        let body_offset = offset + HEAD_BYTES as u64;
        if body_offset + u64::from(head.body_len) > len {
            return Ok(None);
        }
        let mut body = vec![0; head.body_len as usize];
        self.file.read(body_offset, &mut body).map_err(|error| io_error(&error))?;
        Ok(head.frame(body))
    }

    /// Behind the last frame there may be a batch that was cut short, but none that came after that one: it would have been
    /// written when the one before it had been synced.
    fn look_for_lost(&self, last_sequence: u64, len: u64) -> Result<(), StoreError> {
        let after_next = (last_sequence + 2).to_be_bytes();
        let mut offset = self.end;
        let mut bytes = Vec::new();
        while offset + (HEAD_BYTES as u64) < len {
            // The stretches overlap, for a head may lie across their ends.
            let stretch = (STRETCH_BYTES + HEAD_BYTES as u64).min(len - offset);
            bytes.resize(stretch as usize, 0);
            self.file.read(offset, &mut bytes).map_err(|error| io_error(&error))?;
            let heads = bytes.windows(HEAD_BYTES).zip(offset..);
            for (_, place) in heads.filter(|(head, _)| head.get(SEQUENCE_IN_HEAD) == Some(&after_next)) {
                if self.frame(place, len)?.is_some_and(|frame| frame.flags & SYNCED != 0) {
                    return Err(damaged("a frame in the middle of the journal cannot be read"));
                }
            }
            offset += STRETCH_BYTES;
        }
        Ok(())
    }

    fn write_again(&self) -> io::Result<()> {
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

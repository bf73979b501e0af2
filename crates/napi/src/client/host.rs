//! The clients of a thread, behind their edge: panics are caught, and end the client in which they happen.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::{Float64Array, Uint8Array, Uint32Array};
use slab::Slab;
use topicwire_session::client::{Client, Config};

use super::command::{Command, Problem};
use super::record::{self, Text, WORDS, status};
use super::store::ClientStoring;
use crate::codec::topics::RecentTopics;
use crate::error::{Code, Result, error};

/// Memory of JavaScript that is written to.
pub(super) struct Tables {
    pub(super) records: Uint32Array,
    pub(super) record_text: Uint8Array,
    pub(super) results: Float64Array,
    pub(super) refusals: Uint32Array,
    pub(super) refusal_text: Uint8Array,
}

/// See the module.
pub(super) struct Host {
    /// None after a panic.
    clients: Slab<Option<Box<Client>>>,
    /// Of those that have one.
    stores: HashMap<u32, ClientStoring>,
    topics: RecentTopics,
    tables: Tables,
}

/// What stands in the results for a command that was refused.
const REFUSED: f64 = -1.0;

impl Host {
    pub(super) fn new(tables: Tables) -> Self {
        Self { clients: Slab::new(), stores: HashMap::new(), topics: RecentTopics::new(), tables }
    }

    pub(super) fn open(&mut self, config: Config) -> u32 {
        self.insert(Client::new(config))
    }

    fn insert(&mut self, client: Client) -> u32 {
        let key = self.clients.insert(Some(Box::new(client)));
        u32::try_from(key).unwrap_or(u32::MAX)
    }

    /// A client that was made from what its store holds.
    pub(super) fn open_stored(&mut self, client: Client, storing: ClientStoring) -> u32 {
        let client = self.insert(client);
        self.stores.insert(client, storing);
        client
    }

    /// Forgets a client; its store is left, where it has one.
    pub(super) fn forget(&mut self, client: u32) -> Option<ClientStoring> {
        self.clients.try_remove(client as usize);
        if self.stores.is_empty() { None } else { self.stores.remove(&client) }
    }

    /// Runs a piece of work in a client that has a store, and with that.
    pub(super) fn with_store<R>(
        &mut self,
        client: u32,
        work: impl FnOnce(&mut Client, &mut ClientStoring) -> R,
    ) -> Result<R> {
        let Self { clients, stores, .. } = self;
        let storing = stores.get_mut(&client);
        let storing = storing.ok_or_else(|| error(Code::ClientEnded, "the client has ended"))?;
        guarded(clients, client, |core| work(core, storing))
    }

    /// Runs a piece of work in a client.
    pub(super) fn run<R>(&mut self, client: u32, work: impl FnOnce(&mut Client) -> R) -> Result<R> {
        guarded(&mut self.clients, client, work)
    }

    /// What there is to do about a client.
    pub(super) fn status(&mut self, client: u32) -> Result<u32> {
        self.run(client, |core| status_of(core))
    }

    /// Moves events to the table, as many as fit. Returns how many there are, and what is to do.
    pub(super) fn collect(&mut self, client: u32, chunk: &[u8]) -> Result<u32> {
        let Self { clients, topics, tables, .. } = self;
        // SAFETY: these are JavaScript's and kept alive by `tables`. They are written to by no one else, on no other thread,
        // and their memory is not detached: `src/client/engine.ts` makes them and keeps them to itself.
        let (records, text) = unsafe { (tables.records.as_mut(), tables.record_text.as_mut()) };
        guarded(clients, client, |core| {
            let mut text = Text::new(text);
            let mut count = 0;
            for place in records.chunks_exact_mut(WORDS) {
                if !text.has_room() {
                    break;
                }
                let Some(event) = core.poll_event() else { break };
                record::write(&event, |span| core.bytes(chunk, span), topics, &mut text, place);
                count += 1;
            }
            count | status_of(core)
        })
    }

    /// Carries out the commands from a place on, as many as there are results for, until the table of those that were
    /// refused is full. The last two words of the table say where it ended and how many there were.
    pub(super) fn run_commands(
        &mut self,
        commands: &[u8],
        start: usize,
        payload: &[u8],
        now_ms: u64,
    ) -> Result<u32> {
        let Self { clients, tables, .. } = self;
        // SAFETY: as in `collect`.
        let (refusals, results, text) =
            unsafe { (tables.refusals.as_mut(), tables.results.as_mut(), tables.refusal_text.as_mut()) };
        let mut text = Text::new(text);
        let (refusals, tail) = refusals.split_at_mut(refusals.len().saturating_sub(WORDS));
        let mut places = refusals.chunks_exact_mut(WORDS);
        let (mut at, mut count, mut refused) = (start, 0, 0);
        for result in results.iter_mut() {
            if !text.has_room() || places.len() == 0 {
                break;
            }
            let Some(command) = Command::read(commands, at) else { break };
            let (client, from) = (command.client, command.start);
            at = command.end;
            *result = match guarded(clients, client, |core| command.run(core, payload, now_ms)) {
                Ok(Ok(ticket)) => ticket.map_or(0.0, |ticket| ticket.0 as f64),
                Ok(Err(problem)) => {
                    if let Some(place) = places.next() {
                        record::write_refused(count, (from, at - from), &problem, &mut text, place);
                        refused += 1;
                    }
                    REFUSED
                }
                Err(panic) => {
                    if let Some(place) = places.next() {
                        let problem = Problem::Panic(panic.reason.clone());
                        record::write_refused(count, (from, at - from), &problem, &mut text, place);
                        refused += 1;
                    }
                    REFUSED
                }
            };
            count += 1;
        }
        if let [end, number, ..] = tail {
            *end = u32::try_from(at).unwrap_or(u32::MAX);
            *number = u32::try_from(count).unwrap_or(u32::MAX);
        }
        Ok(refused)
    }

    /// Moves output to the start of `arena`. Returns how many bytes, and what is to do.
    pub(super) fn drain(&mut self, client: u32, arena: &mut [u8], now_ms: u64) -> Result<u32> {
        self.run(client, |core| {
            let (length, last) = match core.poll_transmit(arena, now_ms) {
                Some(transmit) => (transmit.length, if transmit.is_last { status::LAST } else { 0 }),
                None => (0, 0),
            };
            u32::try_from(length).unwrap_or(0) | last | status_of(core)
        })
    }
}

fn status_of(core: &Client) -> u32 {
    (if core.has_events() { status::EVENTS } else { 0 }) | if core.has_output() { status::OUTPUT } else { 0 }
}

fn guarded<R>(
    clients: &mut Slab<Option<Box<Client>>>,
    client: u32,
    work: impl FnOnce(&mut Client) -> R,
) -> Result<R> {
    let place = clients.get_mut(client as usize);
    let place = place.ok_or_else(|| error(Code::ClientEnded, "the client has ended"))?;
    let Some(core) = place.as_deref_mut() else {
        return Err(error(Code::Panic, "the client has been shut down after a bug"));
    };
    catch_unwind(AssertUnwindSafe(|| work(core))).map_err(|_| {
        // Dropping torn state may panic again; it is given up instead.
        std::mem::forget(place.take());
        error(Code::Panic, "the native core met a bug, and this client has been shut down")
    })
}

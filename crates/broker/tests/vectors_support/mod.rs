//! Clients of raw bytes that do what the steps of an exchange say.

mod options;

use std::collections::HashMap;

use topicwire_broker::{Broker, Config, ConnectionKey, HookFilters};
use topicwire_vectors::steps::Action;
use topicwire_vectors::{Outcome, Pattern, Variables, hex, packet_length};

pub(crate) use options::config;

/// One client's Network Connection.
struct Wire {
    key: ConnectionKey,
    /// What has come and was not looked at yet.
    unread: Vec<u8>,
    is_closed: bool,
}

/// A broker and its clients, by name.
pub(crate) struct Conversation {
    broker: Broker,
    now_ms: u64,
    wires: HashMap<String, Wire>,
    variables: Variables,
}

impl Conversation {
    pub(crate) fn new(config: Config) -> Self {
        let now_ms = 1_000_000;
        Self {
            broker: Broker::new(config, HookFilters::default(), now_ms),
            now_ms,
            wires: HashMap::new(),
            variables: Variables::new(),
        }
    }

    /// Does one step, and everything that follows from it.
    pub(crate) fn run(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Connects { client, connect, connack } => {
                self.send(client, connect)?;
                self.gets(client, connack)
            }
            Action::Sends { client, packets } => self.send(client, packets),
            Action::Gets { client, packets } => self.gets(client, packets),
            Action::GetsAny { client, packets } => self.gets_any(client, packets.clone()),
            Action::Quiet { client } => {
                let wire = wire_of(&mut self.wires, client)?;
                if wire.is_closed { Err("the broker has closed".to_owned()) } else { wire.nothing_unread() }
            }
            Action::Drops { client } => {
                let key = wire_of(&mut self.wires, client)?.key;
                self.broker.close(key, self.now_ms);
                self.wires.remove(client);
                self.settle();
                Ok(())
            }
            Action::Closed { client, disconnect } => {
                if let Some(disconnect) = disconnect {
                    self.gets(client, disconnect)?;
                }
                let wire = wire_of(&mut self.wires, client)?;
                wire.nothing_unread()?;
                if !wire.is_closed {
                    return Err("the broker has not closed".to_owned());
                }
                self.wires.remove(client);
                Ok(())
            }
            Action::Wait { ms } => {
                self.advance(*ms);
                Ok(())
            }
        }
    }

    fn send(&mut self, client: &str, packets: &Pattern) -> Result<(), String> {
        let bytes = packets.bytes(&self.variables).ok_or("what is sent is not settled")?;
        let (broker, now_ms) = (&mut self.broker, self.now_ms);
        let wire = self.wires.entry(client.to_owned()).or_insert_with(|| Wire {
            key: broker.open(now_ms),
            unread: Vec::new(),
            is_closed: false,
        });
        // As into a socket: what the other end has closed does not take it, and does not say so.
        if !wire.is_closed {
            broker.receive(wire.key, &bytes, now_ms);
        }
        self.settle();
        Ok(())
    }

    fn gets(&mut self, client: &str, packets: &Pattern) -> Result<(), String> {
        let wire = wire_of(&mut self.wires, client)?;
        match packets.compare(&wire.unread, &mut self.variables) {
            Outcome::Matched(length) => {
                wire.unread.drain(..length);
                Ok(())
            }
            outcome => Err(format!("got {} ({outcome:?})", hex(&wire.unread))),
        }
    }

    /// Each packet that comes is one of those that are left.
    fn gets_any(&mut self, client: &str, mut left: Vec<Pattern>) -> Result<(), String> {
        let wire = wire_of(&mut self.wires, client)?;
        while !left.is_empty() {
            let length = packet_length(&wire.unread).unwrap_or_default();
            let (packet, whole) = (&wire.unread[..length], Outcome::Matched(length));
            let found = left.iter().position(|pattern| pattern.compare(packet, &mut self.variables) == whole);
            left.remove(found.ok_or_else(|| format!("got {}", hex(&wire.unread)))?);
            wire.unread.drain(..length);
        }
        Ok(())
    }

    /// Lets time pass, stopping wherever the broker asked for it.
    fn advance(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while let Some(deadline_ms) = self.broker.next_deadline_ms()
            && deadline_ms <= end_ms
        {
            self.now_ms = self.now_ms.max(deadline_ms);
            self.broker.tick(self.now_ms);
            self.settle();
        }
        self.now_ms = end_ms;
    }

    /// Moves what the broker has for its clients to them.
    fn settle(&mut self) {
        let mut arena = vec![0; 1 << 20];
        while let Some(transmit) = self.broker.poll_transmit(&mut arena, self.now_ms) {
            let wire =
                self.wires.values_mut().find(|wire| !wire.is_closed && wire.key == transmit.connection);
            if let Some(wire) = wire {
                wire.unread.extend_from_slice(&arena[..transmit.length]);
                wire.is_closed = transmit.closing.is_some();
            }
            if transmit.closing.is_some() {
                self.broker.close(transmit.connection, self.now_ms);
            }
        }
        while self.broker.poll_event().is_some() {}
    }
}

fn wire_of<'a>(wires: &'a mut HashMap<String, Wire>, client: &str) -> Result<&'a mut Wire, String> {
    wires.get_mut(client).ok_or_else(|| format!("{client} has no connection"))
}

impl Wire {
    fn nothing_unread(&self) -> Result<(), String> {
        if self.unread.is_empty() { Ok(()) } else { Err(format!("got {} besides", hex(&self.unread))) }
    }
}

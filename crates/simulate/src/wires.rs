//! How bytes move: into the broker, out of it, and to the clients.

use topicwire_broker::{Event, Transmit};
use topicwire_codec::ReasonCode;

use crate::model::{LinkId, Verdict, Written, violation};
use crate::packet::ServerPacket;
use crate::world::World;

impl World {
    /// Bytes of a client reach the broker.
    pub(crate) fn deliver(&mut self, link: LinkId, most: usize) -> Verdict {
        // Where a queue can be full, each PUBLISH on its own: then it is known which one was refused.
        let one_by_one = self.setup.has_small_queues();
        while self.links[link].has_bytes_for_broker() && self.links[link].is_open {
            let (bytes, packets) = self.links[link].take(most, one_by_one);
            self.counts.packets_in += packets.len() as u64;
            for packet in &packets {
                self.note(|world| format!("    from {}: {packet:?}", world.name_of(link)));
            }
            let refused_before = self.broker.metrics().publish_refused;
            self.broker.receive(self.links[link].key, &bytes, self.now_ms);
            let refused = self.broker.metrics().publish_refused - refused_before;
            self.model.receive(link, &packets, refused, self.now_ms)?;
            if most < usize::MAX {
                break;
            }
            self.run()?;
        }
        Ok(())
    }

    /// A client reads what has come, and answers.
    pub(crate) fn read(&mut self, client: usize, most: usize) -> Verdict {
        for _ in 0..most {
            let Some(id) = self.clients[client].link else { break };
            let link = &mut self.links[id];
            let Some((packet, tag)) = link.inbox.pop_front() else {
                if !link.is_open {
                    self.clients[client].link = None;
                    self.clients[client].is_in = false;
                }
                break;
            };
            let answers = self.clients[client].read(&packet, tag)?;
            if link.is_open {
                for answer in answers {
                    link.send(answer);
                }
            }
        }
        Ok(())
    }

    /// The transport breaks.
    pub(crate) fn cut(&mut self, link: LinkId) {
        self.note(|world| format!("    {} breaks", world.name_of(link)));
        let key = self.links[link].key;
        self.links[link].cut();
        self.live.remove(&key);
        let client = &mut self.clients[self.links[link].client];
        if client.link == Some(link) {
            client.link = None;
            client.is_in = false;
        }
        self.broker.close(key, self.now_ms);
        self.model.lose(link, self.now_ms);
    }

    /// Everything happens that needs no new input and no time.
    pub(crate) fn run(&mut self) -> Verdict {
        loop {
            self.drain()?;
            let is_more = self.setup.durable && self.setup.commits_at_once && self.finish_work()?;
            if !is_more {
                return Ok(());
            }
        }
    }

    fn drain(&mut self) -> Verdict {
        let mut arena = std::mem::take(&mut self.arena);
        while let Some(transmit) = self.broker.poll_transmit(&mut arena, self.now_ms) {
            self.hear_events()?;
            let Some(link) = self.live.get(&transmit.connection).copied() else {
                return violation("output for a transport that is closed");
            };
            self.take_output(link, &arena[..transmit.length], transmit)?;
        }
        self.hear_events()?;
        self.arena = arena;
        for link in self.live.values() {
            // What was kept has left, unless it is kept still.
            let link = &mut self.links[*link];
            if link.is_writable {
                link.blocked_since_ms = None;
            }
        }
        Ok(())
    }

    fn take_output(&mut self, id: LinkId, bytes: &[u8], transmit: Transmit) -> Verdict {
        let link = &mut self.links[id];
        let not_before_ms = link.blocked_since_ms.unwrap_or(self.now_ms);
        let written = Written { not_before_ms, now_ms: self.now_ms };
        let packets = match link.receive(bytes) {
            Ok(packets) => packets,
            Err(error) => return violation(format!("what cannot be read: {error}")),
        };
        for (mut packet, length) in packets {
            self.count(&packet);
            self.note(|world| format!("    to {}: {packet:?}", world.name_of(id)));
            let tag = self.model.sent(id, &mut packet, length, written)?;
            // Nobody reads what else comes on a connection that is over.
            let is_read = match packet {
                ServerPacket::Connack(_) | ServerPacket::Disconnect(_) => true,
                _ => self.model.conn(id).is_some_and(|conn| !conn.is_over()),
            };
            if is_read {
                self.links[id].inbox.push_back((packet, tag));
            }
        }
        if transmit.closing.is_some() {
            self.note(|world| format!("    {} is closed", world.name_of(id)));
            let was_blocked = self.links[id].blocked_since_ms.is_some();
            self.model.closed(id, was_blocked)?;
            self.links[id].is_open = false;
            self.live.remove(&transmit.connection);
            self.broker.close(transmit.connection, self.now_ms);
            self.model.lose(id, self.now_ms);
        }
        Ok(())
    }

    fn count(&mut self, packet: &ServerPacket) {
        self.counts.packets_out += 1;
        match packet {
            ServerPacket::Publish(publish) => {
                self.counts.publishes_out += 1;
                self.counts.repeated += u64::from(publish.dup);
            }
            ServerPacket::Connack(connack) => self.counts.resumed += u64::from(connack.session_present),
            _ => {}
        }
    }

    /// The broker may end a connection that does not read what it makes it write: of that the model hears here.
    fn hear_events(&mut self) -> Verdict {
        while let Some(event) = self.broker.poll_event() {
            if let Event::Disconnected { connection, reason_code: Some(ReasonCode::QuotaExceeded), .. } =
                event
                && !self.setup.has_large_out_buffers()
                && let Some(link) = self.live.get(&connection)
            {
                if self.links[*link].is_writable {
                    return violation("a client that reads is cut off as one that does not");
                }
                self.model.overrun(*link, self.now_ms);
            }
        }
        Ok(())
    }
}

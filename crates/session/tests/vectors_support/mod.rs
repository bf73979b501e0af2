//! Our client between an application and a server of raw bytes, both of which do what the steps say.

mod command;
mod news;
mod words;

use std::collections::VecDeque;

use topicwire_codec as codec;
use topicwire_session::QueueLimits;
use topicwire_session::client::{Client, Config, DeliveryKey, Event};
use topicwire_vectors::steps::{self, Action};
use topicwire_vectors::{Outcome, Pattern, Variables, Version, hex};

/// The client's configuration. It takes packets of any size unless told otherwise: there is then no Maximum Packet Size
/// in its CONNECT.
pub(crate) fn config(options: &toml::Table) -> Result<Config, String> {
    let mut config = Config { maximum_packet_size_bytes: 268_435_460, ..Config::default() };
    for (name, value) in options {
        let number = value.as_integer().and_then(|it| u64::try_from(it).ok());
        let flag = value.as_bool();
        let problem = || format!("the option {name} is not {value:?}");
        match name.as_str() {
            "acknowledgesManually" => config.acknowledges_manually = flag.ok_or_else(problem)?,
            "sendsBeforeConnack" => config.sends_before_connack = flag.ok_or_else(problem)?,
            "topicAliasLimit" => {
                config.topic_alias_limit =
                    number.and_then(|it| u16::try_from(it).ok()).ok_or_else(problem)?;
            }
            "maximumPacketSizeBytes" => {
                config.maximum_packet_size_bytes =
                    number.and_then(|it| u32::try_from(it).ok()).ok_or_else(problem)?;
            }
            "maximumQueuedMessages" => {
                let messages = number.ok_or_else(problem)? as usize;
                config.queue = QueueLimits { messages, ..config.queue };
            }
            "connackTimeoutMs" => config.connack_timeout_ms = number.ok_or_else(problem)?,
            "pingrespTimeoutMs" => config.pingresp_timeout_ms = number.ok_or_else(problem)?,
            _ => return Err(format!("the client has no option {name}")),
        }
    }
    Ok(config)
}

/// The client and what is between it and its two sides.
pub(crate) struct Conversation {
    client: Client,
    version: Version,
    is_bytewise: bool,
    now_ms: u64,
    /// What the server has got and not looked at.
    unread: Vec<u8>,
    /// The client has closed its transport.
    is_closed: bool,
    /// What the application was told and has not heard.
    unheard: VecDeque<String>,
    deliveries: Vec<DeliveryKey>,
    variables: Variables,
}

impl Conversation {
    pub(crate) fn new(config: Config, version: Version, is_bytewise: bool) -> Self {
        Self {
            client: Client::new(config),
            version,
            is_bytewise,
            now_ms: 1_000_000,
            unread: Vec::new(),
            is_closed: true,
            unheard: VecDeque::new(),
            deliveries: Vec::new(),
            variables: Variables::new(),
        }
    }

    /// Does one step, and everything that follows from it.
    pub(crate) fn run(&mut self, text: &str) -> Result<(), String> {
        let (who, what) = text.split_once(' ').unwrap_or((text, ""));
        let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
        match (who, verb) {
            ("client", "hears") => self.hears(rest.trim()),
            ("client", "cannot") => self.cannot(rest),
            ("client", _) => match self.command(what)? {
                Ok(()) => Ok(()),
                Err(misuse) => Err(format!("the client did not: {misuse:?}")),
            },
            ("server", "accepts") => self.accepts("00", rest),
            // 3.1 has no Session Present.
            ("server", "resumes") if self.version == Version::V3_1 => self.accepts("00", rest),
            ("server", "resumes") => self.accepts("01", rest),
            ("server" | "wait", _) => self.act(&steps::action(text, self.version)?),
            _ => Err("a line begins with `client`, `server` or `wait`".to_owned()),
        }
    }

    /// Everything that came has been looked at.
    pub(crate) fn finish(&self) -> Result<(), String> {
        match self.unheard.front() {
            Some(line) => Err(format!("the end: the application was also told: {line}")),
            None => self.nothing_unread().map_err(|problem| format!("the end: {problem}")),
        }
    }

    fn act(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Sends { packets, .. } => self.send(packets),
            Action::Gets { packets, .. } => self.gets(packets),
            Action::Quiet { .. } if self.is_closed => Err("the client has closed".to_owned()),
            Action::Quiet { .. } => self.nothing_unread(),
            Action::Drops { .. } => {
                self.client.handle_closed(self.now_ms);
                self.is_closed = true;
                self.unread.clear();
                self.settle(&[]);
                Ok(())
            }
            Action::Closed { disconnect, .. } => {
                if let Some(disconnect) = disconnect {
                    self.gets(disconnect)?;
                }
                self.nothing_unread()?;
                if !self.is_closed {
                    return Err("the client has not closed".to_owned());
                }
                if self.unheard.front().is_some_and(|line| line.starts_with("closed ")) {
                    self.unheard.pop_front();
                }
                Ok(())
            }
            Action::Wait { ms } => {
                self.advance(*ms);
                Ok(())
            }
            Action::Connects { .. } | Action::GetsAny { .. } => {
                Err("nothing that a server does here".to_owned())
            }
        }
    }

    /// A CONNECT, whatever is in it, and the CONNACK for it with these properties.
    fn accepts(&mut self, flags: &str, properties: &str) -> Result<(), String> {
        let pattern = |text: &str| Pattern::parse(text, self.version).map_err(|error| error.to_string());
        let (connect, connack) =
            (pattern("10 [ ~ ]")?, pattern(&format!("20 [ {flags} 00 {{ {properties} }} ]"))?);
        self.gets(&connect)?;
        self.send(&connack)?;
        match self.unheard.pop_front() {
            Some(line) if line.starts_with("connected") => Ok(()),
            other => Err(format!("the application was told {other:?}")),
        }
    }

    fn command(&mut self, text: &str) -> Result<command::Outcome, String> {
        let version = match self.version {
            Version::V3_1 => codec::Version::V3_1,
            Version::V3_1_1 => codec::Version::V3_1_1,
            Version::V5_0 => codec::Version::V5_0,
        };
        let outcome = command::run(&mut self.client, text, version, &self.deliveries, self.now_ms)?;
        if outcome.is_ok() && text.starts_with("connects") {
            self.is_closed = false;
            self.nothing_unread()?;
        }
        self.settle(&[]);
        Ok(outcome)
    }

    /// `cannot (Topic) publish "a/#" 'x'`: the client says why not, and sends nothing.
    fn cannot(&mut self, text: &str) -> Result<(), String> {
        let parts = text.strip_prefix('(').and_then(|text| text.split_once(')'));
        let (reason, command) = parts.ok_or("`cannot` takes a reason in parentheses")?;
        let before = self.unread.len();
        match self.command(command)? {
            Ok(()) => Err("it could".to_owned()),
            Err(misuse) if !format!("{misuse:?}").contains(reason) => {
                Err(format!("it could not: {misuse:?}"))
            }
            Err(_) if self.unread.len() != before => Err(format!("got {}", hex(&self.unread))),
            Err(_) => Ok(()),
        }
    }

    /// `hears unsubscribed 1 v5( 00 )`: what is in parentheses is told in 5.0 only.
    fn hears(&mut self, expected: &str) -> Result<(), String> {
        let expected = match expected.strip_suffix(" )").and_then(|text| text.split_once(" v5( ")) {
            Some((before, codes)) if self.version.is_v5() => format!("{before} {codes}"),
            Some((before, _)) => before.to_owned(),
            None => expected.to_owned(),
        };
        match self.unheard.pop_front() {
            None if expected == "nothing" => Ok(()),
            Some(line) if line == expected => Ok(()),
            other => Err(format!("the application was told {other:?}")),
        }
    }

    fn send(&mut self, packets: &Pattern) -> Result<(), String> {
        let bytes = packets.bytes(&self.variables).ok_or("what is sent is not settled")?;
        let size = if self.is_bytewise { 1 } else { bytes.len().max(1) };
        for chunk in bytes.chunks(size) {
            self.client.handle_input(chunk, self.now_ms);
            self.settle(chunk);
        }
        Ok(())
    }

    fn gets(&mut self, packets: &Pattern) -> Result<(), String> {
        match packets.compare(&self.unread, &mut self.variables) {
            Outcome::Matched(length) => {
                self.unread.drain(..length);
                Ok(())
            }
            outcome => Err(format!("got {} ({outcome:?})", hex(&self.unread))),
        }
    }

    fn nothing_unread(&self) -> Result<(), String> {
        if self.unread.is_empty() { Ok(()) } else { Err(format!("got {} besides", hex(&self.unread))) }
    }

    /// Lets time pass, stopping wherever the client asked for it.
    fn advance(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        while let Some(deadline_ms) = self.client.poll_timeout()
            && deadline_ms <= end_ms
        {
            self.now_ms = self.now_ms.max(deadline_ms);
            self.client.handle_timeout(self.now_ms);
            self.settle(&[]);
        }
        self.now_ms = end_ms;
    }

    /// Moves what the client has for its two sides to them. What points into a chunk is read while it is there.
    fn settle(&mut self, chunk: &[u8]) {
        while let Some(event) = self.client.poll_event() {
            if let Event::Message(received) = &event {
                self.deliveries.extend(received.delivery);
            }
            self.unheard.push_back(news::line(&self.client, chunk, &event));
        }
        let mut arena = vec![0; 1 << 10];
        while let Some(transmit) = self.client.poll_transmit(&mut arena, self.now_ms) {
            self.unread.extend_from_slice(&arena[..transmit.length]);
            if transmit.is_last {
                self.is_closed = true;
                self.client.handle_closed(self.now_ms);
            }
        }
    }
}

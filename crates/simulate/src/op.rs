//! What can happen: one small thing, to whom, and how much of it.
//!
//! An operation says everything about itself and means something in every state, if only nothing: so a list of them
//! can be cut anywhere, which is how failures are shrunk.

use crate::random::Random;

/// The topics that are published to. Those that begin with `$` match no shared filter.
pub const TOPICS: [&str; 8] =
    ["a", "a/b", "a/b/c", "b", "/", "long/enough/for/an/alias", "$own/long/enough", "$own"];

/// The filters that are subscribed to. The last is not valid.
pub const FILTERS: [&str; 17] = [
    "#",
    "+",
    "a/#",
    "a/b",
    "+/b",
    "a/+/c",
    "/+",
    "long/#",
    "$own/#",
    "will/+",
    "$share/g/#",
    "$share/g/long/#",
    "$share/g/a/#",
    "$share/h/b",
    "$share/h/will/+",
    "$own/+/enough",
    "a/#/b",
];

/// A Will that a CONNECT brings. Its topic is the client's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WillOp {
    /// Its QoS, 0 to 2.
    pub qos: u8,
    /// Whether it is to be retained.
    pub retain: bool,
    /// Will Delay Interval in seconds; only 5.0 has it.
    pub delay_secs: u32,
    /// Message Expiry Interval in seconds, 0 for none; only 5.0 has it.
    pub expiry_secs: u32,
}

/// What a CONNECT asks for. 0 leaves a property out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectOp {
    /// 5.0, else 3.1.1. Clients with an odd number speak 5.0 only.
    pub is_v5: bool,
    /// Without a client identifier.
    pub is_anonymous: bool,
    /// Clean Start or Clean Session.
    pub clean: bool,
    /// Session Expiry Interval in seconds.
    pub expiry_secs: u32,
    /// Keep Alive in seconds.
    pub keep_alive_secs: u16,
    /// Receive Maximum.
    pub receive_maximum: u16,
    /// Maximum Packet Size in bytes.
    pub maximum_packet_size: u32,
    /// Topic Alias Maximum.
    pub alias_maximum: u16,
    /// The Will.
    pub will: Option<WillOp>,
}

/// A message to publish. 0 leaves a property out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishOp {
    /// Index into [`TOPICS`].
    pub topic: u8,
    /// 0 to 2.
    pub qos: u8,
    /// Keep it for later subscribers.
    pub retain: bool,
    /// Bytes of the payload beyond its number. With `u16::MAX` it is empty where the topic begins with `$`: elsewhere
    /// several without a number could not be told apart.
    pub size: u16,
    /// Message Expiry Interval in seconds.
    pub expiry_secs: u32,
    /// Topic Alias to use where the broker takes it.
    pub alias: u16,
}

/// One line of a SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterOp {
    /// Index into [`FILTERS`].
    pub filter: u8,
    /// 0 to 2.
    pub qos: u8,
    /// No Local.
    pub no_local: bool,
    /// Retain As Published; only of clients with an odd number.
    pub retain_as_published: bool,
    /// Retain Handling, 0 to 2; always 2 of clients with an odd number.
    pub retain_handling: u8,
}

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goodbye {
    /// DISCONNECT: the Will is not to be published.
    Normal,
    /// 5.0: DISCONNECT with the Will.
    WithWill,
    /// 5.0: DISCONNECT with an error.
    Error,
    /// 5.0: DISCONNECT with another Session Expiry Interval, in seconds.
    Expiry(u32),
}

/// The filter with this index, for the client with this number: only those with an even one share everything, and only
/// the others share parts of it. So no client has two shared subscriptions that a message could come from, and what it is
/// sent says of which one it is a member.
#[must_use]
pub fn filter_of(client: usize, index: u8) -> &'static str {
    let index = usize::from(index) % FILTERS.len();
    let shares_everything = client.is_multiple_of(2);
    match FILTERS[index] {
        "$share/g/#" if !shares_everything => "#",
        "$share/g/long/#" if shares_everything => "long/#",
        "$share/g/a/#" if shares_everything => "a/#",
        "$share/h/b" if shares_everything => "b",
        "$share/h/will/+" if shares_everything => "will/+",
        filter => filter,
    }
}

/// One thing that happens. `actor` is a client, taken modulo their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A client opens a new transport and sends CONNECT. It has forgotten the old one, if it had any, and whatever
    /// comes on it.
    Connect {
        /// Whose.
        actor: u8,
        /// How.
        with: ConnectOp,
    },
    /// A client sends DISCONNECT and forgets its transport.
    Disconnect {
        /// Whose.
        actor: u8,
        /// How.
        goodbye: Goodbye,
    },
    /// A transport breaks, with everything that is under way on it.
    Cut {
        /// Whose.
        actor: u8,
        /// Of those that it has forgotten, else the one it uses.
        forgotten: bool,
    },
    /// A client that has been let in publishes: this one, or the next.
    Publish {
        /// Whose.
        actor: u8,
        /// What.
        with: PublishOp,
    },
    /// A client subscribes.
    Subscribe {
        /// Whose.
        actor: u8,
        /// To what.
        filters: Vec<FilterOp>,
        /// Subscription Identifier; 0 for none.
        id: u32,
    },
    /// A client ends subscriptions.
    Unsubscribe {
        /// Whose.
        actor: u8,
        /// Indices into [`FILTERS`].
        filters: Vec<u8>,
    },
    /// A client shows that it is there.
    Ping {
        /// Whose.
        actor: u8,
    },
    /// A client sends what it must not.
    Garbage {
        /// Whose.
        actor: u8,
        /// Which kind of it.
        kind: u8,
    },
    /// A 5.0 client will refuse the next message that it is sent.
    Refuse {
        /// Whose.
        actor: u8,
    },
    /// Bytes of a client reach the broker: of this one, or the next that has sent some.
    Deliver {
        /// Whose.
        actor: u8,
        /// At most so many.
        bytes: u16,
        /// Of a transport that the client has forgotten.
        forgotten: bool,
    },
    /// A client reads packets and answers them: this one, or the next that has been sent some.
    Read {
        /// Whose.
        actor: u8,
        /// At most so many.
        count: u8,
    },
    /// A client's transport is full.
    Block {
        /// Whose.
        actor: u8,
    },
    /// It has room again.
    Unblock {
        /// Whose.
        actor: u8,
    },
    /// The host ends a client's connection.
    Kick {
        /// Whose.
        actor: u8,
    },
    /// Time passes and the broker is told whenever it wants to be.
    Wait {
        /// How much.
        ms: u32,
    },
    /// Time passes and nobody tells the broker.
    Sleep {
        /// How much.
        ms: u32,
    },
    /// The broker is told of the time.
    Tick,
    /// The host takes the current batch and the questions for the store.
    TakeBatch,
    /// The store does the next piece of its work.
    Commit,
    /// The broker hears of the next piece of work that the store has done.
    Tell,
    /// The broker is gone, with everything that is not in the store, and comes back from that.
    Crash {
        /// For how long it is away.
        down_ms: u32,
        /// What it had sent and nobody has read is lost, too.
        loses_output: bool,
    },
    /// Everything that is under way arrives and is answered. Then nothing may be owed to anybody.
    Settle,
}

impl Op {
    /// Something that happens to one of so many clients.
    pub fn of(random: &mut Random, clients: u8) -> Self {
        let actor = random.below(u32::from(clients)) as u8;
        match random.below(1000) {
            0..60 => Self::Connect { actor, with: ConnectOp::of(random) },
            60..70 => {
                let expiry = random.one_of(&[0, 0, 3, 60, u32::MAX]);
                let goodbye = random.one_of(&[
                    Goodbye::Normal,
                    Goodbye::Normal,
                    Goodbye::WithWill,
                    Goodbye::Error,
                    Goodbye::Expiry(expiry),
                ]);
                Self::Disconnect { actor, goodbye }
            }
            70..85 => Self::Cut { actor, forgotten: random.one_in(4) },
            85..250 => Self::Publish { actor, with: PublishOp::of(random) },
            250..320 => {
                let count = 1 + random.below(3) * random.below(2);
                let filters = (0..count).map(|_| FilterOp::of(random)).collect();
                Self::Subscribe { actor, filters, id: random.one_of(&[0, 0, 1, 2, 268_435_455]) }
            }
            320..335 => {
                let count = 1 + random.below(3);
                let filters = (0..count).map(|_| random.below(FILTERS.len() as u32) as u8).collect();
                Self::Unsubscribe { actor, filters }
            }
            335..340 => Self::Ping { actor },
            340..342 => Self::Garbage { actor, kind: random.below(5) as u8 },
            342..347 => Self::Refuse { actor },
            347..600 => {
                let bytes = random.one_of(&[1, 5, 40, 200, u16::MAX, u16::MAX, u16::MAX, u16::MAX]);
                Self::Deliver { actor, bytes, forgotten: random.one_in(8) }
            }
            600..850 => Self::Read { actor, count: random.one_of(&[1, 1, 2, 5, 255, 255]) },
            850..860 => Self::Block { actor },
            860..875 => Self::Unblock { actor },
            875..877 => Self::Kick { actor },
            877..900 => Self::Wait { ms: random.one_of(&[1, 10, 999, 1_000, 1_500, 4_000, 20_000]) },
            900..905 => Self::Sleep { ms: random.one_of(&[1, 500, 1_000, 3_000, 10_000]) },
            905..912 => Self::Tick,
            912..945 => Self::TakeBatch,
            945..970 => Self::Commit,
            970..994 => Self::Tell,
            994..995 => Self::Crash {
                down_ms: random.one_of(&[0, 1, 1_000, 5_000, 30_000]),
                loses_output: random.one_in(2),
            },
            _ => Self::Settle,
        }
    }

    /// The same with less to it, for shrinking: each of them one step simpler.
    #[must_use]
    pub fn simpler(&self) -> Vec<Self> {
        let mut simpler = Vec::new();
        match self {
            Self::Connect { actor, with } => {
                simpler.extend(with.simpler().into_iter().map(|with| Self::Connect { actor: *actor, with }));
            }
            Self::Publish { actor, with } => {
                simpler.extend(with.simpler().into_iter().map(|with| Self::Publish { actor: *actor, with }));
            }
            Self::Subscribe { actor, filters, id } => {
                if *id != 0 {
                    simpler.push(Self::Subscribe { actor: *actor, filters: filters.clone(), id: 0 });
                }
                for at in 0..filters.len() {
                    if filters.len() > 1 {
                        let mut fewer = filters.clone();
                        fewer.remove(at);
                        simpler.push(Self::Subscribe { actor: *actor, filters: fewer, id: *id });
                    }
                    for plainer in filters[at].simpler() {
                        let mut filters = filters.clone();
                        filters[at] = plainer;
                        simpler.push(Self::Subscribe { actor: *actor, filters, id: *id });
                    }
                }
            }
            Self::Unsubscribe { actor, filters } if filters.len() > 1 => {
                simpler.extend(
                    filters.iter().map(|one| Self::Unsubscribe { actor: *actor, filters: vec![*one] }),
                );
            }
            Self::Deliver { actor, bytes, forgotten } if *bytes != u16::MAX => {
                simpler.push(Self::Deliver { actor: *actor, bytes: u16::MAX, forgotten: *forgotten });
            }
            Self::Read { actor, count } if *count != 255 => {
                simpler.push(Self::Read { actor: *actor, count: 255 });
            }
            Self::Crash { down_ms, loses_output } if *down_ms > 0 || !loses_output => {
                simpler.push(Self::Crash { down_ms: 0, loses_output: *loses_output });
                simpler.push(Self::Crash { down_ms: *down_ms, loses_output: true });
                simpler.retain(|simpler| simpler != self);
            }
            Self::Disconnect { actor, goodbye } if *goodbye != Goodbye::Normal => {
                simpler.push(Self::Disconnect { actor: *actor, goodbye: Goodbye::Normal });
            }
            _ => {}
        }
        simpler
    }
}

impl ConnectOp {
    /// A 5.0 client that starts clean and asks for nothing.
    pub const PLAIN: Self = Self {
        is_v5: true,
        is_anonymous: false,
        clean: true,
        expiry_secs: 0,
        keep_alive_secs: 0,
        receive_maximum: 0,
        maximum_packet_size: 0,
        alias_maximum: 0,
        will: None,
    };
    /// A 5.0 client whose Session stays for ever.
    pub const STAYING: Self = Self { clean: false, expiry_secs: u32::MAX, ..Self::PLAIN };

    fn of(random: &mut Random) -> Self {
        let will = random.one_in(3).then(|| WillOp {
            qos: random.below(3) as u8,
            retain: random.one_in(4),
            delay_secs: random.one_of(&[0, 0, 2, 10]),
            expiry_secs: random.one_of(&[0, 0, 3]),
        });
        Self {
            is_v5: !random.one_in(3),
            is_anonymous: random.one_in(25),
            clean: random.one_in(4),
            expiry_secs: random.one_of(&[0, 3, 60, 60, u32::MAX, u32::MAX]),
            keep_alive_secs: random.one_of(&[0, 0, 0, 2, 30]),
            receive_maximum: random.one_of(&[0, 0, 1, 2, 5]),
            maximum_packet_size: random.one_of(&[0, 0, 0, 0, 80, 150, 2_000]),
            alias_maximum: random.one_of(&[0, 0, 1, 3]),
            will,
        }
    }

    fn simpler(self) -> Vec<Self> {
        let all = [
            Self { will: None, ..self },
            Self {
                will: self.will.map(|will| WillOp { retain: false, delay_secs: 0, expiry_secs: 0, ..will }),
                ..self
            },
            Self { is_v5: true, ..self },
            Self { is_anonymous: false, ..self },
            Self { keep_alive_secs: 0, ..self },
            Self { receive_maximum: 0, ..self },
            Self { maximum_packet_size: 0, ..self },
            Self { alias_maximum: 0, ..self },
            Self { expiry_secs: u32::MAX, ..self },
            Self { clean: false, ..self },
        ];
        all.into_iter().filter(|other| *other != self).collect()
    }
}

impl PublishOp {
    /// A short message of QoS 0 for the topic with this index.
    #[must_use]
    pub const fn plain(topic: u8) -> Self {
        Self { topic, qos: 0, retain: false, size: 0, expiry_secs: 0, alias: 0 }
    }

    /// The payload is empty.
    pub const EMPTY: u16 = u16::MAX;

    fn of(random: &mut Random) -> Self {
        let size = match random.below(40) {
            0 => 12_000,
            1..4 => 600,
            4..10 => 90,
            10..12 => Self::EMPTY,
            _ => random.below(8) as u16,
        };
        Self {
            topic: random.below(TOPICS.len() as u32) as u8,
            qos: random.below(3) as u8,
            retain: random.one_in(5),
            size,
            expiry_secs: random.one_of(&[0, 0, 0, 0, 1, 3, 30]),
            alias: random.one_of(&[0, 0, 1, 2]),
        }
    }

    fn simpler(self) -> Vec<Self> {
        let all = [
            Self { size: 0, ..self },
            Self { expiry_secs: 0, ..self },
            Self { alias: 0, ..self },
            Self { retain: false, ..self },
            Self { topic: 0, ..self },
        ];
        all.into_iter().filter(|other| *other != self).collect()
    }
}

impl FilterOp {
    /// The filter with this index, without options.
    #[must_use]
    pub const fn plain(filter: u8, qos: u8) -> Self {
        Self { filter, qos, no_local: false, retain_as_published: false, retain_handling: 0 }
    }

    fn of(random: &mut Random) -> Self {
        Self {
            filter: random.below(FILTERS.len() as u32) as u8,
            qos: random.below(3) as u8,
            no_local: random.one_in(6),
            retain_as_published: random.one_in(3),
            retain_handling: random.one_of(&[0, 0, 0, 1, 2]),
        }
    }

    fn simpler(self) -> Vec<Self> {
        let all = [
            Self { no_local: false, ..self },
            Self { retain_as_published: false, ..self },
            Self { retain_handling: 0, ..self },
            Self { filter: 0, ..self },
        ];
        all.into_iter().filter(|other| *other != self).collect()
    }
}

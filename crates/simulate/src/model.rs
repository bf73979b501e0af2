//! What a broker should do, as plain maps and lists, written from the standard.
//!
//! The model is told everything that reaches the broker ([`Model::receive`], [`Model::lose`], [`Model::tick`], …), at
//! the same time and in the same order, and so knows every Session, subscription, Will and retained message and what is
//! due to whom. It is shown everything that leaves the broker ([`Model::sent`] in `judge.rs`) and says whether that may
//! be: answers in `answers.rs`, and which delivery a PUBLISH is in `which.rs` and `owed.rs`. When nothing is under way any more, [`Model::check_quiet`] (`quiet.rs`) says whether something is missing.
//!
//! What it cannot know it allows: which member of a shared subscription gets a message, which message of a full queue
//! is dropped, which of two that look the same has come. It is slow on purpose: it looks through everything, each time.
//!
//! What arrives is in `receive.rs`, how Sessions begin and end in `life.rs`, where messages go in
//! `route.rs`, who gets what of shared subscriptions in `shared.rs`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

mod answers;
mod judge;
mod life;
mod owed;
mod quiet;
mod receive;
mod route;
mod shared;
mod state;
mod which;

pub(crate) use judge::Written;
pub(crate) use state::{
    Conn, Due, Ending, Expected, Group, Origin, Phase, Safe, Session, Snapshot, Subscription, Tag,
};

use crate::packet::Message;
use crate::setup::Setup;
use state::Retained;

/// Names a transport of an episode.
pub(crate) type LinkId = usize;

/// The broker has done what it must not, or not done what it must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) String);

pub(crate) type Verdict<T = ()> = Result<T, Violation>;

pub(crate) fn violation<T>(text: impl Into<String>) -> Verdict<T> {
    Err(Violation(text.into()))
}

/// See the module.
pub(crate) struct Model {
    pub(crate) setup: Setup,
    pub(crate) sessions: BTreeMap<Rc<str>, Session>,
    pub(crate) conns: BTreeMap<LinkId, Conn>,
    retained: BTreeMap<Rc<str>, Retained>,
    groups: BTreeMap<u64, Group>,
    /// The batch that is being filled; 0 without a store.
    pub(crate) batch: u64,
    /// The last batch that the broker has been told is stored.
    pub(crate) told: u64,
    last_uid: u64,
    rank: u64,
    last_incarnation: u64,
    /// A tick is on: what it does at the same time it does in any order.
    is_ticking: bool,
    /// Each message as often as it has been routed, with when it expires: at QoS 1 it may be published again.
    routed: HashMap<u32, Vec<(Rc<Message>, u64)>>,
    /// Messages whose publisher has been told that they were refused. Others may have been given them; should the refusal
    /// be lost and the publisher send them again, they may be given them again.
    refused: HashSet<u32>,
    /// Deliveries that have left once. Unlike the rest of the state a crash does not take this back.
    on_wire: HashSet<u64>,
}

impl Model {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            setup: setup.clone(),
            sessions: BTreeMap::new(),
            conns: BTreeMap::new(),
            retained: BTreeMap::new(),
            groups: BTreeMap::new(),
            batch: u64::from(setup.durable),
            told: 0,
            last_uid: 0,
            rank: 0,
            last_incarnation: 0,
            is_ticking: false,
            routed: HashMap::new(),
            refused: HashSet::new(),
            on_wire: HashSet::new(),
        }
    }

    fn next_uid(&mut self) -> u64 {
        self.last_uid += 1;
        self.last_uid
    }

    /// The message has been published more than once.
    fn is_repeated(&self, number: u32) -> bool {
        self.routed.get(&number).is_some_and(|times| times.len() > 1)
    }

    /// When the broker has to be told of the time.
    pub(crate) fn next_deadline_ms(&self) -> u64 {
        let sessions = self.sessions.values().map(Session::next_deadline_ms);
        let conns = self.conns.values().map(Conn::deadline_ms);
        let retained = self.retained.values().map(|retained| retained.expires_at_ms);
        sessions.chain(conns).chain(retained).min().unwrap_or(u64::MAX)
    }

    /// Clients with an accepted CONNECT.
    pub(crate) fn connected_count(&self) -> usize {
        self.sessions.values().filter(|session| session.conn.is_some()).count()
    }

    /// Nobody is here and nothing is remembered.
    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.retained.is_empty()
    }

    pub(crate) fn retained_count(&self) -> usize {
        self.retained.len()
    }

    pub(crate) fn subscription_count(&self) -> usize {
        self.sessions.values().map(|session| session.subscriptions.len()).sum()
    }

    /// The topics that have a retained message.
    pub(crate) fn retained_topics(&self) -> Vec<Rc<str>> {
        self.retained.keys().cloned().collect()
    }
}

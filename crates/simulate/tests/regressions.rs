//! Episodes that once failed, each as short as it was shrunk to.

use topicwire_simulate::{ConnectOp, Episode, FilterOp, Op, PublishOp, Setup, WillOp, run};

const ALL: u16 = u16::MAX;

#[allow(clippy::panic, reason = "how a test fails")]
fn replay(setup: Setup, ops: Vec<Op>) {
    if let Err(failure) = run(&Episode { setup, ops }) {
        panic!("{failure}");
    }
}

fn connect(actor: u8, with: ConnectOp) -> Op {
    Op::Connect { actor, with }
}

fn deliver(actor: u8) -> Op {
    Op::Deliver { actor, bytes: ALL, forgotten: false }
}

/// The client held the identifier of a QoS 2 message whose PUBREC was lost. It came back and accepted only smaller
/// packets: the broker gave the message up and used the identifier for the next one, which the client took for a
/// repetition.
#[test]
fn an_identifier_is_not_used_again_before_the_client_has_let_go_of_it() {
    let small = ConnectOp { maximum_packet_size: 80, ..ConnectOp::STAYING };
    let publish = |size| Op::Publish { actor: 0, with: PublishOp { qos: 2, size, ..PublishOp::plain(0) } };
    replay(
        Setup { clients: 1, ..Setup::default() },
        vec![
            connect(0, ConnectOp::STAYING),
            Op::Subscribe { actor: 0, filters: vec![FilterOp::plain(0, 2)], id: 0 },
            Op::Settle,
            publish(90),
            deliver(0),
            Op::Read { actor: 0, count: 255 },
            Op::Cut { actor: 0, forgotten: false },
            connect(0, small),
            Op::Settle,
            publish(1),
            Op::Settle,
        ],
    );
}

/// A message larger than the out-buffer's limit was on its way, the client sent something that is answered, and was cut
/// off as one that does not read.
#[test]
fn a_large_message_under_way_does_not_count_as_answers_that_nobody_reads() {
    let size = 600;
    replay(
        Setup { clients: 1, maximum_out_buffer_bytes: 200, ..Setup::default() },
        vec![
            connect(0, ConnectOp::STAYING),
            Op::Subscribe { actor: 0, filters: vec![FilterOp::plain(0, 1)], id: 0 },
            Op::Settle,
            Op::Publish { actor: 0, with: PublishOp { qos: 1, size, ..PublishOp::plain(0) } },
            Op::Ping { actor: 0 },
            deliver(0),
            Op::Settle,
            Op::Publish { actor: 0, with: PublishOp { qos: 1, ..PublishOp::plain(0) } },
            Op::Settle,
        ],
    );
}

/// A QoS 2 message left for its subscriber before the store had it. After a crash the publisher sent it again, and the
/// subscriber was given it twice.
#[test]
fn a_message_of_qos_2_does_not_leave_before_it_is_stored() {
    let by_hand = Setup { clients: 2, durable: true, commits_at_once: false, ..Setup::default() };
    replay(
        by_hand,
        vec![
            connect(0, ConnectOp::STAYING),
            connect(1, ConnectOp::STAYING),
            Op::Subscribe { actor: 0, filters: vec![FilterOp::plain(0, 2)], id: 0 },
            Op::Settle,
            Op::Publish { actor: 1, with: PublishOp { qos: 2, ..PublishOp::plain(0) } },
            deliver(1),
            Op::Crash { down_ms: 0, loses_output: false },
            Op::Read { actor: 0, count: 255 },
            connect(0, ConnectOp::STAYING),
            connect(1, ConnectOp::STAYING),
            Op::Settle,
        ],
    );
}

/// A client was told that there was no Session of its own while the end of the old one was not stored yet. After a crash
/// the old one was there again.
#[test]
fn a_session_that_a_client_was_told_is_gone_does_not_come_back() {
    let by_hand = Setup { clients: 2, durable: true, commits_at_once: false, ..Setup::default() };
    let anew = ConnectOp { is_v5: false, clean: true, ..ConnectOp::PLAIN };
    replay(
        by_hand,
        vec![
            connect(0, ConnectOp::STAYING),
            Op::Subscribe { actor: 0, filters: vec![FilterOp::plain(0, 2)], id: 0 },
            Op::Settle,
            connect(0, anew),
            deliver(0),
            connect(0, anew),
            deliver(0),
            Op::Read { actor: 0, count: 255 },
            Op::Crash { down_ms: 0, loses_output: true },
            connect(0, ConnectOp::STAYING),
            Op::Settle,
        ],
    );
}

/// The answers to a client's messages waited for the store, left all at once, and were more than its out-buffer's limit:
/// it was cut off as one that does not read, came back, sent its messages again, and was cut off again, for ever.
#[test]
fn a_client_is_not_cut_off_for_answers_that_it_could_not_read_yet() {
    let publish = |actor, qos| Op::Publish { actor, with: PublishOp { qos, ..PublishOp::plain(0) } };
    replay(
        Setup {
            clients: 7,
            durable: true,
            commits_at_once: false,
            maximum_queued_messages: 1,
            maximum_out_buffer_bytes: 200,
            ..Setup::default()
        },
        vec![
            connect(3, ConnectOp { receive_maximum: 1, ..ConnectOp::STAYING }),
            connect(5, ConnectOp::STAYING),
            Op::Subscribe { actor: 3, filters: vec![FilterOp::plain(0, 1)], id: 0 },
            Op::Subscribe { actor: 5, filters: vec![FilterOp::plain(0, 2)], id: 0 },
            Op::Settle,
            publish(3, 1),
            publish(1, 2),
            publish(2, 2),
            publish(3, 2),
            publish(2, 1),
            publish(2, 1),
            publish(6, 2),
        ],
    );
}

/// A message was dropped as too large for its subscriber, and published again to one that takes it. The model took it
/// for the first of the two, which expires earlier.
#[test]
fn a_message_that_was_published_again_expires_when_that_one_does() {
    let small = ConnectOp { maximum_packet_size: 80, ..ConnectOp::STAYING };
    let large = PublishOp { qos: 1, size: 12_000, expiry_secs: 30, ..PublishOp::plain(0) };
    replay(
        Setup { clients: 1, durable: false, ..Setup::default() },
        vec![
            connect(0, small),
            Op::Subscribe { actor: 0, filters: vec![FilterOp::plain(0, 1)], id: 0 },
            Op::Settle,
            Op::Publish { actor: 0, with: large },
            deliver(0),
            connect(0, ConnectOp::STAYING),
            Op::Wait { ms: 10 },
            deliver(0),
            Op::Read { actor: 0, count: 255 },
            connect(0, ConnectOp::STAYING),
            Op::Deliver { actor: 0, bytes: ALL, forgotten: true },
            Op::Wait { ms: 999 },
        ],
    );
}

/// A QoS 2 message that is too large for its client now was given up with PUBREL, the PUBREL lost, and the broker
/// crashed: the PUBREL is sent again.
#[test]
fn what_was_given_up_is_still_given_up_after_a_crash() {
    let by_hand = Setup { clients: 2, durable: true, commits_at_once: false, ..Setup::default() };
    let small = ConnectOp { maximum_packet_size: 80, ..ConnectOp::STAYING };
    replay(
        by_hand,
        vec![
            connect(0, ConnectOp::STAYING),
            Op::Subscribe { actor: 0, filters: vec![FilterOp::plain(0, 2)], id: 0 },
            Op::Settle,
            Op::Publish { actor: 0, with: PublishOp { qos: 2, size: 90, ..PublishOp::plain(0) } },
            Op::Publish { actor: 0, with: PublishOp { qos: 1, ..PublishOp::plain(0) } },
            deliver(0),
            connect(0, small),
            deliver(0),
            connect(0, ConnectOp::STAYING),
            Op::TakeBatch,
            Op::Commit,
            Op::Tell,
            Op::Settle,
            Op::Crash { down_ms: 0, loses_output: true },
        ],
    );
}

/// Two members of a shared subscription were sent one message each before the broker crashed. Afterwards the model took
/// the second for the one that the first had been given.
#[test]
fn who_was_given_a_message_of_a_shared_subscription_is_known_after_a_crash() {
    let by_hand = Setup { clients: 8, durable: true, commits_at_once: false, ..Setup::default() };
    let will = WillOp { qos: 1, retain: false, delay_secs: 0, expiry_secs: 0 };
    let shared = |actor| Op::Subscribe { actor, filters: vec![FilterOp::plain(10, 2)], id: 0 };
    replay(
        by_hand,
        vec![
            connect(4, ConnectOp::STAYING),
            shared(4),
            deliver(4),
            connect(0, ConnectOp::STAYING),
            connect(1, ConnectOp { will: Some(will), ..ConnectOp::STAYING }),
            shared(0),
            deliver(0),
            deliver(1),
            connect(1, ConnectOp { will: Some(will), ..ConnectOp::STAYING }),
            deliver(1),
            connect(1, ConnectOp::STAYING),
            deliver(1),
            Op::TakeBatch,
            Op::Commit,
            Op::Tell,
            Op::Crash { down_ms: 0, loses_output: true },
        ],
    );
}

/// A member of a shared subscription was written a message that it did not read, came back with room for smaller packets
/// only, and was sent PUBREL.
#[test]
fn a_message_of_a_shared_subscription_may_be_given_up() {
    let large = PublishOp { qos: 2, size: 600, ..PublishOp::plain(0) };
    replay(
        Setup { clients: 6, durable: false, ..Setup::default() },
        vec![
            connect(0, ConnectOp::STAYING),
            connect(3, ConnectOp::STAYING),
            Op::Subscribe { actor: 3, filters: vec![FilterOp::plain(12, 0)], id: 0 },
            Op::Settle,
            connect(5, ConnectOp::STAYING),
            Op::Subscribe { actor: 5, filters: vec![FilterOp::plain(12, 2)], id: 0 },
            deliver(5),
            // With the next message it is the other member's turn.
            Op::Publish { actor: 0, with: PublishOp::plain(0) },
            deliver(0),
            Op::Publish { actor: 3, with: large },
            Op::Block { actor: 5 },
            deliver(3),
            Op::Cut { actor: 5, forgotten: false },
            connect(5, ConnectOp { maximum_packet_size: 150, ..ConnectOp::STAYING }),
        ],
    );
}

/// A client subscribed twice in one packet, and to the same before, and the retained message for the first of the three
/// waited for the store. The other two were served together, and the model waited for the third.
#[test]
fn a_retained_message_may_serve_two_subscriptions_while_an_earlier_one_waits() {
    let retained = PublishOp { qos: 2, retain: true, ..PublishOp::plain(0) };
    let twice = vec![FilterOp::plain(0, 0), FilterOp::plain(0, 0)];
    replay(
        Setup { clients: 3, durable: true, commits_at_once: true, ..Setup::default() },
        vec![
            connect(2, ConnectOp::STAYING),
            Op::Settle,
            Op::Publish { actor: 2, with: retained },
            Op::Subscribe { actor: 2, filters: vec![FilterOp::plain(0, 2)], id: 0 },
            Op::Subscribe { actor: 2, filters: twice, id: 7 },
        ],
    );
}

//! The generator against a broker that drops, doubles, reorders, spoils or misroutes: it must notice each, and
//! count exactly.

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use support::{EveryNth, faithful_load, load_through, long_enough, short};
use topicwire_loadgen::{Failure, ledger::Tally, relay::Policy, run, scenario::Scenario, wire::Version};

/// `published` minus one so that a fault held back for the next message may still be pending at the end.
fn is_about(count: u64, published: u64, n: u64) -> bool {
    published > 1_000 && (count == published / n || count + 1 == published / n)
}

#[test]
fn a_faithful_broker_leaves_a_clean_tally() {
    for version in [Version::V311, Version::V5] {
        let scenario = Scenario { protocol_version: version, ..short() };
        let report = faithful_load(&scenario, |it| it.latency_micros.is_some() && it.published > 4_000);
        assert!(report.published > 4_000, "published {}", report.published);
        assert_eq!(report.tally.delivered, report.published);
        assert!(report.latency_micros.is_some());
    }
}

#[test]
fn every_topology_counts_its_deliveries() {
    let fan_out = Scenario { subscribers: 7, ..short() };
    let report = faithful_load(&fan_out, |it| it.published > 0);
    assert_eq!(report.tally.delivered, report.published * 7);

    let fan_in = Scenario { publishers: 7, wildcard: true, ..short() };
    let report = faithful_load(&fan_in, |it| it.published > 0);
    assert_eq!(report.tally.delivered, report.published);

    let groups = Scenario { groups: 5, publishers: 2, subscribers: 3, wildcard: true, ..short() };
    let report = faithful_load(&groups, |it| it.published > 0);
    assert_eq!(report.tally.delivered, report.published * 3);
}

#[test]
fn a_saturated_load_stays_within_its_lag_and_loses_nothing() {
    let scenario = Scenario { groups: 3, rate: None, lag_messages: 300, ..short() };
    let report = faithful_load(&scenario, |it| it.delivered_measured > 300);
    assert_eq!((report.generator.lag_per_publisher, report.generator.most_outstanding), (100, 100));
    assert!(report.delivered_measured > 300, "the load came to a halt");
}

#[test]
fn payloads_larger_than_the_read_buffer_arrive_whole() {
    let scenario = Scenario { payload_bytes: 600_000, rate: None, lag_bytes: 4_000_000, ..short() };
    let report = faithful_load(&scenario, |it| it.tally.delivered > 10);
    assert!(report.tally.delivered > 10, "the load came to a halt");
}

#[test]
fn dropped_messages_are_counted_as_lost() {
    let report = load_through(EveryNth::new(10, |_, _, _| {}), short()).unwrap();
    let Tally { lost, doubled, reordered, .. } = report.tally;
    assert!(!report.clean);
    assert_eq!((lost, doubled, reordered), (report.published / 10, 0, 0));
    assert_eq!(report.tally.delivered + lost, report.published);
}

#[test]
fn doubled_messages_are_counted_as_doubled() {
    let double = |packet: &[u8], out: &mut Vec<u8>, _: &mut Vec<u8>| {
        out.extend_from_slice(packet);
        out.extend_from_slice(packet);
    };
    let report = load_through(EveryNth::new(10, double), short()).unwrap();
    let Tally { delivered, lost, doubled, reordered, .. } = report.tally;
    assert!(!report.clean);
    assert_eq!((delivered, lost, doubled, reordered), (report.published, 0, report.published / 10, 0));
}

#[test]
fn overtaken_messages_are_counted_as_reordered() {
    let hold = |packet: &[u8], _: &mut Vec<u8>, held: &mut Vec<u8>| held.extend_from_slice(packet);
    let load = |seconds| load_through(EveryNth::new(10, hold), Scenario { seconds, ..short() }).unwrap();
    let report = long_enough(short().seconds, load, |it| it.published > 1_000);
    let Tally { doubled, reordered, lost, .. } = report.tally;
    assert!(!report.clean);
    assert!(is_about(reordered, report.published, 10), "{reordered} of {}", report.published);
    assert_eq!(doubled, 0);
    assert!(lost <= 1, "only a message held at the very end may be missing");
}

#[test]
fn spoiled_payloads_are_counted_as_corrupt_and_as_lost() {
    let spoil = |packet: &[u8], out: &mut Vec<u8>, _: &mut Vec<u8>| {
        out.extend_from_slice(packet);
        if let Some(last) = out.last_mut() {
            *last ^= 1;
        }
    };
    let report = load_through(EveryNth::new(10, spoil), short()).unwrap();
    assert!(!report.clean);
    assert_eq!((report.tally.corrupt, report.tally.lost), (report.published / 10, report.published / 10));
}

#[test]
fn a_wrong_topic_or_a_foreign_message_is_counted_as_misrouted() {
    // `load/0` is at bytes 4 to 10 of a PUBLISH with a short header: change its last byte.
    let other_topic = |packet: &[u8], out: &mut Vec<u8>, _: &mut Vec<u8>| {
        let start = out.len();
        out.extend_from_slice(packet);
        out[start + 9] = b'9';
    };
    let report = load_through(EveryNth::new(10, other_topic), short()).unwrap();
    assert!(!report.clean);
    assert_eq!(report.tally.misrouted, report.published / 10);
}

#[test]
fn a_broker_that_hangs_up_is_a_failure_and_not_a_slow_broker() {
    struct Garbage;
    impl Policy for Garbage {
        fn pass(&mut self, _: &[u8], out: &mut Vec<u8>) {
            out.extend_from_slice(&[0x30, 0xff, 0xff, 0xff, 0xff]);
        }
    }
    assert!(matches!(load_through(Garbage, short()), Err(Failure::Wire(_))));

    let nobody = Scenario { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), ..short() };
    assert!(matches!(run::run(&nobody), Err(Failure::Io(_) | Failure::Closed { .. })));
}

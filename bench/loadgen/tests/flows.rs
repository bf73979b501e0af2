//! QoS 1 and 2, and subscriptions beside a load, against the null broker.

mod support;

use support::{EveryNth, faithful_load, load_through, short};
use topicwire_loadgen::{Failure, relay::Faithful, scenario::Scenario, wire::WireError};

#[test]
fn every_qos_is_counted_saturated_and_at_a_fixed_rate() {
    for qos in 0..=2 {
        for rate in [Some(5_000.0), None] {
            let scenario = Scenario { qos, groups: 3, subscribers: 2, rate, ..short() };
            let report = faithful_load(&scenario, |it| it.published > 100);
            assert!(report.published > 100, "QoS {qos}: published {}", report.published);
            assert_eq!(report.tally.delivered, report.published * 2);
        }
    }
}

#[test]
fn a_window_of_one_is_kept_and_still_moves() {
    let scenario = Scenario { qos: 2, window: 1, rate: None, ..short() };
    let report = faithful_load(&scenario, |it| it.published > 10);
    assert!(report.generator.messages_per_read <= 1.0);
    assert!(report.published > 10, "published {}", report.published);
}

#[test]
fn faults_at_qos_1_and_2_are_counted_too() {
    for qos in 1..=2 {
        let report = load_through(EveryNth::new(10, |_, _, _| {}), Scenario { qos, ..short() }).unwrap();
        assert_eq!((report.clean, report.tally.lost), (false, report.published / 10));

        let lower = |packet: &[u8], out: &mut Vec<u8>, _: &mut Vec<u8>| {
            // QoS 0: one flag less, and no packet id behind the topic `load/0`.
            out.extend_from_slice(&[0x30, packet[1] - 2]);
            out.extend_from_slice(&packet[2..10]);
            out.extend_from_slice(&packet[12..]);
        };
        let report = load_through(EveryNth::new(10, lower), Scenario { qos, ..short() }).unwrap();
        assert_eq!((report.clean, report.tally.misrouted), (false, report.published / 10));
    }
}

#[test]
fn subscriptions_beside_the_load_are_made_and_get_nothing() {
    // The null broker answers a SUBSCRIBE with one code, whatever it asks for: one for each client is all it can.
    faithful_load(&Scenario { background_subscriptions: 1, ..short() }, |it| it.published > 0);
    let result = load_through(Faithful, Scenario { background_subscriptions: 2, ..short() });
    assert!(matches!(result, Err(Failure::Wire(WireError::Short(_)))), "{result:?}");
}

//! Clients that come and go: at once, or under a load. What the broker forgets, keeps or gets wrong is noticed.

mod support;

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
};
use support::{EveryNth, beside, long_enough, relay};
use topicwire_loadgen::{
    Failure,
    churn::{self, ChurnReport},
    connects,
    relay::{Faithful, Policy},
    scenario::{ChurnScenario, ConnectsScenario, Transport},
};

fn churn_through(policy: impl Policy + Send + 'static, scenario: ChurnScenario) -> ChurnReport {
    let mut samples = 0;
    let report = beside(relay(policy), |address| {
        churn::run(&ChurnScenario { address, ..scenario }, |_| {
            samples += 1;
            Ok(())
        })
    })
    .unwrap();
    assert_eq!(report.samples.len(), samples);
    report
}

/// Two pairs of each kind.
fn short() -> ChurnScenario {
    ChurnScenario {
        pairs: 10,
        rate: 10_000.0,
        leaves_per_second: 0.0,
        away_seconds: 0.02,
        seconds: 0.5,
        sample_seconds: 0.1,
        drain_seconds: 1.0,
        ..ChurnScenario::default()
    }
}

/// For a faithful broker: what is there already is not waited for.
fn patient() -> ChurnScenario {
    ChurnScenario { drain_seconds: 20.0, ..short() }
}

#[test]
fn pairs_of_every_kind_that_stay_leave_a_clean_tally() {
    for transport in [Transport::Tcp, Transport::WebSocket] {
        let load = |seconds| {
            let report = churn_through(Faithful, ChurnScenario { transport, seconds, ..patient() });
            assert!(report.clean, "{report:?}");
            report
        };
        let is_enough = |it: &ChurnReport| it.published > 500 && it.unsent == 0;
        let report = long_enough(short().seconds, load, is_enough);
        assert!(report.published > 500 && report.unsent == 0, "{report:?}");
        assert_eq!(report.tally.delivered, report.published);
        assert!(report.by_qos.iter().all(|of| of.tally.delivered > 100), "{:?}", report.by_qos);
        assert!(report.samples.len() >= 5);
    }
}

#[test]
fn clean_sessions_may_come_and_go_and_lose_nothing() {
    for transport in [Transport::Tcp, Transport::WebSocket] {
        let scenario = ChurnScenario { transport, persistent: false, leaves_per_second: 100.0, ..patient() };
        let load = |seconds| {
            let report = churn_through(Faithful, ChurnScenario { seconds, ..scenario.clone() });
            assert!(report.clean, "{report:?}");
            report
        };
        let report = long_enough(1.0, load, |it| it.leaves > 3);
        assert!(report.leaves > 3, "only {} left", report.leaves);
        assert_eq!(report.tally.delivered, report.published);
    }
}

#[test]
fn a_broker_that_forgets_its_sessions_is_found_out() {
    let scenario = ChurnScenario { leaves_per_second: 100.0, ..short() };
    let load = |seconds| churn_through(Faithful, ChurnScenario { seconds, ..scenario.clone() });
    let report = long_enough(short().seconds, load, |it| it.sessions_lost > 0);
    assert!(!report.clean);
    assert!(report.sessions_lost > 0, "{report:?}");
}

#[test]
fn what_is_lost_doubled_or_overtaken_under_churn_is_counted() {
    let report = churn_through(EveryNth::new(10, |_, _, _| {}), short());
    assert!(!report.clean);
    assert_eq!(report.tally.lost, report.published / 10);

    let double = |packet: &[u8], out: &mut Vec<u8>, _: &mut Vec<u8>| {
        out.extend_from_slice(packet);
        out.extend_from_slice(packet);
    };
    let report = churn_through(EveryNth::new(10, double), short());
    assert_eq!((report.clean, report.tally.doubled), (false, report.published / 10));
    assert!(report.by_qos.iter().all(|of| of.tally.doubled > 0 && of.again == 0), "{:?}", report.by_qos);
}

#[test]
fn clients_that_connect_and_leave_are_counted() {
    let load = |seconds| {
        let report = beside(relay(Faithful), |address| {
            connects::run(&ConnectsScenario {
                address,
                at_a_time: 10,
                warm_up_seconds: 0.1,
                seconds,
                ..ConnectsScenario::default()
            })
        })
        .unwrap();
        assert!(report.clean, "{report:?}");
        report
    };
    let report = long_enough(0.4, load, |it| it.connections_measured > 5);
    assert!(report.connections_measured > 5, "{report:?}");
    assert!(report.connections >= report.connections_measured);
    assert!(report.handshake_micros.is_some());
}

#[test]
fn a_connection_that_is_refused_or_cut_ends_the_run() {
    let broker_that_says = |answer: &'static [u8]| -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 256]);
                let _ = stream.write_all(answer);
            }
        });
        address
    };
    let connect = |answer| {
        let address = broker_that_says(answer);
        connects::run(&ConnectsScenario {
            address,
            at_a_time: 1,
            seconds: 0.2,
            ..ConnectsScenario::default()
        })
    };
    assert!(matches!(connect(&[0x20, 2, 0, 5]), Err(Failure::Refused { code: 5, .. })));
    assert!(matches!(connect(&[]), Err(Failure::Closed { .. })));
    assert!(matches!(connect(&[0xd0, 0]), Err(Failure::Wire(_))));
}

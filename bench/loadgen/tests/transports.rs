//! The generator over WebSocket: what is wrong is noticed there too, wherever the frames end.

mod support;

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
};
use support::{EveryNth, beside, faithful_load, load_through, long_enough, relay, short};
use topicwire_loadgen::{
    Failure, idle,
    relay::Faithful,
    run,
    scenario::{IdleScenario, Scenario, Transport},
    websocket,
};

fn over_web_socket() -> Scenario {
    Scenario { transport: Transport::WebSocket, ..short() }
}

#[test]
fn a_faithful_broker_over_web_socket_leaves_a_clean_tally_wherever_frames_end() {
    for frame_bytes in [1, 7, 130, 1 << 20] {
        for packets_per_frame in [0, 1, 3] {
            let rate = Some(5_000.0);
            let scenario = Scenario { packets_per_frame, rate, drain_seconds: 20.0, ..over_web_socket() };
            let load = |seconds| {
                let relay = relay(Faithful).with_frames_of(frame_bytes);
                let scenario = Scenario { seconds, ..scenario.clone() };
                let report = beside(relay, |address| run::run(&Scenario { address, ..scenario })).unwrap();
                assert!(report.clean, "{:?}", report.tally);
                report
            };
            let report = long_enough(scenario.seconds, load, |it| it.published > 100);
            assert!(report.published > 100, "published {}", report.published);
            assert_eq!(report.tally.delivered, report.published);
        }
    }
}

#[test]
fn a_saturated_load_over_web_socket_loses_nothing() {
    for (packets_per_frame, payload_bytes) in [(0, 64), (1, 64), (2, 70_000)] {
        let scenario =
            Scenario { groups: 3, rate: None, packets_per_frame, payload_bytes, ..over_web_socket() };
        let report = faithful_load(&scenario, |it| it.tally.delivered > 5);
        assert!(report.tally.delivered > 5, "the load came to a halt");
    }
}

#[test]
fn faults_over_web_socket_are_counted_as_over_tcp() {
    let report = load_through(EveryNth::new(10, |_, _, _| {}), over_web_socket()).unwrap();
    assert!(!report.clean);
    assert_eq!(report.tally.lost, report.published / 10);

    let double = |packet: &[u8], out: &mut Vec<u8>, _: &mut Vec<u8>| {
        out.extend_from_slice(packet);
        out.extend_from_slice(packet);
    };
    let report = load_through(EveryNth::new(10, double), over_web_socket()).unwrap();
    assert_eq!(report.tally.doubled, report.published / 10);

    let spoil = |packet: &[u8], out: &mut Vec<u8>, _: &mut Vec<u8>| {
        out.extend_from_slice(packet);
        *out.last_mut().unwrap() ^= 1;
    };
    let report = load_through(EveryNth::new(10, spoil), over_web_socket()).unwrap();
    assert_eq!((report.tally.corrupt, report.tally.lost), (report.published / 10, report.published / 10));
}

#[test]
fn idle_connections_over_web_socket_are_alive() {
    let scenario = |address| IdleScenario {
        address,
        transport: Transport::WebSocket,
        steps: vec![5, 20],
        ..IdleScenario::default()
    };
    let mut steps = Vec::new();
    let report = beside(relay(Faithful), |address| {
        idle::run(&scenario(address), |open| {
            steps.push(open);
            Ok(())
        })
    });
    // The null broker knows groups and no topics: it delivers nothing between them, and that is noticed.
    let report = report.unwrap();
    assert_eq!(steps, [5, 20]);
    assert_eq!((report.clean, report.tally.lost), (false, 20));
}

/// A broker of which one answer is known.
fn broker_that_says(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // The request is shorter than this, and comes in one piece.
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(&answer).unwrap();
            // Until the generator has had enough.
            let _ = stream.read(&mut [0; 4096]);
        }
    });
    address
}

#[test]
fn a_broker_that_breaks_the_rules_of_web_socket_is_a_failure() {
    let upgraded = |frame: &[u8]| {
        let mut answer = Vec::new();
        websocket::put_answer(&mut answer);
        answer.extend_from_slice(frame);
        answer
    };
    for answer in [
        b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec(),
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec(),
        upgraded(&[0x81, 1, b'a']),
        upgraded(&[0x82, 0x84, 0, 0, 0, 0, 0x20, 2, 0, 0]),
        upgraded(&[0x88, 0]),
    ] {
        let address = broker_that_says(answer);
        let result = run::run(&Scenario { address, ..over_web_socket() });
        assert!(matches!(result, Err(Failure::WebSocket(_))), "{result:?}");
    }
}

//! Retained messages against a broker in a thread that keeps them on a shelf, and may tamper with what it hands out.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};
use topicwire_loadgen::{
    ledger::Tally,
    retained::{self, RetainedReport},
    scenario::RetainedScenario,
    wire::{self, Publish, Version, kind},
};

/// A retained message, as it is sent.
type Shelf = Arc<Mutex<Vec<(String, Vec<u8>)>>>;
type Tamper = fn(&mut Vec<Vec<u8>>);

fn broker(tamper: Tamper) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let shelf = Shelf::default();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, shelf) = (stream.unwrap(), Arc::clone(&shelf));
            thread::spawn(move || serve(stream, &shelf, tamper));
        }
    });
    address
}

fn serve(mut stream: TcpStream, shelf: &Shelf, tamper: Tamper) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(size) if size > 0 => bytes.extend_from_slice(&buffer[..size]),
            _ => return,
        }
        let (mut used, mut out) = (0, Vec::new());
        while let Some(frame) = wire::split(&bytes[used..]).unwrap() {
            used += frame.len;
            match frame.kind() {
                kind::CONNECT => out.extend_from_slice(&[0x20, 2, 0, 0]),
                kind::PUBLISH => {
                    assert_eq!(frame.first, 0x33, "QoS 1 and RETAIN");
                    let publish = Publish::read(Version::V311, frame).unwrap();
                    let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                    let body = 2 + topic.len() + publish.payload.len();
                    let mut packet = vec![0x31, body as u8, 0, topic.len() as u8];
                    packet.extend_from_slice(publish.topic);
                    packet.extend_from_slice(publish.payload);
                    shelf.lock().unwrap().push((topic, packet));
                    wire::put_ack(&mut out, kind::PUBACK, publish.packet_id);
                }
                kind::SUBSCRIBE => {
                    out.extend_from_slice(&[0x90, 3, frame.body[0], frame.body[1], 0]);
                    let filter = std::str::from_utf8(&frame.body[4..frame.body.len() - 1]).unwrap();
                    let matches = |topic: &str| match filter.split_once("/+/") {
                        None => filter == "#",
                        Some((first, last)) => {
                            topic.starts_with(&format!("{first}/")) && topic.ends_with(&format!("/{last}"))
                        }
                    };
                    let shelf = shelf.lock().unwrap();
                    let mut hits: Vec<Vec<u8>> = shelf
                        .iter()
                        .filter(|(topic, _)| matches(topic))
                        .map(|(_, packet)| packet.clone())
                        .collect();
                    tamper(&mut hits);
                    out.extend(hits.concat());
                }
                _ => return,
            }
        }
        bytes.drain(..used);
        stream.write_all(&out).unwrap();
    }
}

fn run(hits: u32, tamper: Tamper) -> RetainedReport {
    let scenario = RetainedScenario {
        address: broker(tamper),
        messages: 400,
        hits,
        subscriptions: 5,
        ..RetainedScenario::default()
    };
    retained::run(&scenario).unwrap()
}

#[test]
fn all_and_a_few_retained_messages_are_counted() {
    for (hits, each) in [(0, 400), (10, 10), (7, 7)] {
        let report = run(hits, |_| {});
        assert!(report.clean, "{:?}", report.tally);
        assert_eq!(report.messages_each, each);
        assert_eq!(report.tally, Tally { delivered: 5 * each, ..Tally::default() });
        assert_eq!(report.latency_micros.map(|micros| micros.count), Some(5));
        assert!(report.delivered_per_second > 0.0);
    }
}

#[test]
fn the_order_of_retained_messages_is_no_matter() {
    assert!(run(10, |hits| hits.reverse()).clean);
}

#[test]
fn what_is_doubled_spoiled_or_foreign_is_noticed() {
    let doubled = run(10, |hits| hits.insert(3, hits[2].clone()));
    assert_eq!((doubled.clean, doubled.tally.doubled), (false, 5));
    // A payload of the pattern alone, in front of the right ones.
    let spoiled = run(10, |hits| {
        let mut wrong = hits[0].clone();
        *wrong.last_mut().unwrap() ^= 1;
        hits.insert(0, wrong);
    });
    assert_eq!((spoiled.clean, spoiled.tally.corrupt), (false, 5));
    let not_retained = run(10, |hits| {
        let mut wrong = hits[0].clone();
        wrong[0] = 0x30;
        hits.insert(0, wrong);
    });
    assert_eq!((not_retained.clean, not_retained.tally.misrouted), (false, 5));
    let foreign = run(10, |hits| {
        // The topic's last letter: another leaf than the one that was stored.
        let mut wrong = hits[0].clone();
        let last = 3 + usize::from(wrong[3]);
        wrong[last] = b'y';
        hits.insert(0, wrong);
    });
    assert_eq!((foreign.clean, foreign.tally.misrouted), (false, 5));
}

//! Chunks of a client's frames to MQTT's bytes, with throughput in bytes of payload.
//!
//! A chunk is 64 KiB or one frame, whatever is more. Unmasking happens in the chunk, so each round begins with a fresh
//! one: `copy` is what that costs alone and is part of the other two. `websocket-sans-io` unmasks in place as well,
//! checks nothing, and gives a payload for each frame; `topicwire` gives one for the chunk.
#![allow(missing_docs, clippy::panic, reason = "criterion's macros make a public function; a bench may stop")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use topicwire_websocket::WebSocket;
use websocket_sans_io::{WebsocketFrameDecoder, WebsocketFrameEvent};

const CHUNK_BYTES: usize = 65_536;
const SIZES: [(&str, usize); 3] = [("64 B", 64), ("1 KiB", 1_024), ("64 KiB", 65_536)];
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

fn frame(payload_length: usize) -> Vec<u8> {
    let mut bytes = vec![0x82];
    match u16::try_from(payload_length) {
        Ok(length @ 0..=125) => bytes.push(0x80 | length.to_be_bytes()[1]),
        Ok(length) => {
            bytes.push(0xFE);
            bytes.extend(length.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0xFF);
            bytes.extend((payload_length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.resize(bytes.len() + payload_length, b'x');
    bytes
}

fn topicwire(web_socket: &mut WebSocket, chunk: &mut [u8]) {
    let received = web_socket.receive(chunk);
    assert!(received.end.is_none());
    black_box(received.payload);
}

fn sans_io(decoder: &mut WebsocketFrameDecoder, mut chunk: &mut [u8]) {
    loop {
        let Ok(result) = decoder.add_data(chunk);
        let (consumed, rest) = chunk.split_at_mut(result.consumed_bytes);
        match result.event {
            Some(WebsocketFrameEvent::PayloadChunk { .. }) => drop(black_box(consumed)),
            None if rest.is_empty() => return,
            _ => {}
        }
        chunk = rest;
    }
}

fn receive(criterion: &mut Criterion) {
    for (name, payload_length) in SIZES {
        let frame = frame(payload_length);
        let count = (CHUNK_BYTES / frame.len()).max(1);
        let stream = frame.repeat(count);
        let mut chunk = stream.clone();
        let mut group = criterion.benchmark_group(format!("receive {name}"));
        group.throughput(Throughput::Bytes((count * payload_length) as u64));
        group.bench_function("copy", |bencher| {
            bencher.iter(|| black_box(&mut chunk[..]).copy_from_slice(&stream));
        });
        let mut web_socket = WebSocket::new(1 << 20);
        group.bench_function("topicwire", |bencher| {
            bencher.iter(|| {
                chunk.copy_from_slice(&stream);
                topicwire(&mut web_socket, black_box(&mut chunk));
            });
        });
        let mut decoder = WebsocketFrameDecoder::new();
        group.bench_function("websocket-sans-io", |bencher| {
            bencher.iter(|| {
                chunk.copy_from_slice(&stream);
                sans_io(&mut decoder, black_box(&mut chunk));
            });
        });
        group.finish();
    }
}

criterion_group!(benches, receive);
criterion_main!(benches);

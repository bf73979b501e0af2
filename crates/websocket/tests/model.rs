//! Any bytes, against a decoder that takes one byte after the other as sections 5.2 to 5.5 and 7.4 of RFC 6455 tell it.

mod common;

use std::slice;

use common::*;
use proptest::collection::vec;
use proptest::prelude::*;
use topicwire_websocket::{End, State, Violation};

/// What a whole stream says.
#[derive(Debug, Default)]
struct Model {
    payload: Vec<u8>,
    /// With the number of bytes behind which each was whole.
    pings: Vec<(usize, Vec<u8>)>,
    end: Option<(usize, End)>,
    /// What our close frame carries.
    reply: Vec<u8>,
}

/// Why reading stops.
enum Stop {
    OutOfBytes,
    End(End, Vec<u8>),
}

struct Stream<'a>(slice::Iter<'a, u8>);

impl Stream<'_> {
    fn byte(&mut self) -> Result<u8, Stop> {
        self.0.next().copied().ok_or(Stop::OutOfBytes)
    }

    fn number(&mut self, bytes: usize) -> Result<u64, Stop> {
        let mut number = 0;
        for at in 0..bytes {
            let byte = self.byte()?;
            if bytes == 8 && at == 0 && byte >= 128 {
                return Err(broken(Violation::LengthHighestBit));
            }
            number = number * 256 + u64::from(byte);
        }
        Ok(number)
    }
}

fn broken(violation: Violation) -> Stop {
    Stop::End(End::Violated(violation), close_payload(violation.code(), &violation.to_string()))
}

fn model(bytes: &[u8]) -> Model {
    let mut model = Model::default();
    let mut stream = Stream(bytes.iter());
    let mut message: Option<u64> = None;
    loop {
        match model.frame(&mut stream, &mut message, bytes.len()) {
            Ok(()) => {}
            Err(Stop::OutOfBytes) => return model,
            Err(Stop::End(end, reply)) => {
                model.end = Some((bytes.len() - stream.0.len(), end));
                model.reply = reply;
                return model;
            }
        }
    }
}

impl Model {
    fn frame(&mut self, stream: &mut Stream<'_>, message: &mut Option<u64>, all: usize) -> Result<(), Stop> {
        let first = stream.byte()?;
        let (fin, reserved, opcode) = (first / 128 == 1, first / 16 % 8, first % 16);
        if reserved != 0 {
            return Err(broken(Violation::ReservedBits));
        }
        let is_control = opcode >= 8;
        if (3..=7).contains(&opcode) || opcode > 10 {
            return Err(broken(Violation::ReservedOpcode { opcode }));
        }
        if is_control && !fin {
            return Err(broken(Violation::FragmentedControl));
        }
        if opcode == 0 && message.is_none() {
            return Err(broken(Violation::NothingToContinue));
        }
        if (opcode == 1 || opcode == 2) && message.is_some() {
            return Err(broken(Violation::MessageUnderWay));
        }
        if opcode == 1 {
            return Err(broken(Violation::TextFrame));
        }

        let second = stream.byte()?;
        if second < 128 {
            return Err(broken(Violation::Unmasked));
        }
        if is_control && second - 128 > 125 {
            return Err(broken(Violation::ControlTooLong));
        }
        let length = match second - 128 {
            127 => stream.number(8)?,
            126 => stream.number(2)?,
            short => u64::from(short),
        };
        if opcode == 8 && length == 1 {
            return Err(broken(Violation::HalfCloseCode));
        }
        if !is_control {
            let bytes = message.unwrap_or(0).saturating_add(length);
            if bytes > MAXIMUM_BYTES {
                return Err(broken(Violation::MessageTooBig { maximum_bytes: MAXIMUM_BYTES }));
            }
            *message = if fin { None } else { Some(bytes) };
        }

        let mask = [stream.byte()?, stream.byte()?, stream.byte()?, stream.byte()?];
        let mut carried = Vec::new();
        for at in 0..usize::try_from(length).unwrap() {
            let byte = stream.byte()? ^ mask[at % 4];
            if is_control { carried.push(byte) } else { self.payload.push(byte) }
        }
        match opcode {
            8 => Err(closed(carried)),
            9 => {
                self.pings.push((all - stream.0.len(), carried));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What has to be sent where the host polls behind each piece: of the pings that were whole in a piece, the last;
    /// where the end was in it, only the close.
    fn sent(&self, ends: &[usize]) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        let mut from = 0;
        for &to in ends {
            let here = from + 1..=to;
            if self.end.is_some_and(|(at, _)| here.contains(&at)) {
                sent.push(answer(CLOSE, &self.reply));
            } else if let Some((_, payload)) = self.pings.iter().rfind(|(at, _)| here.contains(at)) {
                sent.push(answer(PONG, payload));
            }
            from = to;
        }
        sent
    }
}

fn closed(carried: Vec<u8>) -> Stop {
    let code = match carried[..] {
        [] => None,
        [high, low, ..] => Some(u16::from(high) * 256 + u16::from(low)),
        [_] => unreachable!("refused with the length"),
    };
    if let Some(code) = code {
        let standard =
            [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014].contains(&code);
        if !standard && !(3000..=4999).contains(&code) {
            return broken(Violation::CloseCode { code });
        }
        if String::from_utf8(carried[2..].to_vec()).is_err() {
            return broken(Violation::CloseReasonNotUtf8);
        }
    }
    Stop::End(End::Closed { code }, carried)
}

fn compare(stream: &[u8], lengths: &[usize]) {
    let model = model(stream);
    let mut pieces = Vec::new();
    let mut ends = Vec::new();
    let mut rest = stream;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at((*length).clamp(1, rest.len()));
        pieces.push(piece);
        rest = behind;
        ends.push(stream.len() - rest.len());
    }
    let expected = Outcome {
        sent: model.sent(&ends),
        end: model.end.map(|(_, end)| end),
        state: if model.end.is_some() { State::Closed } else { State::Open },
        payload: model.payload,
    };
    assert_eq!(feed(pieces), expected, "{stream:02X?} in {lengths:?}");
}

/// A payload whose length is often one at which something changes.
fn payloads() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![4 => 0..20_usize, 1 => 120..130_usize, 1 => 0..400_usize];
    length.prop_flat_map(|length| vec(any::<u8>(), length))
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let close = (prop_oneof![998..1018_u16, 2998..3002_u16, 4998..5002_u16], "[a-zé€]{0,8}")
        .prop_map(|(code, reason)| frame(CLOSE, &close_payload(code, &reason)));
    let control = vec(any::<u8>(), 0..20);
    prop_oneof![
        12 => (prop_oneof![8 => Just(BINARY), 2 => Just(FIRST), 2 => Just(MIDDLE), 3 => Just(LAST)], payloads())
            .prop_map(|(first, payload)| frame(first, &payload)),
        // A message in order, with a ping inside.
        4 => (payloads(), control.clone(), payloads()).prop_map(|(one, ping, two)| {
            [frame(FIRST, &one), frame(PING, &ping), frame(MIDDLE, b""), frame(LAST, &two)].concat()
        }),
        4 => (prop_oneof![Just(PING), Just(PONG)], control).prop_map(|(first, payload)| frame(first, &payload)),
        1 => close,
        1 => (any::<u8>(), payloads()).prop_map(|(first, payload)| frame(first, &payload)),
        1 => vec(any::<u8>(), 0..12),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_of_frames_means_what_the_standard_says(frames in vec(frames(), 0..12), lengths in vec(1..300_usize, 1..6)) {
        compare(&frames.concat(), &lengths);
    }

    #[test]
    fn a_stream_of_any_bytes_means_what_the_standard_says(bytes in vec(any::<u8>(), 0..40), lengths in vec(1..9_usize, 1..4)) {
        compare(&bytes, &lengths);
    }
}

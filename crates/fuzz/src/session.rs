//! The parts of a conversation, each beside a model that is slow and plain.

mod aliases;
mod deadlines;
mod receiver;
mod sender;

use topicwire_codec::{PacketId, QoS};

use crate::input::Input;
use aliases::Aliases;
use deadlines::Deadlines;
use receiver::Receiver;
use sender::Sender;

/// Any operations on both ends of a conversation, its aliases and its deadlines, with acknowledgements that nobody
/// is owed among them: each answers as its model does.
pub fn session_operations(data: &[u8]) {
    let mut input = Input::new(data);
    let window = u16::from(input.byte() % 8) + 1;
    let (mut sender, mut receiver) = (Sender::new(window), Receiver::new(window));
    let (mut aliases, mut deadlines) = (Aliases::new(input.byte() % 4), Deadlines::default());
    while !input.is_empty() {
        match input.below(4) {
            0 | 1 => sender.step(&mut input),
            2 => receiver.step(&mut input),
            _ if input.flag() => aliases.step(&mut input),
            _ => deadlines.step(&mut input),
        }
    }
    deadlines.run_out();
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap_or(PacketId::MIN)
}

fn qos(input: &mut Input<'_>) -> QoS {
    if input.flag() { QoS::ExactlyOnce } else { QoS::AtLeastOnce }
}

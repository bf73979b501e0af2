//! Episodes that once failed, each as short as it was shrunk to.

use topicwire_simulate::{ConnectOp, Episode, Op, PublishOp, Setup, run};

fn replay(setup: Setup, ops: Vec<Op>) {
    if let Err(failure) = run(&Episode { setup, ops }) {
        panic!("{failure}");
    }
}

#[test]
fn dbg() {
    replay(
        Setup { clients: 8, ..Setup::default() },
        vec![
            Op::Connect { actor: 0, with: ConnectOp::STAYING },
            Op::Deliver { actor: 0, bytes: u16::MAX, forgotten: false },
            Op::Read { actor: 0, count: 255 },
            Op::Publish { actor: 0, with: PublishOp { qos: 1, retain: true, expiry_secs: 3, ..PublishOp::plain(0) } },
            Op::Deliver { actor: 0, bytes: u16::MAX, forgotten: false },
        ],
    );
}

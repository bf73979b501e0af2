//! A client's Session and queue go into a store and come back.

use std::sync::Arc;

use topicwire_broker::store::{Store, StoreBatch, StoreError, StoreOperation};
use topicwire_codec::{
    Ack, Connack, Connect, PacketId, PacketType, PublishProperties, QoS, ReasonCode, Version,
};
use topicwire_session::client::{Client, Config, Message};
use topicwire_store::{DiskStore, Durability, client_batch, open_client};

fn open(directory: &std::path::Path, client_id: &str) -> Result<(DiskStore, Client), StoreError> {
    let mut store = DiskStore::open(directory, Durability::Process).unwrap();
    let client = open_client(&mut store, &Arc::from(client_id), Config::default())?;
    Ok((store, client))
}

fn commit(store: &mut DiskStore, client: &mut Client) {
    while let Some(changes) = client.poll_changes() {
        let batch = client_batch(&Arc::from("c"), changes);
        store.commit(&batch).unwrap();
        client.stored(batch.sequence, 0);
    }
}

/// Connects to a server that takes three messages at once, and returns what the client then sends.
fn connect(client: &mut Client) -> Vec<u8> {
    assert!(client.restore_session("c"));
    let mut connect = Connect::new(Version::V5_0, "c");
    connect.clean_start = false;
    connect.properties.session_expiry_interval_secs = Some(u32::MAX);
    client.connect(&connect, 0).unwrap();
    let _ = sent(client);
    let mut connack = Connack::new(ReasonCode::Success);
    connack.session_present = true;
    connack.properties.receive_maximum = Some(3);
    let mut bytes = Vec::new();
    connack.encode(Version::V5_0, &mut bytes).unwrap();
    client.handle_input(&bytes, 0);
    sent(client)
}

fn sent(client: &mut Client) -> Vec<u8> {
    let mut arena = vec![0; 1 << 16];
    let mut all = Vec::new();
    while let Some(transmit) = client.poll_transmit(&mut arena, 0) {
        all.extend_from_slice(&arena[..transmit.length]);
    }
    all
}

fn acknowledge(client: &mut Client, packet_type: PacketType, packet_id: u16) {
    let ack = Ack::new(PacketId::new(packet_id).unwrap(), ReasonCode::Success);
    let mut bytes = Vec::new();
    ack.encode(packet_type, Version::V5_0, &mut bytes).unwrap();
    client.handle_input(&bytes, 0);
}

fn publish(client: &mut Client, payload: &[u8], qos: QoS) {
    let properties = PublishProperties { content_type: Some("x/y"), ..PublishProperties::default() };
    let message = Message { topic_name: "topic", payload, qos, retain: true, properties };
    client.publish(&message, 0).unwrap();
}

#[test]
fn messages_in_every_stage_come_back_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut client) = open(directory.path(), "c").unwrap();
    connect(&mut client);
    for (payload, qos) in [
        (&b"released"[..], QoS::ExactlyOnce),
        (b"sent", QoS::ExactlyOnce),
        (b"once", QoS::AtLeastOnce),
        (b"queued", QoS::ExactlyOnce),
        (b"last", QoS::AtLeastOnce),
    ] {
        publish(&mut client, payload, qos);
    }
    commit(&mut store, &mut client);
    acknowledge(&mut client, PacketType::Pubrec, 1);
    // A message of the server's, of QoS 2, with identifier 9.
    client.handle_input(&[0x34, 6, 0, 1, b's', 0, 9, 0], 0);
    commit(&mut store, &mut client);
    drop((store, client));

    let (mut store, mut client) = open(directory.path(), "c").unwrap();
    assert_eq!((client.queued_count(), client.inflight_count(), client.restored_tickets().0), (2, 3, 5));
    let bytes = connect(&mut client);
    let has = |words: &[u8]| bytes.windows(words.len()).any(|window| window == words);
    assert_eq!(bytes.first_chunk(), Some(&[0x62, 2, 0, 1]), "PUBREL comes first");
    assert!(has(b"sent") && has(b"once") && has(b"x/y") && !has(b"released"));
    // Repeated by the server, and not handed over again.
    while client.poll_event().is_some() {}
    client.handle_input(&[0x3C, 6, 0, 1, b's', 0, 9, 0], 0);
    assert!(client.poll_event().is_none());
    acknowledge(&mut client, PacketType::Pubcomp, 1);
    acknowledge(&mut client, PacketType::Pubrec, 2);
    acknowledge(&mut client, PacketType::Puback, 3);
    commit(&mut store, &mut client);
    acknowledge(&mut client, PacketType::Pubcomp, 2);
    acknowledge(&mut client, PacketType::Pubrec, 4);
    acknowledge(&mut client, PacketType::Puback, 5);
    commit(&mut store, &mut client);
    acknowledge(&mut client, PacketType::Pubcomp, 4);
    client.handle_input(&[0x62, 2, 0, 9], 0);
    commit(&mut store, &mut client);
    drop((store, client));

    let (mut store, client) = open(directory.path(), "c").unwrap();
    assert_eq!((client.queued_count(), client.inflight_count()), (0, 0));
    let report = store.check(&mut |_| {}).unwrap();
    assert!(report.damage.is_none());
}

#[test]
fn a_queue_longer_than_a_stretch_comes_back_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, mut client) = open(directory.path(), "c").unwrap();
    for number in 0..3_000_u32 {
        publish(&mut client, &number.to_be_bytes(), QoS::AtLeastOnce);
    }
    commit(&mut store, &mut client);
    drop((store, client));
    let (_store, mut client) = open(directory.path(), "c").unwrap();
    assert_eq!(client.queued_count(), 3_000);
    let bytes = connect(&mut client);
    let has = |number: u32| bytes.windows(4).any(|window| window == number.to_be_bytes());
    assert!(has(1) && has(2) && !has(3) && !has(2_999));
    assert_eq!((client.queued_count(), client.inflight_count()), (2_997, 3));
}

#[test]
fn the_store_of_another_client_or_of_a_broker_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path(), "c").unwrap());
    let refused = open(directory.path(), "d").unwrap_err().to_string();
    assert!(refused.contains("the client \"c\""), "{refused}");

    let directory = tempfile::tempdir().unwrap();
    let mut store = DiskStore::open(directory.path(), Durability::Process).unwrap();
    let message = topicwire_broker::Message::new(Arc::from("t"), b"", b"p", QoS::AtLeastOnce, true, u64::MAX);
    let operations = vec![StoreOperation::PutRetained { message: Arc::new(message) }];
    store.commit(&StoreBatch { sequence: 1, operations }).unwrap();
    drop(store);
    assert!(open(directory.path(), "c").unwrap_err().to_string().contains("a broker's"));
}

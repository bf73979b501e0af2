//! What the store in memory keeps, gives back, and refuses.

use std::sync::Arc;

use topicwire_broker::store::{Fetch, Store, StoreBatch, StoreError, StoreOperation};
use topicwire_broker::{Delivery, Message};
use topicwire_codec::{PacketId, QoS, Version};
use topicwire_session::Stage;
use topicwire_store::MemoryStore;

fn client_id() -> Arc<str> {
    Arc::from("c")
}

fn delivery(position: u64) -> Delivery {
    let payload = position.to_string();
    let message = Message::new(Arc::from("t"), b"", payload.as_bytes(), QoS::AtLeastOnce, false, u64::MAX);
    Delivery { message: Arc::new(message), retain: false, subscription_ids: Default::default(), position }
}

fn put_session() -> StoreOperation {
    StoreOperation::PutSession {
        client_id: client_id(),
        expiry_interval_secs: 10,
        version: Version::V5_0,
        closed_at_ms: None,
    }
}

fn put_delivery(position: u64) -> StoreOperation {
    StoreOperation::PutDelivery {
        client_id: client_id(),
        delivery: delivery(position),
        qos: QoS::AtLeastOnce,
    }
}

fn put_exchange(packet_id: u16, position: u64, stage: Stage) -> StoreOperation {
    let packet_id = PacketId::new(packet_id).unwrap();
    StoreOperation::PutExchange { client_id: client_id(), packet_id, position, stage }
}

/// A store that has committed these operations as its first batch.
fn store_of(operations: Vec<StoreOperation>) -> MemoryStore {
    let mut store = MemoryStore::new();
    store.commit(&StoreBatch { sequence: 1, operations }).unwrap();
    store
}

fn fetched(store: &mut MemoryStore, after_position: u64, most: usize) -> Vec<u64> {
    let fetch = Fetch { serial: 1, client_id: client_id(), after_position, most };
    store.fetch(&fetch).unwrap().iter().map(|(_, delivery)| delivery.position).collect()
}

#[test]
fn a_stretch_begins_above_the_position_and_leaves_out_what_is_under_way() {
    let mut operations = vec![put_session()];
    operations.extend((1..=9).map(put_delivery));
    operations.push(put_exchange(1, 4, Stage::AwaitPuback));
    operations.push(put_exchange(2, 5, Stage::AwaitPubcomp));
    let mut store = store_of(operations);
    assert_eq!(fetched(&mut store, 0, 3), [1, 2, 3]);
    assert_eq!(fetched(&mut store, 3, 3), [6, 7, 8]);
    assert_eq!(fetched(&mut store, 8, 3), [9]);
    assert!(fetched(&mut store, 9, 3).is_empty());
    // Past PUBREC the message is no longer needed, under way it is.
    let session = store.session("c").unwrap();
    assert!(session.deliveries.contains_key(&4) && !session.deliveries.contains_key(&5));
    assert_eq!(session.exchanges.len(), 2);
}

#[test]
fn a_delivery_that_is_over_takes_its_exchange_along() {
    let delete = |position, packet_id| StoreOperation::DeleteDelivery {
        client_id: client_id(),
        position,
        packet_id: PacketId::new(packet_id),
    };
    let store = store_of(vec![
        put_session(),
        put_delivery(1),
        put_delivery(2),
        put_exchange(1, 1, Stage::AwaitPuback),
        delete(1, 1),
        delete(2, 0),
    ]);
    let session = store.session("c").unwrap();
    assert_eq!((session.deliveries.len(), session.exchanges.len()), (0, 0));
}

#[test]
fn a_session_that_is_over_takes_everything_along() {
    let delete = StoreOperation::DeleteSession { client_id: client_id() };
    let mut store = store_of(vec![put_session(), put_delivery(1), delete]);
    assert_eq!(store.sessions().count(), 0);
    assert!(fetched(&mut store, 0, 10).is_empty());
}

#[test]
fn a_session_is_changed_without_losing_what_is_in_it() {
    let closed = StoreOperation::PutSession {
        client_id: client_id(),
        expiry_interval_secs: 20,
        version: Version::V3_1_1,
        closed_at_ms: Some(5),
    };
    let store = store_of(vec![put_session(), put_delivery(1), closed]);
    let session = store.session("c").unwrap();
    assert_eq!((session.expiry_interval_secs, session.version), (20, Version::V3_1_1));
    assert_eq!((session.closed_at_ms, session.deliveries.len()), (Some(5), 1));
}

#[test]
fn an_operation_for_a_session_that_does_not_exist_is_an_error() {
    let mut store = MemoryStore::new();
    let batch = StoreBatch { sequence: 1, operations: vec![put_delivery(1)] };
    assert!(matches!(store.commit(&batch), Err(StoreError::Failed(_))));
    assert_eq!(store.last_sequence(), 0);
}

#[test]
fn a_batch_out_of_order_is_an_error() {
    let mut store = store_of(Vec::new());
    for sequence in [1, 3] {
        assert!(store.commit(&StoreBatch { sequence, operations: Vec::new() }).is_err());
    }
    assert!(store.commit(&StoreBatch { sequence: 2, operations: Vec::new() }).is_ok());
}

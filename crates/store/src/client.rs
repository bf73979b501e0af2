//! A client's Session and queue in a store that was made for a broker: its changes as operations, and its records as a
//! client. The store has one Session, under the Client Identifier; what waits in the client's queue are the deliveries
//! that are in no exchange.

use std::sync::Arc;

use topicwire_broker::store::{Fetch, Record, Store, StoreBatch, StoreError, StoreOperation};
use topicwire_broker::{Delivery, Message};
use topicwire_codec::{Version, fanout};
use topicwire_session::client::{Client, ClientChange, ClientChanges, Config, Stored};

/// Messages of the queue that are read at once.
const STRETCH: usize = 1_024;

/// What the store is to commit for a batch of a client's changes. Messages are copied.
#[must_use]
pub fn client_batch(client_id: &Arc<str>, batch: ClientChanges) -> StoreBatch {
    let ClientChanges { sequence, changes } = batch;
    let operations = changes.into_iter().filter_map(|change| operation(client_id, change)).collect();
    StoreBatch { sequence, operations }
}

fn operation(client_id: &Arc<str>, change: ClientChange) -> Option<StoreOperation> {
    let client_id = Arc::clone(client_id);
    Some(match change {
        ClientChange::PutMessage { position, qos, message } => {
            let (parts, retain) = (message.parts(), message.retain());
            let message = Message::new(
                Arc::from(parts.topic_name),
                parts.forwarded,
                parts.payload,
                qos,
                retain,
                message.expires_at_ms(),
            );
            let subscription_ids = smallvec::SmallVec::new();
            let delivery = Delivery { message: Arc::new(message), retain, subscription_ids, position };
            StoreOperation::PutDelivery { client_id, delivery, qos }
        }
        ClientChange::PutExchange { packet_id, position, stage } => {
            StoreOperation::PutExchange { client_id, packet_id, position, stage }
        }
        ClientChange::DeleteExchange { packet_id } => {
            StoreOperation::DeleteDelivery { client_id, position: 0, packet_id: Some(packet_id) }
        }
        ClientChange::DeleteMessage { position, packet_id } => {
            StoreOperation::DeleteDelivery { client_id, position, packet_id }
        }
        ClientChange::PutInbound { packet_id } => StoreOperation::PutInbound { client_id, packet_id },
        ClientChange::DeleteInbound { packet_id } => StoreOperation::DeleteInbound { client_id, packet_id },
        // All that this client tells is above.
        _ => return None,
    })
}

/// A client made from what the store holds; a store with nothing in it is given to this client for good.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Failed`] too where the store is another client's, or a broker's.
pub fn open_client(
    store: &mut dyn Store,
    client_id: &Arc<str>,
    config: Config,
) -> Result<Client, StoreError> {
    let mut records = Vec::new();
    let mut other = None;
    let mut is_known = false;
    let mut last_sequence = store.contents(&mut |record| match record {
        Record::Put(StoreOperation::PutSession { client_id: owner, .. }) if owner == *client_id => {
            is_known = true;
        }
        Record::Put(StoreOperation::PutSession { client_id: owner, .. }) => other = Some(owner),
        Record::Retained { .. } => other = Some(Arc::from("")),
        record => records.push(record),
    })?;
    match other.as_deref() {
        Some("") => return Err(StoreError::Failed("it is a broker's".to_owned())),
        Some(other) => return Err(StoreError::Failed(format!("it is that of the client {other:?}"))),
        None => {}
    }
    if !is_known {
        let operation = StoreOperation::PutSession {
            client_id: Arc::clone(client_id),
            expiry_interval_secs: u32::MAX,
            version: Version::V5_0,
            closed_at_ms: None,
        };
        last_sequence += 1;
        store.commit(&StoreBatch { sequence: last_sequence, operations: vec![operation] })?;
    }
    let mut client = Client::with_store(config, last_sequence);
    for record in records {
        restore(&mut client, store, record)?;
    }
    Ok(client)
}

fn restore(client: &mut Client, store: &mut dyn Store, record: Record) -> Result<(), StoreError> {
    match record {
        Record::Put(StoreOperation::PutInbound { packet_id, .. }) => client.restore_inbound(packet_id),
        Record::Exchange { packet_id, position, stage, delivery, .. } => {
            let message = delivery.map(|delivery| stored(&delivery));
            if !client.restore_exchange(packet_id, position, stage, message) {
                let words = format!("the exchange {packet_id} cannot be taken up");
                return Err(StoreError::Damaged(words));
            }
        }
        Record::Queue { client_id, messages, .. } if messages > 0 => {
            let mut after_position = 0;
            loop {
                let client_id = Arc::clone(&client_id);
                let stretch = store.fetch(&Fetch { serial: 0, client_id, after_position, most: STRETCH })?;
                for (qos, delivery) in &stretch {
                    after_position = delivery.position;
                    client.restore_queued(*qos, stored(delivery));
                }
                if stretch.len() < STRETCH {
                    break;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn stored(delivery: &Delivery) -> Stored {
    let message = &delivery.message;
    let parts = fanout::Message {
        topic_name: message.topic_name(),
        forwarded: message.forwarded(),
        payload: message.payload(),
    };
    Stored::restored(delivery.position, &parts, message.retain, message.expires_at_ms)
}

use super::*;

const LIMITS: QueueLimits = QueueLimits { messages: 3, bytes: 100 };

fn queued(message: u32) -> Queued<u32> {
    Queued { qos: QoS::AtLeastOnce, bytes: 10, message }
}

#[test]
fn the_window_bounds_what_is_under_way() {
    let mut outbound = Outbound::new(2);
    assert!(outbound.is_clear());
    let first = outbound.begin(QoS::AtLeastOnce, 1).unwrap();
    outbound.begin(QoS::AtLeastOnce, 2).unwrap();
    assert!(!outbound.is_clear());
    outbound.enqueue(queued(3), &LIMITS).unwrap();
    assert!(outbound.poll_send().is_none());
    assert_eq!(outbound.handle_puback(first), Some(1));
    assert_eq!(outbound.poll_send().map(|(_, queued)| queued.message), Some(3));
    assert_eq!(outbound.handle_puback(first), None);
}

#[test]
fn the_queue_is_bounded_by_count_and_by_bytes() {
    let mut outbound = Outbound::new(1);
    for n in 0..3 {
        outbound.enqueue(queued(n), &LIMITS).unwrap();
    }
    assert_eq!(outbound.enqueue(queued(3), &LIMITS), Err(QueueFull));
    assert_eq!(outbound.drop_oldest().map(|queued| queued.message), Some(0));
    let large = Queued { qos: QoS::AtLeastOnce, bytes: 81, message: 9 };
    assert_eq!(outbound.enqueue(large, &LIMITS), Err(QueueFull));
    assert_eq!((outbound.queued_count(), outbound.queued_bytes()), (2, 20));
}

#[test]
fn a_message_can_be_taken_back_from_the_queue_and_from_nowhere_else() {
    let mut outbound = Outbound::new(1);
    let sent = outbound.begin(QoS::AtLeastOnce, 1).unwrap();
    for n in [2, 4, 6] {
        outbound.enqueue(queued(n), &LIMITS).unwrap();
    }
    let mut withdraw = |n: u32| outbound.withdraw(|queued| queued.message.cmp(&n)).map(|it| it.message);
    assert_eq!([1, 4, 4, 3, 7].map(&mut withdraw), [None, Some(4), None, None, None]);
    assert_eq!((outbound.queued_count(), outbound.queued_bytes()), (2, 20));
    assert_eq!(outbound.handle_puback(sent), Some(1));
    assert_eq!(outbound.poll_send().map(|(_, queued)| queued.message), Some(2));
}

#[test]
fn a_resume_sends_open_exchanges_again_in_their_order() {
    let mut outbound = Outbound::new(10);
    let ids: Vec<_> = (0..3).map(|n| outbound.begin(QoS::ExactlyOnce, n).unwrap()).collect();
    assert_eq!(outbound.handle_pubrec(ids[1], false), PubrecStep::SendPubrel(Some(1)));
    outbound.enqueue(queued(7), &LIMITS).unwrap();
    outbound.resume(10);
    assert!(outbound.poll_send().is_none());
    let publish = |n: usize| Resend::Publish { packet_id: ids[n], qos: QoS::ExactlyOnce, message: n as u32 };
    assert_eq!(outbound.poll_resend(), Some(publish(0)));
    assert_eq!(outbound.poll_resend(), Some(Resend::Pubrel { packet_id: ids[1] }));
    assert_eq!(outbound.poll_resend(), Some(publish(2)));
    assert_eq!(outbound.poll_resend(), None);
    assert_eq!(outbound.poll_send().map(|(_, queued)| queued.message), Some(7));
}

#[test]
fn a_resume_keeps_to_a_smaller_window() {
    let mut outbound = Outbound::new(10);
    let ids: Vec<_> = (0..3).map(|n| outbound.begin(QoS::AtLeastOnce, n).unwrap()).collect();
    outbound.resume(1);
    assert!(outbound.poll_resend().is_some());
    assert_eq!(outbound.poll_resend(), None);
    outbound.handle_puback(ids[0]);
    assert!(outbound.poll_resend().is_some());
    assert_eq!(outbound.poll_resend(), None);
}

#[test]
fn qos_2_runs_through_its_stages() {
    let mut outbound = Outbound::new(1);
    let id = outbound.begin(QoS::ExactlyOnce, 5).unwrap();
    assert_eq!(outbound.handle_puback(id), None);
    assert!(!outbound.handle_pubcomp(id));
    assert_eq!(outbound.handle_pubrec(id, false), PubrecStep::SendPubrel(Some(5)));
    assert_eq!(outbound.handle_pubrec(id, false), PubrecStep::SendPubrel(None));
    assert!(!outbound.is_clear());
    assert!(outbound.handle_pubcomp(id));
    assert!(outbound.is_clear());
    assert_eq!(outbound.handle_pubrec(id, false), PubrecStep::Unknown);
}

#[test]
fn a_refused_qos_2_message_ends_with_pubrec() {
    let mut outbound = Outbound::new(1);
    let id = outbound.begin(QoS::ExactlyOnce, 5).unwrap();
    assert_eq!(outbound.handle_pubrec(id, true), PubrecStep::Refused(5));
    assert!(outbound.is_clear());
}

#[test]
fn what_was_not_sent_on_this_connection_gives_no_quota_back() {
    let mut outbound = Outbound::new(10);
    let ids: Vec<_> = (0..3).map(|n| outbound.begin(QoS::ExactlyOnce, n).unwrap()).collect();
    assert_eq!(outbound.handle_pubrec(ids[0], false), PubrecStep::SendPubrel(Some(0)));
    outbound.resume(1);
    assert_eq!(outbound.poll_resend(), Some(Resend::Pubrel { packet_id: ids[0] }));
    assert!(outbound.poll_resend().is_some());
    assert!(outbound.handle_pubcomp(ids[0]));
    // The second PUBLISH is still under way, and the peer takes one at a time.
    assert_eq!(outbound.poll_resend(), None);
    assert_eq!(outbound.handle_pubrec(ids[1], true), PubrecStep::Refused(1));
    assert!(outbound.poll_resend().is_some());
}

#[test]
fn the_quota_never_exceeds_the_receive_maximum() {
    let mut outbound = Outbound::new(5);
    let ids: Vec<_> = (0..5).map(|n| outbound.begin(QoS::AtLeastOnce, n).unwrap()).collect();
    outbound.resume(2);
    for id in ids {
        outbound.handle_puback(id);
    }
    assert_eq!(outbound.send_quota, 2);
}

#[test]
fn requests_share_the_identifiers_and_nothing_else() {
    let mut outbound = Outbound::new(1);
    let request = outbound.open_request().unwrap();
    assert!(outbound.is_clear());
    let message = outbound.begin(QoS::AtLeastOnce, 1).unwrap();
    assert_ne!(request, message);
    assert_eq!(outbound.handle_puback(request), None);
    assert_eq!(outbound.handle_pubrec(request, false), PubrecStep::Unknown);
    assert!(!outbound.close_request(message));
    outbound.resume(1);
    assert_eq!(
        outbound.poll_resend(),
        Some(Resend::Publish { packet_id: message, qos: QoS::AtLeastOnce, message: 1 })
    );
    assert_eq!(outbound.poll_resend(), None);
    assert!(outbound.close_request(request) && !outbound.close_request(request));
}

#[test]
fn an_exchange_that_was_to_be_sent_again_and_is_over_is_not_waited_for_when_a_request_has_its_identifier() {
    let mut outbound = Outbound::new(2);
    let [first, second] = [1, 2].map(|n| outbound.begin(QoS::AtLeastOnce, n).unwrap());
    outbound.resume(1);
    assert!(outbound.poll_resend().is_some());
    assert_eq!(outbound.handle_puback(second), Some(2));
    while outbound.open_request().map(|id| id != second && outbound.close_request(id)).unwrap() {}
    // The window is full; what the list still names is no message.
    assert_eq!(outbound.poll_resend(), None);
    assert!(!outbound.has_waiting());
    assert_eq!(outbound.handle_puback(first), Some(1));
    assert!(outbound.is_clear() && outbound.close_request(second));
}

#[test]
fn a_window_that_is_overdrawn_is_not_opened_by_a_larger_one_or_by_what_is_given_up() {
    let mut outbound = Outbound::new(5);
    let sent: Vec<_> = (0..5).map(|n| outbound.begin(QoS::ExactlyOnce, n).unwrap()).collect();
    outbound.limit(2);
    outbound.limit(4);
    assert!(!outbound.has_window());
    outbound.limit(3);
    assert!(outbound.give_up_resend(sent[0]));
    assert!(!outbound.has_window());
    assert!(outbound.handle_pubcomp(sent[0]));
    assert_eq!(outbound.handle_pubrec(sent[1], true), PubrecStep::Refused(1));
    assert!(!outbound.has_window());
    assert_eq!(outbound.handle_pubrec(sent[2], true), PubrecStep::Refused(2));
    assert!(outbound.has_window());
}

#[test]
fn a_window_that_is_learnt_late_counts_what_is_under_way() {
    let mut outbound = Outbound::new(u16::MAX);
    let sent: Vec<_> = (0..3).map(|n| outbound.begin(QoS::AtLeastOnce, n).unwrap()).collect();
    outbound.limit(1);
    for packet_id in &sent {
        assert!(!outbound.has_window());
        outbound.handle_puback(*packet_id);
    }
    assert!(outbound.has_window());
    outbound.begin(QoS::AtLeastOnce, 3).unwrap();
    assert!(!outbound.has_window());
}

#[test]
fn the_end_of_a_session_ends_exchanges_in_order_and_leaves_the_queue() {
    let mut outbound = Outbound::new(2);
    let first = outbound.begin(QoS::ExactlyOnce, 1).unwrap();
    outbound.begin(QoS::AtLeastOnce, 2).unwrap();
    outbound.handle_pubrec(first, false);
    outbound.enqueue(queued(3), &LIMITS).unwrap();
    let mut dropped = Vec::new();
    outbound.discard_exchanges(|_, message| dropped.push(message));
    assert_eq!(dropped, [None, Some(2)]);
    assert_eq!(outbound.poll_send().map(|(_, queued)| queued.message), Some(3));
}

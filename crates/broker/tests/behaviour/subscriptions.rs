//! What a subscription asks for, overlapping ones, and shared ones.

use topicwire_codec::{PacketType, QoS, ReasonCode, Version};

use crate::support::*;

#[test]
fn suback_has_one_code_for_each_filter_in_their_order() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    let filters = [
        line("a", QoS::ExactlyOnce),
        line("a/#/b", QoS::AtMostOnce),
        line("b", QoS::AtLeastOnce),
        line("$share//x", QoS::AtLeastOnce),
        line("c", QoS::AtMostOnce),
    ];
    assert_eq!(
        bench.subscribe_to(client, &filters, None),
        [
            ReasonCode::GrantedQoS2,
            ReasonCode::TopicFilterInvalid,
            ReasonCode::GrantedQoS1,
            ReasonCode::TopicFilterInvalid,
            ReasonCode::GRANTED_QOS_0,
        ]
    );
    let old = bench.connect(Version::V3_1_1, "old");
    assert_eq!(
        bench.subscribe_to(old, &filters[..2], None),
        [ReasonCode::GrantedQoS2, ReasonCode::UnspecifiedError]
    );
}

#[test]
fn unsubscribe_says_what_there_was_and_stops_what_there_is() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.subscribe(client, "a", QoS::AtLeastOnce);
    bench.subscribe(client, "$share/g/a", QoS::AtLeastOnce);
    assert_eq!(
        bench.unsubscribe(client, &["a", "b", "a/#/b", "$share/g/a"]),
        [
            ReasonCode::Success,
            ReasonCode::NoSubscriptionExisted,
            ReasonCode::TopicFilterInvalid,
            ReasonCode::Success,
        ]
    );
    assert_eq!(bench.broker.subscription_count(), 0);
    assert_eq!(bench.publish(client, "a", "m", QoS::AtLeastOnce), ReasonCode::NoMatchingSubscribers);
}

#[test]
fn an_unsubscribed_client_still_gets_what_was_on_its_way() {
    let mut bench = Bench::new();
    let (client, _) =
        bench.connect_with(Version::V5_0, "c", |connect| connect.properties.receive_maximum = Some(1));
    bench.subscribe(client, "t", QoS::AtLeastOnce);
    for text in ["1", "2"] {
        bench.publish(client, "t", text, QoS::AtLeastOnce);
    }
    let first = bench.publish_of(client);
    bench.unsubscribe(client, &["t"]);
    bench.publish(client, "t", "3", QoS::AtLeastOnce);
    bench.send_ack(client, PacketType::Puback, first.id());
    bench.acknowledging(client);
    assert_eq!(bench.texts(client), ["2"]);
}

#[test]
fn overlapping_subscriptions_deliver_once_with_the_highest_qos_and_all_identifiers() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.subscribe_to(client, &[line("a/b", QoS::AtMostOnce)], Some(1));
    bench.subscribe_to(client, &[line("a/+", QoS::ExactlyOnce)], Some(268_435_455));
    bench.subscribe_to(client, &[line("#", QoS::AtLeastOnce)], None);
    bench.subscribe_to(client, &[line("b/#", QoS::AtLeastOnce)], Some(9));
    bench.publish(client, "a/b", "m", QoS::ExactlyOnce);
    let mut publish = bench.publish_of(client);
    publish.subscription_ids.sort_unstable();
    assert_eq!((publish.qos, publish.subscription_ids), (QoS::ExactlyOnce, vec![1, 268_435_455]));
}

#[test]
fn the_highest_qos_counts_whichever_filter_has_it() {
    let filters = ["a/b", "a/+", "#"];
    for highest in 0..filters.len() {
        let mut bench = Bench::new();
        let client = bench.connect(Version::V5_0, "c");
        for (n, filter) in filters.iter().enumerate() {
            bench.subscribe(client, filter, if n == highest { QoS::ExactlyOnce } else { QoS::AtLeastOnce });
        }
        bench.publish(client, "a/b", "m", QoS::ExactlyOnce);
        assert_eq!(bench.publish_of(client).qos, QoS::ExactlyOnce, "{}", filters[highest]);
    }
}

#[test]
fn a_queued_message_keeps_its_identifiers() {
    let mut bench = Bench::new();
    let (client, _) = bench.connect_durably(Version::V5_0, "c");
    bench.subscribe_to(client, &[line("t", QoS::AtLeastOnce)], Some(5));
    bench.cut(client);
    let publisher = bench.connect(Version::V5_0, "p");
    bench.publish(publisher, "t", "m", QoS::AtLeastOnce);
    let (client, _) = bench.connect_durably(Version::V5_0, "c");
    assert_eq!(bench.publish_of(client).subscription_ids, [5]);
}

#[test]
fn no_local_keeps_a_clients_own_messages_from_it_and_no_others() {
    let mut bench = Bench::new();
    let (a, b) = (bench.connect(Version::V5_0, "a"), bench.connect(Version::V5_0, "b"));
    for client in [a, b] {
        bench.subscribe_as(client, "t", QoS::AtMostOnce, |options| options.no_local = true);
    }
    bench.publish(a, "t", "of a", QoS::AtMostOnce);
    assert_eq!((bench.texts(a), bench.texts(b)), (vec![], vec!["of a".to_owned()]));
    // A second subscription without it asks for them.
    bench.subscribe(a, "#", QoS::AtMostOnce);
    bench.publish(a, "t", "now", QoS::AtMostOnce);
    assert_eq!(bench.texts(a), ["now"]);
}

#[test]
fn a_subscription_that_is_made_again_replaces_its_options() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.subscribe_to(client, &[line("t", QoS::AtLeastOnce)], Some(1));
    bench.subscribe_to(client, &[line("t", QoS::AtMostOnce)], Some(2));
    bench.publish(client, "t", "m", QoS::AtLeastOnce);
    let publish = bench.publish_of(client);
    assert_eq!((publish.qos, publish.subscription_ids), (QoS::AtMostOnce, vec![2]));
    assert_eq!(bench.broker.subscription_count(), 1);
}

#[test]
fn a_shared_subscription_with_no_local_is_a_protocol_error() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    let mut asked = line("$share/g/t", QoS::AtMostOnce);
    asked.options.no_local = true;
    bench.send_subscribe(client, &[asked], None);
    assert_eq!(bench.closed(client), Some(ReasonCode::ProtocolError));
    bench.assert_empty();
}

#[test]
fn a_shared_subscription_deals_messages_out_fairly() {
    let mut bench = Bench::new();
    let members: Vec<_> = (0..4).map(|n| bench.connect(Version::V5_0, &n.to_string())).collect();
    for member in &members {
        bench.subscribe(*member, "$share/g/t/+", QoS::AtLeastOnce);
        bench.acknowledging(*member);
    }
    let outsider = bench.connect(Version::V5_0, "outsider");
    bench.subscribe(outsider, "t/+", QoS::AtMostOnce);
    let other_group = bench.connect(Version::V3_1_1, "other group");
    bench.subscribe(other_group, "$share/h/t/+", QoS::AtMostOnce);
    for n in 0..100 {
        bench.publish(outsider, "t/x", &n.to_string(), [QoS::AtMostOnce, QoS::AtLeastOnce][n % 2]);
    }
    let counts: Vec<_> = members.iter().map(|member| bench.publishes(*member).len()).collect();
    assert_eq!(counts, [25; 4]);
    assert_eq!(bench.publishes(outsider).len(), 100);
    assert_eq!(bench.publishes(other_group).len(), 100);
}

#[test]
fn a_client_gets_one_copy_for_each_of_its_shared_subscriptions_across_a_reconnection() {
    let mut bench = Bench::new();
    let (member, _) = bench.connect_durably(Version::V5_0, "m");
    for filter in ["$share/g/t/#", "$share/g/t/+", "$share/h/t/+", "t/x"] {
        bench.subscribe(member, filter, QoS::AtLeastOnce);
    }
    let publisher = bench.connect(Version::V5_0, "p");
    bench.publish(publisher, "t/x", "here", QoS::AtLeastOnce);
    assert_eq!(bench.texts(member), ["here"; 4]);
    bench.cut(member);
    bench.publish(publisher, "t/x", "away", QoS::AtLeastOnce);
    let (member, present) = bench.connect_durably(Version::V5_0, "m");
    assert!(present);
    // The first four were not acknowledged.
    let mut texts = bench.texts(member);
    texts.sort();
    assert_eq!(texts, [["away"; 4], ["here"; 4]].concat());
}

#[test]
fn a_group_prefers_those_who_can_take_a_message_now() {
    let mut bench = Bench::new();
    let (busy, _) =
        bench.connect_with(Version::V5_0, "busy", |connect| connect.properties.receive_maximum = Some(1));
    let free = bench.connect(Version::V5_0, "free");
    for member in [busy, free] {
        bench.subscribe(member, "$share/g/t", QoS::AtLeastOnce);
    }
    bench.acknowledging(free);
    for n in 0..20 {
        bench.publish(free, "t", &n.to_string(), QoS::AtLeastOnce);
    }
    assert_eq!((bench.publishes(busy).len(), bench.publishes(free).len()), (1, 19));
}

#[test]
fn a_group_without_connected_members_keeps_messages_for_one_that_will_be_back() {
    let mut bench = Bench::new();
    let (a, _) = bench.connect_durably(Version::V5_0, "a");
    let (b, _) = bench.connect_durably(Version::V5_0, "b");
    let gone = bench.connect(Version::V5_0, "gone");
    for member in [a, b, gone] {
        bench.subscribe(member, "$share/g/t", QoS::AtLeastOnce);
        bench.cut(member);
    }
    let publisher = bench.connect(Version::V5_0, "p");
    for n in 0..10 {
        assert_eq!(bench.publish(publisher, "t", &n.to_string(), QoS::AtLeastOnce), ReasonCode::Success);
    }
    // QoS 0 is kept for nobody, and counted.
    bench.publish(publisher, "t", "lost", QoS::AtMostOnce);
    assert_eq!(bench.broker.metrics().dropped, [0, 0, 0, 0, 1]);
    let mut texts = Vec::new();
    for client_id in ["a", "b"] {
        let (member, present) = bench.connect_durably(Version::V5_0, client_id);
        assert!(present);
        texts.extend(bench.texts(member));
    }
    texts.sort();
    assert_eq!(texts, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn what_a_member_had_under_way_stays_its_own() {
    let mut bench = Bench::new();
    let (a, _) = bench.connect_durably(Version::V5_0, "a");
    bench.subscribe(a, "$share/g/t", QoS::ExactlyOnce);
    let b = bench.connect(Version::V5_0, "b");
    bench.publish(b, "t", "for a", QoS::ExactlyOnce);
    let id = bench.publish_of(a).id();
    bench.subscribe(b, "$share/g/t", QoS::ExactlyOnce);
    bench.cut(a);
    assert_eq!(bench.publishes(b), []);
    let (a, _) = bench.connect_durably(Version::V5_0, "a");
    let again = bench.publish_of(a);
    assert_eq!((again.text(), again.dup, again.id()), ("for a", true, id));
}

#[test]
fn limits_on_subscriptions_have_their_reasons() {
    let mut bench = Bench::with_limits(|limits| {
        limits.maximum_subscriptions_per_session = 2;
        limits.maximum_topic_levels = 3;
    });
    let client = bench.connect(Version::V5_0, "c");
    let filters =
        ["a", "b", "c", "a", "a/b/c", "a/b/c/d", "$share/g/a/b/c/d"].map(|it| line(it, QoS::AtMostOnce));
    assert_eq!(
        bench.subscribe_to(client, &filters, None),
        [
            ReasonCode::GRANTED_QOS_0,
            ReasonCode::GRANTED_QOS_0,
            ReasonCode::QuotaExceeded,
            ReasonCode::GRANTED_QOS_0,
            ReasonCode::QuotaExceeded,
            ReasonCode::TopicFilterInvalid,
            ReasonCode::TopicFilterInvalid,
        ]
    );
    assert_eq!(bench.publish(client, "a/b/c", "m", QoS::AtLeastOnce), ReasonCode::NoMatchingSubscribers);
    bench.send_publish(client, "a/b/c/d", b"m", QoS::AtLeastOnce, |_| {});
    assert_eq!(bench.closed(client), Some(ReasonCode::TopicNameInvalid));
}

#[test]
fn the_longest_and_the_deepest_topics_pass() {
    let mut bench = Bench::new();
    let client = bench.connect(Version::V5_0, "c");
    bench.subscribe(client, "#", QoS::AtMostOnce);
    let (longest, deepest) = ("x".repeat(65_535), vec!["l"; 128].join("/"));
    for topic_name in [&longest, &deepest] {
        bench.publish(client, topic_name, "m", QoS::AtMostOnce);
        assert_eq!(&bench.publish_of(client).topic_name, topic_name);
    }
    bench.send_publish(client, &format!("{deepest}/l"), b"m", QoS::AtMostOnce, |_| {});
    assert_eq!(bench.closed(client), Some(ReasonCode::TopicNameInvalid));
}

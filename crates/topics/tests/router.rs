//! The router for those who have no broker.

use topicwire_topics::{TopicError, TopicRouter};

fn matched(router: &TopicRouter, topic: &str) -> Vec<u32> {
    let mut ids = Vec::new();
    router.match_into(topic, &mut ids).unwrap();
    ids
}

#[test]
fn ids_come_once_each_and_in_ascending_order() {
    let mut router = TopicRouter::with_seed(1);
    for (text, id) in [("a/b", 9), ("a/b", 3), ("a/+", 3), ("#", 5), ("a/#", 9), ("+/b", 1), ("c", 2)] {
        assert_eq!(router.add(text, id), Ok(true));
    }
    assert_eq!(matched(&router, "a/b"), [1, 3, 5, 9]);
    assert_eq!(matched(&router, "c"), [2, 5]);
    assert_eq!(matched(&router, "$SYS/b"), [] as [u32; 0]);
    assert_eq!(router.len(), 7);
}

#[test]
fn matching_appends_and_leaves_what_was_there() {
    let mut router = TopicRouter::new();
    for (text, id) in [("#", 4), ("a", 4), ("a", 1)] {
        router.add(text, id).unwrap();
    }
    let mut ids = vec![4, 4, 1, 1];
    router.match_into("a", &mut ids).unwrap();
    assert_eq!(ids, [4, 4, 1, 1, 1, 4]);
}

#[test]
fn adding_and_removing_say_whether_they_changed_anything() {
    let mut router = TopicRouter::new();
    assert_eq!((router.add("a/+", 1), router.add("a/+", 1)), (Ok(true), Ok(false)));
    assert_eq!((router.remove("a/+", 2), router.remove("a/b", 1)), (Ok(false), Ok(false)));
    assert_eq!((router.remove("a/+", 1), router.remove("a/+", 1)), (Ok(true), Ok(false)));
    assert!(router.is_empty());
    assert_eq!(matched(&router, "a/b"), [] as [u32; 0]);
}

#[test]
fn a_filter_that_begins_with_share_is_a_filter_like_any_other() {
    let mut router = TopicRouter::new();
    router.add("$share/g/+", 1).unwrap();
    assert_eq!((matched(&router, "$share/g/a"), matched(&router, "a")), (vec![1], vec![]));
}

#[test]
fn bad_text_is_refused_and_changes_nothing() {
    let mut router = TopicRouter::new();
    assert_eq!(router.add("a/#/b", 1), Err(TopicError::MisplacedWildcard { at: 2 }));
    assert_eq!(router.remove("", 1), Err(TopicError::Empty));
    let mut ids = vec![7];
    assert_eq!(router.match_into("a/+", &mut ids), Err(TopicError::WildcardInName));
    assert_eq!((ids, router.is_empty()), (vec![7], true));
}

#[test]
fn memory_is_counted() {
    let mut router = TopicRouter::new();
    let empty = router.heap_bytes();
    for id in 0..1_000 {
        router.add(&format!("building/{id}/+/temperature"), id).unwrap();
        router.add(&format!("building/{id}/door"), id).unwrap();
    }
    let full = router.heap_bytes();
    assert!(full > empty + 2_000 * 40);
    for id in 0..1_000 {
        router.remove(&format!("building/{id}/+/temperature"), id).unwrap();
        router.remove(&format!("building/{id}/door"), id).unwrap();
    }
    assert!(router.heap_bytes() < full / 20, "{} of {full}", router.heap_bytes());
}

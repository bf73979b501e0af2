use super::*;
use crate::pattern::Variables;

fn one(text: &str, version: Version) -> Action {
    let mut steps = parse(text, version).unwrap();
    assert_eq!(steps.len(), 1, "{text}");
    steps.remove(0).action
}

#[test]
fn each_line_is_a_step_and_comments_are_none() {
    let text = "
        # before
        a > c0 00          # a comment
        a < d0 00

        a <any 30 [ \"a;b\" ] ; 30 [ ]
        a quiet
        b drops
        wait 15 ms
        a closed
        a closed 81
    ";
    let steps = parse(text, Version::V5_0).unwrap();
    let lines: Vec<_> = steps.iter().map(|step| step.line).collect();
    assert_eq!(lines, [3, 4, 6, 7, 8, 9, 10, 11]);
    assert!(matches!(&steps[2].action, Action::GetsAny { packets, .. } if packets.len() == 2));
    assert_eq!(steps[4].action, Action::Drops { client: "b".to_owned() });
    assert_eq!(steps[5].action, Action::Wait { ms: 15 });
    assert!(matches!(&steps[6].action, Action::Closed { disconnect: None, .. }));
    assert!(matches!(&steps[7].action, Action::Closed { disconnect: Some(_), .. }));
}

#[test]
fn nobody_is_told_why_before_5_0() {
    let closed = Action::Closed { client: "a".to_owned(), disconnect: None };
    assert_eq!(one("a closed 81", Version::V3_1_1), closed);
}

#[test]
fn session_present_is_expected_where_there_is_one() {
    for (version, expected) in
        [(Version::V3_1, &b"\x20\x02\x00\x00"[..]), (Version::V3_1_1, b"\x20\x02\x01\x00")]
    {
        let Action::Connects { connack, .. } = one("a connects clean=0 present=1", version) else { panic!() };
        assert_eq!(connack.bytes(&Variables::new()).unwrap(), expected);
    }
}

#[test]
fn what_is_no_step_says_its_line() {
    assert_eq!(parse("\na quiet\n\na sings", Version::V5_0).unwrap_err().line, 4);
}

//! CONNECT.

use crate::*;

#[test]
fn an_unknown_protocol_name_is_unsupported() {
    for name in ["", "mqtt", "MQTT ", "MQIsdq", "HTTP"] {
        refused(V5_0, CONNECT, &connect_body(name, 4, 0, &[0, 0]), Unsupported::ProtocolName);
    }
}

#[test]
fn a_level_that_the_name_does_not_have_is_unsupported() {
    for (name, level) in [("MQTT", 3), ("MQTT", 6), ("MQTT", 0), ("MQIsdp", 4), ("MQIsdp", 5), ("MQTT", 0x83)]
    {
        refused(
            V5_0,
            CONNECT,
            &connect_body(name, level, 0, &[0, 0]),
            Unsupported::ProtocolVersion { level },
        );
    }
    // Said before the rest is looked at, which a future version may lay out differently.
    refused(V5_0, CONNECT, &connect_body("MQTT", 6, 1, &[]), Unsupported::ProtocolVersion { level: 6 });
}

#[test]
fn bit_7_of_the_level_is_a_bridge() {
    for (name, version) in [("MQIsdp", V3_1), ("MQTT", V3_1_1), ("MQTT", V5_0)] {
        let rest: &[u8] = if version.is_v5() { &[0, 0, 0] } else { &[0, 0] };
        let bytes = packet(CONNECT, &connect_body(name, 0x80 | version.level(), 0, rest));
        let Ok(Packet::Connect(connect)) = decode(&bytes, V3_1_1) else { panic!("refused") };
        assert_eq!((connect.version, connect.bridge), (version, true));
    }
}

#[test]
fn the_reserved_flag_is_refused_but_in_3_1_which_leaves_it_open() {
    refused(V5_0, CONNECT, &connect_body("MQTT", 5, 1, &[0, 0, 0]), Malformed::ConnectReservedFlag);
    refused(V5_0, CONNECT, &connect_body("MQTT", 4, 1, &[0, 0]), Malformed::ConnectReservedFlag);
    accepted(V5_0, CONNECT, &connect_body("MQIsdp", 3, 1, &[0, 0]));
}

#[test]
fn will_qos_and_will_retain_need_a_will() {
    for flags in [0x08, 0x10, 0x18, 0x20, 0x28] {
        refused(V5_0, CONNECT, &connect_body("MQTT", 4, flags, &[0, 0]), Malformed::WillFlagsWithoutWill);
        refused(V5_0, CONNECT, &connect_body("MQTT", 5, flags, &[0, 0, 0]), Malformed::WillFlagsWithoutWill);
    }
}

#[test]
fn a_will_of_qos_3_is_refused() {
    refused(
        V5_0,
        CONNECT,
        &connect_body("MQTT", 4, 0x1C, &[0, 0, 0, 1, b't', 0, 0]),
        Malformed::WillQosThree,
    );
}

#[test]
fn an_empty_will_topic_is_refused() {
    refused(
        V5_0,
        CONNECT,
        &connect_body("MQTT", 4, 0x04, &[0, 0, 0, 0, 0, 0]),
        ProtocolError::EmptyTopicName,
    );
}

#[test]
fn a_password_without_a_user_name_is_5_0s_alone() {
    accepted(V5_0, CONNECT, &connect_body("MQTT", 5, 0x40, &[0, 0, 0, 0, 1, b'p']));
    for (name, level) in [("MQTT", 4), ("MQIsdp", 3)] {
        let body = connect_body(name, level, 0x40, &[0, 0, 0, 1, b'p']);
        refused(V5_0, CONNECT, &body, Malformed::PasswordWithoutUsername);
    }
}

#[test]
fn in_3_1_a_user_name_and_password_that_the_packet_ends_before_are_not_there() {
    for (rest, username) in [(&[0, 0][..], None), (&[0, 0, 0, 1, b'u'], Some("u"))] {
        let bytes = packet(CONNECT, &connect_body("MQIsdp", 3, 0xC0, rest));
        let Ok(Packet::Connect(connect)) = decode(&bytes, V3_1) else { panic!("refused") };
        assert_eq!((connect.username, connect.password), (username, None));
    }
    refused(V5_0, CONNECT, &connect_body("MQTT", 4, 0xC0, &[0, 0]), Malformed::UnexpectedEnd);
}

#[test]
fn bytes_behind_the_last_field_are_refused() {
    refused(V5_0, CONNECT, &connect_body("MQTT", 4, 0, &[0, 0, 0]), Malformed::TrailingBytes);
    refused(V5_0, CONNECT, &connect_body("MQTT", 5, 0, &[0, 0, 0, 0]), Malformed::TrailingBytes);
    refused(V5_0, CONNECT, &connect_body("MQIsdp", 3, 0, &[0, 0, 0]), Malformed::TrailingBytes);
}

#[test]
fn an_empty_client_id_is_the_servers_business() {
    accepted(V5_0, CONNECT, &connect_body("MQTT", 4, 0, &[0, 0]));
    accepted(V5_0, CONNECT, &connect_body("MQIsdp", 3, 0, &[0, 0]));
}

//! What our client tells its application, as a line of text for each event.

use std::fmt::Write as _;

use topicwire_codec::{Packet, Publish, ReasonCode};
use topicwire_session::client::{Abandonment, Client, Closing, Event, Span};

/// The line of an event. `chunk` is what its spans point into.
pub(super) fn line(client: &Client, chunk: &[u8], event: &Event) -> String {
    let packet = |span: &Span| client.packet(chunk, *span).expect("an event points to its packet");
    let code = |code: &ReasonCode| format!("{:02x}", code.value());
    match event {
        Event::Connected { session_present, packet: span } => {
            let Packet::Connack(connack) = packet(span) else { panic!("connected without CONNACK") };
            let mut line = "connected".to_owned();
            if *session_present {
                line.push_str(" present");
            }
            let texts = [
                ("id", connack.properties.assigned_client_id),
                ("response_information", connack.properties.response_information),
                ("reason", connack.properties.reason_string),
            ];
            for (name, text) in texts {
                add(&mut line, name, text);
            }
            line
        }
        Event::Message(received) => {
            let publish = client.publish_packet(chunk, received).expect("an event points to its packet");
            assert_eq!(client.bytes(chunk, received.payload), Some(publish.payload));
            let topic_name = client.bytes(chunk, received.topic_name).expect("so does its topic name");
            assert!(received.alias_of.is_some() || topic_name == publish.topic_name.as_bytes());
            message(&publish)
        }
        Event::Published { ticket, reason_code, .. } => {
            format!("published {} {}", ticket.0, code(reason_code))
        }
        Event::Subscribed { ticket, packet: span } => {
            let Packet::Suback(suback) = packet(span) else { panic!("subscribed without SUBACK") };
            let mut line = format!("subscribed {}", ticket.0);
            suback.reason_codes.iter().for_each(|it| line.push_str(&format!(" {}", code(&it))));
            line
        }
        Event::Unsubscribed { ticket, packet: span } => {
            let Packet::Unsuback(unsuback) = packet(span) else { panic!("unsubscribed without UNSUBACK") };
            let mut line = format!("unsubscribed {}", ticket.0);
            unsuback.reason_codes.iter().for_each(|it| line.push_str(&format!(" {}", code(&it))));
            line
        }
        Event::Abandoned { ticket, cause: Abandonment::Unsendable(misuse) } => {
            format!("abandoned {} {}", ticket.0, name_of(misuse))
        }
        Event::Abandoned { ticket, cause } => format!("abandoned {} {}", ticket.0, name_of(cause)),
        Event::Authenticate { packet: span } => format!("authenticate{}", auth_data(&packet(span))),
        Event::Reauthenticated { packet: span } => format!("reauthenticated{}", auth_data(&packet(span))),
        Event::Pong => "pong".to_owned(),
        Event::Closed(Closing::Refused { reason_code, packet: span }) => {
            let Packet::Connack(connack) = packet(span) else { panic!("refused without CONNACK") };
            let mut line = format!("closed Refused {}", code(reason_code));
            add(&mut line, "reference", connack.properties.server_reference);
            line
        }
        Event::Closed(Closing::ByServer { reason_code, packet: span }) => {
            let Packet::Disconnect(disconnect) = packet(span) else {
                panic!("disconnected without DISCONNECT")
            };
            let mut line = format!("closed ByServer {}", code(reason_code));
            add(&mut line, "reference", disconnect.server_reference);
            line
        }
        Event::Closed(Closing::Fault { reason_code, .. }) => format!("closed Fault {}", code(reason_code)),
        Event::Closed(closing) => format!("closed {}", name_of(closing)),
        other => format!("{other:?}"),
    }
}

fn message(publish: &Publish<'_>) -> String {
    let mut line = format!("message \"{}\"", publish.topic_name);
    match std::str::from_utf8(publish.payload) {
        Ok(text) if text.len() <= 64 => line.push_str(&format!(" '{text}'")),
        _ => line.push_str(&format!(" <{} bytes>", publish.payload.len())),
    }
    for (name, value) in
        [("qos", publish.qos.value()), ("dup", publish.dup.into()), ("retain", publish.retain.into())]
    {
        if value != 0 {
            let _ = write!(line, " {name}={value}");
        }
    }
    let properties = &publish.properties;
    if !properties.subscription_ids.is_empty() {
        let ids: Vec<_> = properties.subscription_ids.iter().map(|id| id.to_string()).collect();
        let _ = write!(line, " ids={}", ids.join(","));
    }
    if let Some(secs) = properties.message_expiry_interval_secs {
        let _ = write!(line, " expiry={secs}");
    }
    add(&mut line, "response", properties.response_topic);
    add(&mut line, "content_type", properties.content_type);
    for (name, value) in properties.user_properties.iter() {
        add(&mut line, "user", Some(&format!("{name}:{value}")));
    }
    line
}

fn auth_data(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Auth(auth) => auth
            .authentication_data
            .map_or(String::new(), |data| format!(" '{}'", String::from_utf8_lossy(data))),
        _ => panic!("an authentication without AUTH"),
    }
}

fn add(line: &mut String, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        let _ = write!(line, " {name}=\"{text}\"");
    }
}

/// The name of a variant, without its fields.
pub(super) fn name_of(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

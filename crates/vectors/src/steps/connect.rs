//! `a connects …`: the words, as a CONNECT and its CONNACK in the notation.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::version::Version;

/// The properties of CONNECT among the words: name, identifier and form.
const PROPERTIES: [(&str, &str, &str); 6] = [
    ("expiry", "11", "u32"),
    ("receive_maximum", "21", "u16"),
    ("maximum_packet_size", "27", "u32"),
    ("alias_maximum", "22", "u16"),
    ("request_response", "19", "u8"),
    ("request_problem", "17", "u8"),
];
const OTHERS: [&str; 11] = [
    "clean",
    "id",
    "keepalive",
    "present",
    "will",
    "will_payload",
    "will_qos",
    "will_retain",
    "will_delay",
    "username",
    "password",
];

/// CONNECT and CONNACK.
pub(super) fn notation(client: &str, words: &str, version: Version) -> Result<(String, String), String> {
    let words = Words::read(words)?;
    let mut flags = 0;
    flags |= u8::from(words.number("clean", 1)? == 1) << 1;
    let mut properties = String::new();
    for (name, identifier, form) in PROPERTIES {
        if words.text(name).is_some() {
            let value = words.number(name, 0)?;
            let value = if form == "u8" { format!("{value:02x}") } else { format!("{form}({value})") };
            let _ = write!(properties, "{identifier} {value} ");
        }
    }
    let mut payload = format!("\"{}\"", words.text("id").unwrap_or(client));
    if let Some(topic_name) = words.text("will") {
        let qos = words.number("will_qos", 0)? as u8;
        flags |= 1 << 2 | qos << 3 | u8::from(words.number("will_retain", 0)? == 1) << 5;
        let delay = words.number("will_delay", 0)?;
        let delay = if delay > 0 { format!("18 u32({delay})") } else { String::new() };
        let will_payload = words.text("will_payload").unwrap_or_default();
        let _ = write!(payload, " {{ {delay} }} \"{topic_name}\" \"{will_payload}\"");
    }
    for (name, bit) in [("username", 7), ("password", 6)] {
        if let Some(text) = words.text(name) {
            flags |= 1 << bit;
            let _ = write!(payload, " \"{text}\"");
        }
    }
    let keep_alive = words.number("keepalive", 0)?;
    let connect = format!("10 [ $protocol {flags:02x} u16({keep_alive}) {{ {properties} }} {payload} ]");
    // 3.1 has no Session Present: the byte is reserved.
    let present = words.number("present", 0)? == 1 && version != Version::V3_1;
    Ok((connect, format!("20 [ {:02x} 00 {{ ~ }} ]", u8::from(present))))
}

/// `name=value` and `name="a value"`.
struct Words<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Words<'a> {
    fn read(text: &'a str) -> Result<Self, String> {
        let mut words = BTreeMap::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (name, after) = rest.split_once('=').ok_or_else(|| format!("`{rest}` has no value"))?;
            if !OTHERS.contains(&name) && !PROPERTIES.iter().any(|(known, ..)| *known == name) {
                return Err(format!("`{name}` is nothing that a CONNECT has"));
            }
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or("text without its closing quote")?,
                None => after.split_once(' ').unwrap_or((after, "")),
            };
            words.insert(name, value);
            rest = after.trim_start();
        }
        Ok(Self(words))
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }

    fn number(&self, name: &str, default: u32) -> Result<u32, String> {
        match self.text(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("{name}={text} is not a number")),
        }
    }
}

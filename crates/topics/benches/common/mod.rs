//! The load that the benches share: five levels, devices under areas under sites under tenants.
#![allow(dead_code, unreachable_pub, reason = "each bench uses its part")]

use topicwire_topics::{Subscriptions, TopicFilter};

/// What a subscription is in the broker: four bytes that say who, eight that say how.
pub type Index = Subscriptions<u32, [u32; 2]>;

/// SplitMix64, so that every run has the same load.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// The name of the device that filter number `number` is about.
pub fn topic(number: usize) -> String {
    let (tenant, site, area) = (number % 7, number / 7 % 11, number / 77 % 13);
    format!("tenant{tenant}/site{site}/area{area}/device{number}/temperature")
}

/// Of ten filters seven are exact, two have a `+` and one a `#`; each matches the name of its number.
pub fn filter(number: usize) -> String {
    let topic = topic(number);
    let mut levels: Vec<&str> = topic.split('/').collect();
    match number % 10 {
        0 => levels[4] = "#",
        1 => levels[4] = "+",
        2 => levels[2] = "+",
        _ => {}
    }
    levels.join("/")
}

pub fn index_of(count: usize) -> Index {
    let mut index = Index::with_seed(0x5eed);
    for number in 0..count {
        let text = filter(number);
        index.insert(TopicFilter::new(&text).unwrap(), number as u32, [1, 0]);
    }
    index
}

/// Resident memory of this process in bytes, where the system tells; what the allocator adds is in it.
pub fn resident_bytes() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split(' ').nth(1)?.parse::<usize>().ok()? * 4096)
}

//! What a filter costs in memory: all that the allocator was asked for and has not been given back, by the number of
//! filters. `npm run bench -- --parts` reads what is printed here.

#![allow(clippy::print_stdout, reason = "a bench that a script reads")]

mod common;

use common::{Index, filter, resident_bytes, topic};
use topicwire_topics::TopicFilter;

/// A name and what makes filter number so-and-so.
type Kind = (&'static str, fn(usize) -> String);

/// The load of the other benches; the shortest filters that are different; filters too long to lie beside their subscribers.
const KINDS: [Kind; 3] = [
    ("as in the match", filter),
    ("exact and short", |number| format!("d/{number}")),
    ("exact and long", |number| format!("{}/and/some/more/levels/behind", topic(number))),
];

fn main() {
    // As many as the targets are about, and so many that vectors which double have doubled just before.
    for size in [1_000_000, (1 << 20) + 1] {
        for (kind, text_of) in KINDS {
            let resident = resident_bytes();
            let mut index = Index::with_seed(0x5eed);
            let allocated = allocation_counter::measure(|| {
                for number in 0..size {
                    let text = text_of(number);
                    index.insert(TopicFilter::new(&text).unwrap(), number as u32, [1, 0]);
                }
            });
            let resident =
                resident.zip(resident_bytes()).map_or(0, |(before, after)| after.saturating_sub(before));
            assert_eq!(index.size().filters, size);
            let each = |bytes: usize| bytes.div_ceil(size);
            let allocated = usize::try_from(allocated.bytes_current).unwrap();
            println!(
                "{size} filters, {kind}: {} B each allocated, {} B each counted, {} B each resident",
                each(allocated),
                each(index.size().heap_bytes),
                each(resident),
            );
        }
    }
}

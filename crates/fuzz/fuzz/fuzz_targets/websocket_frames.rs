#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| topicwire_fuzz::websocket_frames(data));

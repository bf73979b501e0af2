//! PLACE
#![forbid(unsafe_code)]

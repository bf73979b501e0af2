//! What a close frame carries: nothing, or a code and perhaps a reason (RFC 6455, section 7.4).

use alloc::vec::Vec;

use crate::control::MAXIMUM_CONTROL_BYTES;
use crate::violation::Violation;

/// Two of the bytes are the code.
const MAXIMUM_REASON_BYTES: usize = MAXIMUM_CONTROL_BYTES.saturating_sub(2);

/// The code of a close frame that came in; none where it says none.
pub(crate) fn check(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::HalfCloseCode) };
    };
    let code = u16::from_be_bytes(*code);
    // 1004 to 1006 are never sent, 1015 neither; up to 2999 all else waits for a meaning; from 5000 on there is none.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::CloseCode { code });
    }
    match str::from_utf8(reason) {
        Ok(_) => Ok(Some(code)),
        Err(_) => Err(Violation::CloseReasonNotUtf8),
    }
}

/// Makes `payload` that of a close frame. A reason that is too long is cut between two characters.
pub(crate) fn write(code: u16, reason: &str, payload: &mut Vec<u8>) {
    payload.clear();
    payload.extend_from_slice(&code.to_be_bytes());
    // A character has four bytes at most, so one of the last four places is between two.
    let longest = reason.len().min(MAXIMUM_REASON_BYTES);
    let cut = (0..4).find_map(|back| reason.get(..longest.saturating_sub(back)));
    payload.extend_from_slice(cut.unwrap_or_default().as_bytes());
}

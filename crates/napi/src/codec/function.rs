//! `decode` as a JavaScript function of its own, past napi-rs's wrapper.
//!
//! Between JavaScript and a method of a class the wrapper checks the object's tag, unwraps it and notes what is
//! borrowed, under a lock; with a chunk of one small packet that takes several times what the packet takes. This
//! function asks Node for its argument and for nothing else. Numbers come and go in the head of the table.

use std::ffi::{CString, c_void};
use std::ptr;

use napi::bindgen_prelude::{ToNapiValue, TypeName, Uint32Array, ValueType};
use napi::{Status, check_status, sys};

use super::Core;
use super::record::Head;
use super::run;
use crate::error::Code;

/// What the function works on; the function owns it, and so it is dropped when the function is collected.
pub struct Decoder {
    pub(super) records: Uint32Array,
    /// None after a panic.
    pub(super) core: Option<Core>,
}

impl TypeName for Decoder {
    fn type_name() -> &'static str {
        "Function"
    }

    fn value_type() -> ValueType {
        ValueType::Function
    }
}

impl ToNapiValue for Decoder {
    unsafe fn to_napi_value(env: sys::napi_env, decoder: Self) -> napi::Result<sys::napi_value> {
        let mut function = ptr::null_mut();
        let data = Box::into_raw(Box::new(decoder)).cast::<c_void>();
        // SAFETY: the caller guarantees `env`. The name ends with a zero, its length is not counted; `data` is what
        // `call` and `finalize` take it for.
        let status = unsafe {
            sys::napi_create_function(env, c"decode".as_ptr(), -1, Some(call), data, &mut function)
        };
        check_status!(status, "the function could not be made")?;
        // SAFETY: as above; `finalize` runs once, when the function is gone and nothing can call it any more.
        let status = unsafe {
            sys::napi_add_finalizer(env, function, data, Some(finalize), ptr::null_mut(), ptr::null_mut())
        };
        check_status!(status, "the function could not be given its finalizer")?;
        Ok(function)
    }
}

unsafe extern "C" fn finalize(_: sys::napi_env, data: *mut c_void, _: *mut c_void) {
    // SAFETY: `data` came from `Box::into_raw` in `to_napi_value`, and this is the one place that takes it back.
    drop(unsafe { Box::from_raw(data.cast::<Decoder>()) });
}

/// Returns undefined, or in words what is wrong with a packet. Throws where the caller or the codec is wrong.
unsafe extern "C" fn call(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let (mut count, mut chunk, mut data) = (1, ptr::null_mut(), ptr::null_mut());
    // SAFETY: Node calls with a valid `env` and `info`; there is room for one argument, which it fills in any case.
    let status =
        unsafe { sys::napi_get_cb_info(env, info, &mut count, &mut chunk, ptr::null_mut(), &mut data) };
    // SAFETY: `data` belongs to this function and lives as long as it. JavaScript does not run during the call,
    // on this or another thread, so that nobody else has a reference.
    let Some(decoder) = (unsafe { data.cast::<Decoder>().as_mut() }) else { return ptr::null_mut() };
    let bytes = match Status::from(status) {
        // SAFETY: `env` is valid, and `chunk` is a value of this call.
        Status::Ok => unsafe { bytes_of(env, chunk) },
        _ => None,
    };
    let Some(bytes) = bytes else {
        // SAFETY: `env` is valid.
        unsafe { throw(env, Code::InvalidOption, "the chunk must be a Uint8Array") };
        return ptr::null_mut();
    };
    // SAFETY: `src/codec/native-codec.ts` made the table and keeps it to itself: no other thread sees the memory, and
    // it is never detached. The reference that `records` holds keeps it alive.
    let table = unsafe { decoder.records.as_mut() };
    let Some((head, records)) = table.split_first_chunk_mut() else { return ptr::null_mut() };
    match run(&mut decoder.core, |core| core.decode(bytes, Head::of(head), records)) {
        Ok(None) => ptr::null_mut(),
        // SAFETY: `env` is valid.
        Ok(Some(problem)) => unsafe { text(env, &problem.to_string()) },
        Err(problem) => {
            // SAFETY: `env` is valid.
            unsafe { throw(env, problem.status, &problem.reason) };
            ptr::null_mut()
        }
    }
}

/// The bytes of a Uint8Array, or of a Buffer, which is one.
///
/// # Safety
/// `env` and `value` are those of the call that is under way, and the bytes are used no longer than that.
unsafe fn bytes_of<'call>(env: sys::napi_env, value: sys::napi_value) -> Option<&'call [u8]> {
    let (mut kind, mut length, mut start) = (0, 0, ptr::null_mut());
    // SAFETY: the caller guarantees `env` and `value`; what is not asked for may be null.
    let status = unsafe {
        sys::napi_get_typedarray_info(
            env,
            value,
            &mut kind,
            &mut length,
            &mut start,
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    if Status::from(status) != Status::Ok || kind != sys::TypedarrayType::uint8_array {
        return None;
    }
    if length == 0 {
        return Some(&[]);
    }
    // SAFETY: Node says that so many bytes are there. Nobody writes to them during the call: JavaScript does not run,
    // and `src/codec/native-codec.ts` refuses memory that threads share.
    Some(unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) })
}

/// A string, or undefined where there is no memory for one.
///
/// # Safety
/// `env` is that of the call that is under way.
#[cold]
unsafe fn text(env: sys::napi_env, words: &str) -> sys::napi_value {
    let mut value = ptr::null_mut();
    // SAFETY: the caller guarantees `env`; the words are as long as is said.
    unsafe {
        sys::napi_create_string_utf8(env, words.as_ptr().cast(), words.len() as isize, &mut value);
    }
    value
}

/// # Safety
/// `env` is that of the call that is under way.
#[cold]
unsafe fn throw(env: sys::napi_env, code: Code, words: &str) {
    let code = CString::new(code.as_ref()).unwrap_or_default();
    let words = CString::new(words).unwrap_or_default();
    // SAFETY: the caller guarantees `env`; both strings end with a zero.
    unsafe {
        sys::napi_throw_error(env, code.as_ptr(), words.as_ptr());
    }
}

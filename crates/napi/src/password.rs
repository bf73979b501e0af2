//! Argon2id, for the password files of the command. It runs in the thread pool of libuv: one hash takes tens of
//! milliseconds. How many run at a time is decided in `src/cli/passwords/turnstile.ts`; `src/cli/passwords/argon2id.ts`
//! has the parameters and the text form.

use std::panic::{AssertUnwindSafe, catch_unwind};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use napi::bindgen_prelude::{AsyncTask, Buffer, Uint8Array};
use napi::{Env, Status, Task};
use napi_derive::napi;

use crate::error::{Code, Result, error};

/// One hash to be computed.
pub struct Argon2idTask {
    password: Vec<u8>,
    salt: Vec<u8>,
    params: Params,
    length: usize,
}

impl Task for Argon2idTask {
    type Output = Vec<u8>;
    type JsValue = Buffer;

    fn compute(&mut self) -> napi::Result<Vec<u8>> {
        let hashed =
            catch_unwind(AssertUnwindSafe(|| hash(&self.password, &self.salt, &self.params, self.length)));
        match hashed {
            Ok(Ok(hash)) => Ok(hash),
            Ok(Err(reason)) => Err(napi::Error::new(Status::GenericFailure, reason)),
            Err(_) => Err(napi::Error::new(Status::GenericFailure, "hashing met a bug")),
        }
    }

    fn resolve(&mut self, _env: Env, hash: Vec<u8>) -> napi::Result<Buffer> {
        Ok(hash.into())
    }
}

/// The Argon2id hash (version 0x13) of a password: `length` bytes, with `memory_kib`, `iterations` and `lanes` for costs.
#[napi(js_name = "argon2id", ts_return_type = "Promise<Buffer>")]
pub fn argon2id(
    password: Uint8Array,
    salt: Uint8Array,
    memory_kib: u32,
    iterations: u32,
    lanes: u32,
    length: u32,
) -> Result<AsyncTask<Argon2idTask>> {
    let length = length as usize;
    let params = Params::new(memory_kib, iterations, lanes, Some(length)).map_err(|problem| {
        error(Code::InvalidOption, format_args!("these costs of Argon2id cannot be: {problem}"))
    })?;
    Ok(AsyncTask::new(Argon2idTask { password: password.to_vec(), salt: salt.to_vec(), params, length }))
}

/// Its memory is asked for, not taken: without enough of it the log-in fails and the process goes on.
fn hash(
    password: &[u8],
    salt: &[u8],
    params: &Params,
    length: usize,
) -> core::result::Result<Vec<u8>, String> {
    let mut blocks: Vec<Block> = Vec::new();
    blocks
        .try_reserve_exact(params.block_count())
        .map_err(|_| format!("there is no memory for an Argon2id hash of {} KiB", params.m_cost()))?;
    blocks.resize(params.block_count(), Block::default());
    let mut out = vec![0; length];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
        .hash_password_into_with_memory(password, salt, &mut out, &mut blocks)
        .map_err(|problem| problem.to_string())?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the tests of the reference implementation (phc-winner-argon2, test.c): m = 2^8, t = 2, p = 1.
    #[test]
    fn argon2id_is_that_of_the_reference() {
        let params = Params::new(256, 2, 1, Some(32)).unwrap();
        let hash = hash(b"password", b"somesalt", &params, 32).unwrap();
        let text: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe");
    }

    #[test]
    fn a_salt_that_is_too_short_is_an_error() {
        let params = Params::new(64, 1, 1, Some(32)).unwrap();
        assert!(hash(b"password", b"salt", &params, 32).is_err());
    }
}

//! The part of `NativeBroker` that takes sockets over from Node: see [`crate::sockets`].

use napi::bindgen_prelude::Function;
use napi::{Env, JsValue};
use napi_derive::napi;

use crate::broker::NativeBroker;
use crate::error::Result;

#[napi]
impl NativeBroker {
    /// Makes ready for `adoptSocket`, once. `on_turn` is called when a turn of the event loop has left something for
    /// JavaScript: what `status` then says. False where sockets cannot be driven here: on Windows, and in a process that
    /// does not show libuv's functions.
    #[napi]
    pub fn drive_sockets(&mut self, env: Env, on_turn: Function<'_, (), ()>) -> bool {
        #[cfg(unix)]
        {
            let shared = std::rc::Rc::as_ptr(&self.shared);
            // SAFETY: both are this call's, on its thread, and `shared` owns the driver.
            let driver = unsafe { crate::sockets::Driver::new(env.raw(), on_turn.raw(), shared) };
            let is_driven = driver.is_some();
            *self.shared.driver() = driver;
            is_driven
        }
        #[cfg(not(unix))]
        {
            let _ = (env, on_turn);
            false
        }
    }

    /// Opens a connection over a duplicate of this descriptor, and reads and writes it from now on. The caller closes
    /// its own. Returns the number of the connection; -1, and nothing has changed, where that is not possible.
    #[napi]
    pub fn adopt_socket(&mut self, descriptor: i32, now_ms: f64) -> Result<i32> {
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            use std::os::fd::BorrowedFd;
            // SAFETY: `src/transports/native-socket.ts` has just taken the descriptor from a socket of Node's that is
            // open, and nothing of Node's runs before this call has returned.
            let borrowed = (descriptor >= 0).then(|| unsafe { BorrowedFd::borrow_raw(descriptor) });
            let Some(stream) = borrowed.and_then(crate::sockets::Driver::duplicate) else { return Ok(-1) };
            let connection = self.shared.state().run(now_ms, |core, now_ms| {
                let connection = core.open(now_ms);
                core.take_directly(connection);
                connection
            })?;
            if driver.adopt(connection.0, stream) {
                return Ok(i32::try_from(connection.0).unwrap_or(i32::MAX));
            }
            self.shared.state().run(now_ms, |core, now_ms| core.close(connection, now_ms))?;
        }
        let _ = (descriptor, now_ms);
        Ok(-1)
    }

    /// Writes what the core has for sockets that are driven here.
    #[napi]
    pub fn flush_sockets(&mut self) {
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            driver.flush(&mut self.shared.state());
        }
    }

    /// Closes a socket that is driven here, at once. What has not been sent is lost.
    #[napi]
    pub fn destroy_socket(&mut self, connection: u32) {
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            driver.finish(connection);
        }
        let _ = connection;
    }

    /// The connections whose sockets have ended since the last call. `close` is to be called for each.
    #[napi]
    pub fn ended_sockets(&mut self) -> Vec<u32> {
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            return driver.take_gone();
        }
        Vec::new()
    }

    /// Closes all sockets that are driven here. Nothing is called from the event loop after this.
    #[napi]
    pub fn let_sockets_go(&mut self) {
        #[cfg(unix)]
        self.shared.let_go();
    }
}

//! The part of `NativeBroker` that takes sockets over from Node: see [`crate::sockets`].

use napi::bindgen_prelude::{Function, Uint8ArraySlice};
use napi::{Env, JsValue};
use napi_derive::napi;

use crate::broker::NativeBroker;
use crate::error::Result;
use crate::options::whole;

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

    /// Opens a connection over a duplicate of this descriptor, and reads and writes it from now on; `head` has come
    /// before. With `maximum_message_bytes` it is a WebSocket whose handshake is done. The caller closes its own
    /// descriptor. Returns the number of the connection; -1, and nothing has changed, where that is not possible.
    #[napi]
    pub fn adopt_socket(
        &mut self,
        descriptor: i32,
        head: Uint8ArraySlice<'_>,
        maximum_message_bytes: Option<f64>,
        now_ms: f64,
    ) -> Result<i32> {
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            use std::os::fd::BorrowedFd;

            use crate::sockets::{Driver, Framed};

            // SAFETY: `src/transports/native-socket.ts` has just taken the descriptor from a socket of Node's that is
            // open, and nothing of Node's runs before this call has returned.
            let borrowed = (descriptor >= 0).then(|| unsafe { BorrowedFd::borrow_raw(descriptor) });
            let Some(stream) = borrowed.and_then(Driver::duplicate) else { return Ok(-1) };
            let state = &mut *self.shared.state();
            let connection = state.run(now_ms, |core, now_ms| {
                let connection = core.open(now_ms);
                core.take_directly(connection);
                connection
            })?;
            let framed = maximum_message_bytes.map(|bytes| Framed::new(whole(bytes)));
            if driver.adopt(connection.0, stream, framed) {
                driver.take_head(state, connection.0, &head);
                return Ok(i32::try_from(connection.0).unwrap_or(i32::MAX));
            }
            state.run(now_ms, |core, now_ms| core.close(connection, now_ms))?;
        }
        let _ = (descriptor, head, maximum_message_bytes, now_ms);
        Ok(-1)
    }

    /// Closes a WebSocket that is driven here, in order: with a close frame of this code and reason.
    #[napi]
    pub fn close_web_socket(&mut self, connection: u32, code: u32, reason: String) {
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            let code = u16::try_from(code).unwrap_or(1000);
            driver.close_web_socket(connection, code, &reason, self.shared.state().now());
        }
        let _ = (connection, code, reason);
    }

    /// The WebSockets that the core has ended since the last call, in pairs: the connection and the Reason Code.
    /// `closeWebSocket` is to be called for each.
    #[napi]
    pub fn closing_web_sockets(&mut self) -> Vec<u32> {
        #[cfg(unix)]
        if let Some(driver) = &mut *self.shared.driver() {
            return driver.take_closing();
        }
        Vec::new()
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
